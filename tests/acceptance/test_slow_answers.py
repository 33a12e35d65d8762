"""Servers that take calls and do not come to the end of an answer: each waits alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.answers import archive_of, archived, completed, error, reply, sane, started
from tests.support.trial import (
    WELL,
    Failed,
    Home,
    Member,
    Table,
    assert_became,
    assert_in_order,
    assert_the_others_are_home,
    collected,
    tried,
)
from tests.support.wire import Drip, End, Step, Wait, Wire, always, first

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.trial import Plan, Trial, Trials

HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
LATE_POST = Failed("export", "cut|unreadable", posts=2)
LATE_STATUS = Failed("status", "cut|unreadable", attempts=1)


def post(*answer: Step) -> Member:
    return Member({"export": always(*answer)}, LATE_POST)


def status(*answer: Step) -> Member:
    return Member({"status": always(*answer)}, LATE_STATUS)


def in_bits(content: bytes, size: int) -> tuple[Step, ...]:
    """So many bytes at a time, with a pause after each."""
    bits = (content[at : at + size] for at in range(0, len(content), size))
    return tuple(step for bit in bits for step in (bit, Wait(0.05)))


NEVER: Table = {
    "first-post-silent": post(End.SILENT),
    "second-post-silent": post(End.SILENT),
    "third-post-silent": post(End.SILENT),
    "post-drips": post(HEAD, Drip(b" ", 0.5)),
    "post-drips-head": post(b"HTTP/1.1 200 OK\r\n", Drip(b"X-A: 1\r\n", 0.5)),
    "post-half-a-head": post(b"HTTP/1.1 202 Acc", End.SILENT),
    "post-continued-for-ever": post(Drip(b"HTTP/1.1 100 Continue\r\n\r\n", 0.5)),
    "status-silent": status(End.SILENT),
    "status-drips": status(HEAD + b"{", Drip(b" ", 0.5)),
    "status-drips-quickly": status(HEAD + b"{", Drip(b" ", 0.02)),
    "status-drips-head": status(b"HTTP/1.1 200 OK\r\nX-A: ", Drip(b"a", 0.5)),
    "status-drips-chunks": status(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Drip(b"1\r\n \r\n", 0.5)
    ),
    "status-drips-in-an-error": status(
        b"HTTP/1.1 500 No\r\nContent-Length: 100000\r\n\r\n", Drip(b"<", 0.5)
    ),
    "status-stops-in-the-body": status(HEAD + b'{"status": "comp', End.SILENT),
    "status-half-closes": status(HEAD + b'{"status": "comp', End.HALF_CLOSED),
    "download-head-drips": Member(
        {"download": always(b"HTTP/1.1 200 OK\r\n", Drip(b"X-A: 1\r\n", 0.5))},
        Failed("download", "cut|unreadable|too_slow", attempts=1),
    ),
    "download-refusal-drips": Member(
        {"download": always(b"HTTP/1.1 500 No\r\nContent-Length: 1000\r\n\r\n", Drip(b"<", 0.5))},
        Failed("download", "cut|unreadable|too_slow", attempts=1),
    ),
    "download-json-drips": Member(
        {"download": always(HEAD + b"{", Drip(b" ", 0.5))},
        Failed("download", "cut|unreadable|too_slow", attempts=1),
    ),
    "replicas-lag-for-ever": Member(
        {
            "status": lambda call: (
                (error(404, "iMetal.0102"),) if call.export.endswith("-1") else None
            )
        },
        Home(2),
    ),
    "unknown-after-all": Member(
        {"export": lambda call: (error(404, "iMetal.0100"),) if call.nth > 1 else None,
         "status": always(error(404, "iMetal.0100"))},
        Failed("export", "unknown_server", attempts=None, posts=2),
    ),
}  # fmt: skip
"""By the limits of small calls, and of patience with replicas: this takes a minute and a half."""
SLOW: Table = {
    "post-late": Member({"export": always(Wait(3.0), started("e-1"))}, Home()),
    "status-late": Member({"status": always(Wait(3.0), completed())}, Home()),
    "status-in-bits": Member({"status": always(*in_bits(completed(), 40))}, Home()),
    "download-late": Member({"download": lambda call: (Wait(1.0), archived(call.server))}, Home()),
    "download-in-bits": Member(
        {
            "download": lambda call: (
                reply(200, b"", b"Content-Length: %d" % len(archive_of(call.server)), length=False),
                *in_bits(archive_of(call.server), 50),
            )
        },
        Home(),
    ),
    "download-silent": Member({"download": always(End.SILENT)}, Failed("download", "cut")),
    "download-silent-once": Member({"download": first(1, End.SILENT)}, Home()),
}

PLANS: dict[str, Plan] = {
    "slow": partial(tried, SLOW),
    "never": partial(tried, NEVER, most=1, patience_s=150.0),
}


@pytest.fixture
def slow(trials: Trials) -> Trial:
    return trials["slow"]


@pytest.fixture
def never(trials: Trials) -> Trial:
    return trials["never"]


@pytest.mark.parametrize("server", SLOW)
def test_answer_that_is_late_is_waited_for(slow: Trial, server: str) -> None:
    assert_became(slow, server, SLOW[server].becomes)


def test_late_answers_hold_nobody_up(slow: Trial) -> None:
    assert_the_others_are_home(slow)
    assert_in_order(slow)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("server", NEVER)
def test_answer_without_end_is_given_up(never: Trial, server: str) -> None:
    assert_became(never, server, NEVER[server].becomes)


@pytest.mark.timeout(180)
def test_others_are_home_before_a_post_without_end_is_given_up(never: Trial) -> None:
    assert_the_others_are_home(never)
    assert_in_order(never)
    posts = [call for call in never.wire.calls if call.kind == "export"]
    given_up_s = min(call.left_s for call in posts if call.left_s is not None)
    assert all(never.wire.called(server, "download")[0].at_s < given_up_s for server in WELL)


@pytest.mark.parametrize("kind", ["export", "status", "download"])
def test_one_silent_server_holds_nobody_up_under_a_deadline(tmp_path: Path, kind: str) -> None:
    silent = {kind: always(End.SILENT)}
    wire = Wire(("silent", *WELL), sane, {"silent": silent})  # type: ignore[dict-item]
    trial = collected(wire, tmp_path, "--deadline", "8s")
    assert trial.code == 3
    assert_the_others_are_home(trial)
    assert trial.rows["silent"]["waiting"]["reason"] == "deadline"
    assert wire.posts("silent") == 1
