"""Services all of whose servers answer in one odd way: what is valid is read, the rest is told."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.answers import (
    archive_of,
    archived,
    chunked,
    completed,
    error,
    named,
    page,
    reply,
    running,
    sane,
    started,
)
from tests.support.trial import (
    Home,
    assert_became,
    assert_in_order,
    assert_printable,
    assert_the_others_are_home,
    collected,
)
from tests.support.wire import End, Wire, after_export, always, first, while_young

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.trial import Plan, Trial, Trials
    from tests.support.wire import Answer, Call, Script

SIX: Final = tuple(f"bms-{number}" for number in range(1, 7))
FOR_S: Final = 3.0


def everywhere(change: Callable[[bytes], bytes], *more: End) -> Script:
    """Every sane answer, changed."""

    def answer(call: Call) -> Answer:
        return (change(sane(call)), *more)

    return {"export": answer, "status": answer, "download": answer}


def with_line(line: bytes) -> Callable[[bytes], bytes]:
    return lambda answer: answer.replace(b"\r\n", b"\r\n" + line + b"\r\n", 1)


def body_of(answer: bytes) -> bytes:
    return answer.split(b"\r\n\r\n", 1)[1]


VALID: Final[dict[str, Script]] = {
    "plain": {},
    "continues": everywhere(lambda answer: b"HTTP/1.1 100 Continue\r\n\r\n" + answer),
    "hints": everywhere(
        lambda answer: b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n" + answer
    ),
    "bare-lf": everywhere(
        lambda answer: (
            answer.split(b"\r\n\r\n", 1)[0].replace(b"\r\n", b"\n") + b"\n\n" + body_of(answer)
        )
    ),
    "no-length": {
        "download": lambda call: (
            reply(200, archive_of(call.server), b"Connection: close", length=False),
            End.CLOSED,
        )
    },
    "utf-8-names": {
        "download": lambda call: (
            named(call.server, 'attachment; filename="服务器日志.tar.gz"'.encode()),
        )
    },
    "gzip-label": {
        "download": lambda call: (archived(call.server, b"Content-Encoding: gzip"),)
    },
    "many-headers": everywhere(
        with_line(b"\r\n".join(b"Set-Cookie: c%d=1" % number for number in range(200)))
    ),
    "closes": everywhere(lambda answer: answer, End.CLOSED),
    "chunks": everywhere(lambda answer: chunked(body_of(answer))),
    "exports-take-long": {"status": while_young(4.0, running())},
    "lags": {"status": after_export(FOR_S, error(404, "iMetal.0102"))},
    "redirects": {
        "download": lambda call: (
            reply(302, b"", b"Location: /stored/" + call.server.encode()),
        )
    },
}  # fmt: skip


def odd(way: str, home: Path) -> Trial:
    """Collect from a service that answers in an odd way."""
    return collected(Wire(SIX, sane, everywhere=VALID[way]), home)


PLANS: dict[str, Plan] = {way: partial(odd, way) for way in VALID}


@pytest.mark.parametrize("way", VALID)
def test_service_that_answers_oddly_is_collected_whole(trials: Trials, way: str) -> None:
    assert_in_order(trials[way])
    assert_the_others_are_home(trials[way], SIX)


def content_length_twice(answer: bytes) -> bytes:
    return with_line(b"Content-Length: %d" % len(body_of(answer)))(answer)


def length_and_chunks(answer: bytes) -> bytes:
    body = body_of(answer)
    return chunked(body, headers=(b"Content-Length: %d" % len(body),))


@pytest.mark.parametrize("change", [content_length_twice, length_and_chunks])
def test_service_whose_framing_is_invalid_stores_nothing_and_is_told_of(
    tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    trial = collected(Wire(SIX, sane, everywhere=everywhere(change)), tmp_path, "--deadline", "6s")
    assert trial.code == 4
    assert "collected" not in trial.states.values()
    assert "Content-Length" in trial.out + trial.err
    assert_printable(trial.out + trial.err)


def test_server_that_is_busy_under_200_is_asked_again(tmp_path: Path) -> None:
    busy = first(1, error(200, "iMetal.0101", words="A collection is already running."))
    trial = collected(Wire(SIX, sane, everywhere={"export": busy}), tmp_path)
    assert_in_order(trial)
    for server in SIX:
        assert_became(trial, server, Home(posts=2))


def test_pages_of_a_firewall_for_a_while_are_waited_for(tmp_path: Path) -> None:
    wire = Wire(SIX, sane, everywhere={"export": while_young(FOR_S, page(403))})
    trial = collected(wire, tmp_path)
    assert_in_order(trial)
    assert trial.code == 0
    assert "permission" not in trial.out + trial.err


def test_service_that_is_down_for_maintenance_is_asked_again_when_it_said(tmp_path: Path) -> None:
    down = while_young(FOR_S, reply(503, b"maintenance", b"Retry-After: 4", kind=b"text/plain"))
    wire = Wire(SIX, sane, everywhere={"export": down, "status": down, "download": down})
    trial = collected(wire, tmp_path)
    assert_in_order(trial)
    assert trial.code == 0
    for server in SIX:
        posts = wire.called(server, "export")
        assert len(posts) == 1 or posts[1].at_s - posts[0].at_s >= 4.0


@pytest.mark.parametrize("status", [409, 500, 503])
def test_wait_that_one_server_is_told_is_its_own(tmp_path: Path, status: int) -> None:
    busy = first(2, error(status, "iMetal.0099", b"Retry-After: 2"))
    wire = Wire(SIX, sane, {SIX[2]: {"export": busy}})
    trial = collected(wire, tmp_path)
    assert_in_order(trial)
    assert_became(trial, SIX[2], Home(posts=3))
    at_s = [call.at_s for call in wire.called(SIX[2], "export")]
    assert min(at_s[1] - at_s[0], at_s[2] - at_s[1]) >= 2.0


def test_long_waits_of_some_servers_hold_up_no_other(tmp_path: Path) -> None:
    values = (b"7200", b"9" * 400, b"Fri, 31 Dec 9999 23:59:59 GMT", b"inf", b"1e300", b"1e-300")
    now = b"Date: Thu, 01 Jan 2026 00:00:00 GMT"
    scripts: dict[str, Script] = {
        f"{status}-{at}": {"export": always(error(status, "", now, b"Retry-After: " + value))}
        for status in (409, 503)
        for at, value in enumerate(values)
    }
    trial = collected(
        Wire((*scripts, *SIX), sane, scripts), tmp_path, "--deadline", "8s", "--max-attempts", "2"
    )
    assert trial.code == 3
    assert_printable(trial.out + trial.err)
    assert_the_others_are_home(trial, SIX)
    assert "collected" not in {trial.states[server] for server in scripts}


@pytest.mark.parametrize("seconds", [600, 7200])
def test_long_wait_of_a_limit_is_told_with_its_end(tmp_path: Path, seconds: int) -> None:
    wait = first(1, error(429, "APIGW.0308", b"Retry-After: %d" % seconds))
    wire = Wire(SIX, sane, {SIX[0]: {"export": wait}})
    trial = collected(wire, tmp_path, "--deadline", "5s")
    assert trial.code in (3, 4)
    said = trial.out + trial.err
    assert f"{seconds}" in said or re.search(r"until.*\d:\d\d", said)
    assert_printable(said)


def test_words_that_would_move_a_cursor_are_made_fit_for_a_terminal(tmp_path: Path) -> None:
    words = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp\u2028\r\n\tlast"
    wire = Wire(
        SIX,
        sane,
        {
            SIX[0]: {"export": always(error(403, "iMetal.\x1b[0m", words=words))},
            SIX[1]: {"export": always(reply(400, words.encode(), kind=b"text/plain"))},
            SIX[2]: {"status": always(completed(status=words))},
            SIX[3]: {"export": always(started(words))},
            SIX[4]: {"download": always(reply(403, words.encode()))},
        },
    )
    trial = collected(wire, tmp_path, "-vv", "--max-attempts", "1", "--deadline", "8s")
    assert trial.code == 3
    assert_printable(trial.out)
    assert_printable(trial.err)
    text = (trial.command.latest / "manifest.json").read_text()
    assert_printable(text)
