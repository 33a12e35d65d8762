"""Calls with AK and SK: signed to the byte, by the service's clock, and no key is ever locked."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from multidict import CIMultiDict
from yarl import URL

from collector.model.answers import ExportSaid, Problem, ProblemKind
from collector.providers.clouddc.client import CloudDC
from collector.providers.clouddc.signin.credential import Outgoing, signed_in
from collector.providers.clouddc.signin.keys import key_source
from collector.providers.clouddc.signin.lockout import FILE, KeyGuard, Ticket
from collector.providers.clouddc.signin.reading import UnusableSecretError
from collector.providers.clouddc.signin.secret import Keyring
from collector.providers.clouddc.signin.signing import LARGEST_BODY
from collector.providers.protocol import Fetched, OpenArchive, ProjectAddress, Target
from tests.support.loopback import (
    ARCHIVE,
    Answer,
    read_all,
    request_head,
    serving,
    speaking,
    target,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence
    from pathlib import Path

    from collector.providers.clouddc.signin.kept import KeptSource
    from tests.support.loopback import Heard, Server

pytestmark = pytest.mark.anyio
AK, SK, SECURITY_TOKEN = "AKCANARY0123456789AB", "sk-canary-" + "s" * 30, "st-canary-" + "t" * 90
STARTED = Answer(202, {"export_id": "e1", "status": "processing"})
WRONG = Answer(
    401,
    {
        "error_code": "APIGW.0301",
        "error_msg": "Incorrect IAM authentication information: verify aksk signature fail",
    },
)
PAGE = Answer(401, b"<html><title>Sign in to the proxy</title></html>")


def source(
    ring: Keyring | None = None, *, ak: str = AK, sk: str = SK, token: str | None = None
) -> KeptSource:
    options = {"ak_env": "AK", "sk_env": "SK"}
    environ = {"AK": ak, "SK": sk}
    if token is not None:
        options["security_token_env"], environ["ST"] = "ST", token
    return key_source(options, environ, ring or Keyring())


def fleet_of(*sources: KeptSource, memory: Path | None = None) -> CloudDC:
    named = {"ops": sources[0], **{f"c{n}": one for n, one in enumerate(sources)}}
    return CloudDC(named, connections=10, memory=memory)


def is_signed(heard: Heard, *, sk: str = SK) -> bool:
    """Whether a request's signature is that of what arrived, worked out from its bytes."""
    given = heard.headers["Authorization"]
    parts = dict(part.split("=", 1) for part in given.partition(" ")[2].split(", "))
    names = parts["SignedHeaders"].split(";")
    path, _, query = heard.path.partition("?")
    request = "\n".join(
        [
            heard.method,
            f"{path.rstrip('/')}/",
            query,
            *(f"{name}:{heard.headers[name]}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(heard.body).hexdigest(),
        ]
    )
    digest = hashlib.sha256(request.encode()).hexdigest()
    to_sign = f"SDK-HMAC-SHA256\n{heard.headers['X-Sdk-Date']}\n{digest}"
    return hmac.new(sk.encode(), to_sign.encode(), "sha256").hexdigest() == parts["Signature"]


@pytest.mark.parametrize("token", [None, SECURITY_TOKEN])
async def test_what_is_signed_is_what_arrives(token: str | None) -> None:
    async with serving(STARTED) as server, fleet_of(source(token=token)) as fleet:
        here = target(f"{server.url}/prefix", project="p 1ä", server="s~1")
        await fleet.start_export(here, asks_limits=True)
        await fleet.ask_status(here, "e1 ?", asks_limits=False)
    for heard in server.heard:
        assert is_signed(heard)
        assert heard.headers["X-Project-Id"] == "p 1ä"
        assert heard.headers["Host"] == server.url.removeprefix("http://")
        assert heard.headers.get("X-Security-Token") == token
        assert "X-Auth-Token" not in heard.headers
        assert ("x-security-token" in heard.headers["Authorization"]) == (token is not None)


async def test_a_part_that_is_asked_for_leaves_the_signature_right() -> None:
    answer = Answer(
        206, ARCHIVE[10:],
        {"Content-Range": f"bytes 10-{len(ARCHIVE) - 1}/{len(ARCHIVE)}", "ETag": '"a"'},
    )  # fmt: skip
    fetched = Fetched(10, len(ARCHIVE), '"a"')
    async with (
        serving(answer) as server,
        fleet_of(source()) as fleet,
        fleet.open_archive(target(server.url), "e1", asks_limits=False, fetched=fetched) as opened,
    ):
        assert isinstance(opened, OpenArchive)
        assert (await read_all(opened))[0] == ARCHIVE[10:]
    assert server.last.headers["Range"]
    assert is_signed(server.last)


async def test_a_redirection_within_the_origin_is_signed_anew_and_one_away_from_it_not() -> None:
    async with serving(Answer(body=ARCHIVE)) as storage:
        away = Answer(302, b"", {"Location": f"{storage.url}/bucket?Signature=of-the-link"})
        within = Answer(307, b"", {"Location": "/other/place"})
        async with (
            serving(within, away) as server,
            fleet_of(source(token=SECURITY_TOKEN)) as fleet,
            fleet.open_archive(target(server.url), "e1", asks_limits=False) as opened,
        ):
            assert isinstance(opened, OpenArchive)
    first, second = server.heard
    assert is_signed(first)
    assert second.path == "/other/place"
    assert is_signed(second)
    (linked,) = storage.heard
    assert not {"Authorization", "X-Security-Token", "X-Project-Id", "X-Sdk-Date"} & {
        *linked.headers
    }


async def starts(
    answers: Sequence[Answer], times: int, *, memory: Path | None, one: KeptSource | None = None
) -> tuple[list[Any], Server]:
    """What so many starts of exports come to, in a process of their own, as far as they know."""
    async with serving(*answers) as server, fleet_of(one or source(), memory=memory) as fleet:
        said = [
            await fleet.start_export(target(server.url, project=f"p{n}"), asks_limits=False)
            for n in range(times)
        ]
    return said, server


async def test_the_same_keys_are_refused_twice_and_then_not_sent(tmp_path: Path) -> None:
    said, server = await starts([WRONG], 5, memory=tmp_path)
    assert len(server.heard) == 2
    assert [one.sign_in for one in said] == [False, False, True, True, True]
    assert {one.kind for one in said} == {ProblemKind.UNAUTHENTICATED}
    assert not any(one.renewed for one in said)
    assert said[0].everywhere
    assert "verify aksk signature fail" in said[-1].message
    assert "AK and SK" in said[0].hint
    assert AK not in str(said)


async def test_three_wrong_signatures_in_a_row_are_the_last_whichever_run_sends_them(
    tmp_path: Path,
) -> None:
    sent = 0
    for _ in range(4):
        said, server = await starts([WRONG], 4, memory=tmp_path)
        sent += len(server.heard)
    assert sent == 3
    assert said[0].sign_in
    assert said[0].retry_after_s is None
    assert "no call is made with it for" in said[0].message
    assert said[0].hint.startswith("correct keys have to wait until then, too; ")


async def test_keys_of_one_ak_count_together_whichever_entry_they_are_of(tmp_path: Path) -> None:
    ring = Keyring()
    keys = [source(ring, sk=f"{SK}{n}") for n in range(4)]
    async with (
        serving(WRONG) as server,
        fleet_of(*keys, memory=tmp_path) as fleet,
        anyio.create_task_group() as tasks,
    ):
        for n in range(4):
            tasks.start_soon(_start, fleet, of_entry(server, n))
    assert len(server.heard) == 3


def of_entry(server: Server, number: int) -> Target:
    """A server of a project that uses the credentials of this number."""
    return Target(ProjectAddress("clouddc", server.url, f"p{number}", f"c{number}", "a"), "s1")


async def _start(fleet: CloudDC, where: Target) -> None:
    await fleet.start_export(where, asks_limits=False)


async def test_an_acceptance_begins_the_count_anew(tmp_path: Path) -> None:
    await starts([WRONG], 2, memory=tmp_path)
    await starts([STARTED], 1, memory=tmp_path)
    assert json.loads((tmp_path / FILE).read_text())["keys"] == {}
    _, server = await starts([WRONG], 2, memory=tmp_path)
    assert len(server.heard) == 2


@pytest.mark.parametrize(
    "answer",
    [PAGE, Answer(429, {"error_code": "APIGW.0308", "error_msg": "slow down"}), Answer(502)],
)
async def test_an_answer_of_whoever_looked_at_no_signature_does_not_count(
    tmp_path: Path, answer: Answer
) -> None:
    said, server = await starts([answer], 6, memory=tmp_path)
    assert len(server.heard) == 6
    assert not any(one.sign_in for one in said)


async def test_calls_that_never_left_do_not_count(tmp_path: Path) -> None:
    async with fleet_of(source(), memory=tmp_path) as fleet:
        said = [
            await fleet.start_export(target("http://127.0.0.1:1"), asks_limits=False)
            for _ in range(5)
        ]
    assert {one.kind for one in said if isinstance(one, Problem)} == {ProblemKind.NOT_SENT}


async def test_a_call_is_counted_before_it_leaves_and_a_lost_answer_stays_counted(
    tmp_path: Path,
) -> None:
    seen: list[Any] = []

    async def speak(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await request_head(reader)
        seen.append(json.loads((tmp_path / FILE).read_text())["keys"])

    async with fleet_of(source(), memory=tmp_path) as fleet, speaking(speak) as url:
        said = [await fleet.start_export(target(url), asks_limits=False) for _ in range(4)]
    assert [len(next(iter(keys.values()))) for keys in seen] == [1, 2, 3]
    last = said[-1]
    assert isinstance(last, Problem)
    assert last.kind is ProblemKind.NOT_SENT, "it is the service that does not answer"
    assert "so that the service does not lock it" in last.message
    assert AK not in (tmp_path / FILE).read_text()
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff" * 10, b'{"version": 9}', b"[" * 10**5, b"x" * (2 << 20)]
)
async def test_a_damaged_count_begins_anew_and_says_so(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_bytes(content)
    _, server = await starts([WRONG], 3, memory=tmp_path)
    assert len(server.heard) == 2
    assert "begins anew" in caplog.text
    assert len(json.loads((tmp_path / FILE).read_text())["keys"]) == 1


async def test_without_a_place_to_count_in_a_process_still_counts() -> None:
    _, server = await starts([WRONG], 4, memory=None)
    assert len(server.heard) == 2


async def test_where_nothing_can_be_written_the_count_is_the_processs_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    ring = Keyring()
    keys = [source(ring, sk=f"{SK}{n}") for n in range(4)]
    async with (
        serving(WRONG) as server,
        fleet_of(*keys, memory=tmp_path / "file") as fleet,
    ):
        for n in range(4):
            await _start(fleet, of_entry(server, n))
    assert len(server.heard) == 3
    assert caplog.text.count("in this process alone") == 1


async def test_where_the_users_directory_cannot_be_written_runs_of_one_output_count_together(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("")
    sent = 0
    for n in range(3):
        one = {"ops": source(sk=f"{SK}{n}")}
        fleet = CloudDC(one, connections=1, memory=tmp_path / "file", shared=tmp_path / "out")
        async with serving(WRONG) as server, fleet:
            for _ in range(4):
                await _start(fleet, target(server.url))
        sent += len(server.heard)
    assert sent == 3


async def test_a_count_that_cannot_be_saved_counts_a_call_once(tmp_path: Path) -> None:
    (tmp_path / "signatures.json.part").mkdir()
    guard = KeyGuard(tmp_path)
    assert [isinstance(await guard.leaves(AK), Ticket) for _ in range(4)] == [True] * 3 + [False]


async def test_until_keys_are_accepted_one_call_carries_them_alone() -> None:
    came: list[int] = []
    body = json.dumps(STARTED.body).encode()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        came.append(len(came))
        if len(came) == 1:
            await anyio.sleep(0.03)
            came.append(-len(came))  # how many had come before the first was answered
        writer.write(b"HTTP/1.1 202 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()

    async with (
        speaking(speak) as url,
        fleet_of(source()) as fleet,
        anyio.create_task_group() as tasks,
    ):
        for n in range(8):
            tasks.start_soon(_start, fleet, target(url, server=f"s{n}"))
    assert came[:2] == [0, -1]
    assert len(came) == 9


async def test_a_call_that_is_given_up_lets_the_next_one_go() -> None:
    came = 0

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal came
        await request_head(reader)
        came += 1
        if came > 1:
            body = json.dumps(STARTED.body).encode()
            head = b"HTTP/1.1 202 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
            writer.write(head + body)
            await writer.drain()
        else:
            await reader.read()  # until the client leaves

    async with speaking(speak) as url, fleet_of(source()) as fleet:
        with anyio.move_on_after(0.05):
            await fleet.start_export(target(url), asks_limits=False)
        with anyio.fail_after(10):
            said = await fleet.start_export(target(url), asks_limits=False)
    assert isinstance(said, ExportSaid)


@pytest.mark.parametrize(
    ("there", "told"),
    [(3600, "3600 s behind that of"), (-3600, "3600 s ahead of that of")],
)
async def test_a_clock_that_is_off_is_said_once_and_signing_follows_the_services(
    there: int, told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dated = {"Date": formatdate(time.time() + there, usegmt=True)}
    refused = Answer(401, WRONG.body, dated)
    said, server = await starts([refused, Answer(202, STARTED.body, dated)], 3, memory=tmp_path)
    assert said[0].renewed
    assert isinstance(said[1], ExportSaid)
    assert isinstance(said[2], ExportSaid)
    stamps = [
        time.mktime(time.strptime(heard.headers["X-Sdk-Date"], "%Y%m%dT%H%M%SZ"))
        for heard in server.heard
    ]
    assert abs(stamps[1] - stamps[0] - there) < 60
    warnings = [one.getMessage() for one in caplog.records if "clock" in one.getMessage()]
    assert len(warnings) == 1
    seconds = int(told.partition(" ")[0])
    assert any(
        warnings[0].startswith(f"this machine's clock is {close} s {told.partition(' s ')[2]}")
        for close in range(seconds - 5, seconds + 6)
    )


async def test_words_that_say_the_services_time_are_enough(tmp_path: Path) -> None:
    there = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + 7200))
    words = f"signature expired, signature time:20230527T000431Z,server time:{there}"
    refused = Answer(401, {"error_code": "APIGW.0301", "error_msg": words})
    said, _ = await starts([refused, STARTED], 2, memory=tmp_path)
    assert said[0].renewed
    assert isinstance(said[1], ExportSaid)


async def test_a_clock_that_is_off_is_followed_from_the_first_acceptance_on() -> None:
    dated = Answer(202, STARTED.body, {"Date": formatdate(time.time() + 600, usegmt=True)})
    _, server = await starts([dated], 2, memory=None)
    stamps = [heard.headers["X-Sdk-Date"] for heard in server.heard]
    first, second = (time.mktime(time.strptime(one, "%Y%m%dT%H%M%SZ")) for one in stamps)
    assert 540 < second - first < 660


@pytest.mark.parametrize("date", ["Mon, 01 Jan 2024 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"])
async def test_a_date_that_an_accepted_signature_refutes_is_not_followed(date: str) -> None:
    _, server = await starts([Answer(202, STARTED.body, {"Date": date})], 2, memory=None)
    stamps = [heard.headers["X-Sdk-Date"] for heard in server.heard]
    first, second = (time.mktime(time.strptime(one, "%Y%m%dT%H%M%SZ")) for one in stamps)
    assert abs(second - first) < 60


async def test_a_date_that_cannot_be_right_is_not_followed_after_a_refusal(tmp_path: Path) -> None:
    refused = Answer(401, WRONG.body, {"Date": "Thu, 01 Jan 1970 00:00:00 GMT"})
    said, server = await starts([refused, STARTED], 2, memory=tmp_path)
    assert not said[0].renewed
    assert isinstance(said[1], ExportSaid)
    assert all(heard.headers["X-Sdk-Date"] > "2020" for heard in server.heard)


async def test_a_body_that_cannot_be_signed_is_not_sent() -> None:
    async with serving(STARTED) as server, fleet_of(source()) as fleet:
        credential = fleet._credentials["ops"]
        body = b"x" * (LARGEST_BODY + 1)
        project = target(server.url).project
        outgoing = Outgoing("POST", URL(server.url), body, project, CIMultiDict())
        said = await signed_in(credential, outgoing, lambda *_: pytest.fail("sent"))
        assert isinstance(said, Problem)
        assert "12 MB" in said.message
        await fleet.start_export(target(server.url), asks_limits=False)  # nobody waits for it
    assert len(server.heard) == 1


@pytest.mark.parametrize(
    ("options", "environ", "told"),
    [
        ({}, {"SK": SK}, "AK is missing"),
        ({}, {"AK": AK}, "SK is missing"),
        ({}, {"AK": "", "SK": SK}, "AK is empty"),
        ({}, {"AK": AK, "SK": " \n"}, "SK is empty"),
        ({}, {"AK": "AK, Signature=x", "SK": SK}, "AK is no access key"),
        ({}, {"AK": "AK\u00e4", "SK": SK}, "AK holds characters"),
        ({}, {"AK": AK, "SK": "two\nlines"}, "SK is not one line"),
        ({"security_token_env": "ST"}, {"AK": AK, "SK": SK}, "ST is missing"),
    ],
)
def test_keys_that_cannot_be_are_named_and_not_shown(
    options: dict[str, str], environ: dict[str, str], told: str
) -> None:
    with pytest.raises(UnusableSecretError, match=told) as refused:
        key_source({"ak_env": "AK", "sk_env": "SK"} | options, environ, Keyring())
    assert SK not in str(refused.value)
    assert AK not in str(refused.value)


def test_keys_are_in_no_representation() -> None:
    ring = Keyring()
    shown = f"{source(ring)!r} {ring.keys(AK, SK, SECURITY_TOKEN)!r}"
    assert "AK" in shown
    for secret in (AK, SK, SECURITY_TOKEN):
        assert secret not in shown
