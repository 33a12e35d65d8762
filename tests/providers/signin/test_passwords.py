"""Passwords: tokens that IAM issues for projects, in as few calls as can be; and its refusals."""

from __future__ import annotations

import json
import os
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from aiohttp import web

from collector.model.answers import ExportSaid, Problem, ProblemKind
from collector.providers.clouddc.client import CloudDC
from collector.providers.clouddc.signin.passwords import PasswordSource
from collector.providers.clouddc.signin.reading import UnusableSecretError
from collector.redaction import Secrets
from tests.support.loopback import Answer, target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

pytestmark = pytest.mark.anyio
PASSWORD = "pass-canary ünïcode ☃ \"'\\ "
WRONG = Answer(
    401,
    {"error": {"code": 401, "message": "The username or password is wrong.", "title": "x"}},
)
EXPIRED = Answer(401, {"error_code": "APIGW.0301", "error_msg": "token expires"})
STARTED = Answer(202, {"export_id": "e1", "status": "processing"})


def at(life_s: float) -> str:
    """A time, as IAM says it."""
    return datetime.fromtimestamp(time.time() + life_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Region:
    """A region: IAM, and an API that takes what it has issued.

    Attributes:
        password: what IAM takes.
        life_s: what its tokens live.
        calls: after so many a token is refused.
        odd: answers of IAM in place of tokens, one after the other.
    """

    def __init__(self) -> None:
        self.password = PASSWORD
        self.life_s = 86_400.0
        self.calls = 10**9
        self.odd: list[Answer] = []
        self.no_access: dict[str, Answer] = {}
        self.asked: list[dict[str, Any]] = []
        self.carried: list[str] = []
        self.used: dict[str, int] = {}
        self.most_at_iam = self._at_iam = 0
        self.delay_s = 0.0
        self.url = ""

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        if request.path == "/v3/auth/tokens":
            self._at_iam += 1
            self.most_at_iam = max(self.most_at_iam, self._at_iam)
            await anyio.sleep(self.delay_s)
            self._at_iam -= 1
            return self._iam(json.loads(body))
        token = request.headers.get("X-Auth-Token", "")
        self.carried.append(token)
        project = request.path.split("/")[2]
        if not token.startswith(f"token-of-{project}-") or self.used.get(token, 0) >= self.calls:
            return EXPIRED.response()
        self.used[token] = self.used.get(token, 0) + 1
        return STARTED.response()

    def _iam(self, asked: dict[str, Any]) -> web.Response:
        self.asked.append(asked)
        if self.odd:
            return self.odd.pop(0).response()
        user = asked["auth"]["identity"]["password"]["user"]
        project = asked["auth"]["scope"]["project"]["id"]
        if user["password"] != self.password:
            return WRONG.response()
        if project in self.no_access:
            return self.no_access[project].response()
        headers = {"X-Subject-Token": f"token-of-{project}-{len(self.asked)}"}
        return Answer(201, {"token": {"expires_at": at(self.life_s)}}, headers).response()


@asynccontextmanager
async def region() -> AsyncIterator[Region]:
    made = Region()
    runner = web.ServerRunner(web.Server(made._answer))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield made
    finally:
        await runner.cleanup()


def source(iam: str, **options: str) -> PasswordSource:
    given = {"domain": "acme", "user": "oncall", "iam_endpoint": iam} | options
    if "password_file" not in given:
        given["password_env"] = "P"
    return PasswordSource.of(given, {"P": PASSWORD})


def fleet_of(iam: str, secrets: Secrets | None = None, **options: str) -> CloudDC:
    return CloudDC({"ops": source(iam, **options)}, connections=20, secrets=secrets)


async def start(fleet: CloudDC, url: str, project: str = "p1") -> Any:  # noqa: ANN401
    return await fleet.start_export(target(url, project=project), asks_limits=False)


async def starts(
    fleet: CloudDC, url: str, times: int, project: Callable[[int], str] = lambda _: "p1"
) -> list[Any]:
    """What so many starts at once come to."""
    said: list[Any] = []

    async def one(number: int) -> None:
        said.append(await start(fleet, url, project(number)))

    async with anyio.create_task_group() as tasks:
        for number in range(times):
            tasks.start_soon(one, number)
    return said


async def test_a_token_of_the_project_is_asked_for_once_however_many_calls_need_it() -> None:
    async with region() as there, fleet_of(there.url) as fleet:
        said = await starts(fleet, there.url, 30)
        said += await starts(fleet, there.url, 30)
    assert all(isinstance(one, ExportSaid) for one in said)
    (asked,) = there.asked
    assert asked == {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {
                    "user": {"name": "oncall", "password": PASSWORD, "domain": {"name": "acme"}}
                },
            },
            "scope": {"project": {"id": "p1"}},
        }
    }
    assert set(there.carried) == {"token-of-p1-1"}


async def test_each_project_has_a_token_of_its_own_and_the_first_sign_in_goes_alone() -> None:
    async with region() as there, fleet_of(there.url) as fleet:
        there.delay_s = 0.01
        said = await starts(fleet, there.url, 6, lambda number: f"p{number}")
    assert all(isinstance(one, ExportSaid) for one in said)
    assert len(there.asked) == 6


async def test_a_wrong_password_is_told_by_the_first_call_and_sent_no_more() -> None:
    async with region() as there, fleet_of(there.url) as fleet:
        there.password = "another"
        there.delay_s = 0.01
        said = await starts(fleet, there.url, 12, lambda number: f"p{number}")
        said.append(await start(fleet, there.url))
    assert len(there.asked) == 1
    assert there.carried == []
    for problem in said:
        assert (problem.kind, problem.sign_in) == (ProblemKind.UNAUTHENTICATED, True)
        assert problem.retry_after_s is None
        assert not problem.renewed
        assert "The username or password is wrong." in problem.message
        assert "environment variable P" in problem.hint
        assert PASSWORD.strip() not in str(problem)


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_what_iam_refuses_is_final_in_any_of_its_words(status: int) -> None:
    refusal = Answer(status, {"error_msg": "account is locked", "error_code": "IAM.0101"})
    async with region() as there, fleet_of(there.url) as fleet:
        there.odd = [refusal]
        said = [await start(fleet, there.url, f"p{number}") for number in range(3)]
    assert len(there.asked) == 1
    assert {one.retry_after_s for one in said} == {None}
    assert all("account is locked" in one.message for one in said)


@pytest.mark.parametrize(
    ("refusal", "first"),
    [
        (Answer(401, {"error": {"code": 401, "message": "no role for you"}}), "p1"),
        (Answer(403, {"error": {"code": 403, "message": "You may not enter project p2"}}), "p2"),
        (Answer(404, {"error": {"code": 404, "message": "Could not find it"}}), "p2"),
    ],
)
async def test_a_project_that_the_user_may_not_enter_is_refused_alone(
    refusal: Answer, first: str
) -> None:
    async with region() as there, fleet_of(there.url) as fleet:
        there.no_access = {"p2": refusal}
        said = {project: await start(fleet, there.url, project) for project in (first, "p1", "p2")}
        again = await start(fleet, there.url, "p2")
    assert isinstance(said["p1"], ExportSaid)
    for problem in (said["p2"], again):
        assert isinstance(problem, Problem)
        assert problem.sign_in
        assert problem.retry_after_s is None
        assert "no token for the project" in problem.message
    assert len(there.asked) == 2


async def test_a_refusal_that_says_not_whom_it_is_about_lets_one_other_project_try() -> None:
    unclear = Answer(401, {"error": {"code": 401, "message": "authentication is required"}})
    async with region() as there, fleet_of(there.url) as fleet:
        there.odd = [unclear]
        first, second = await start(fleet, there.url, "p1"), await start(fleet, there.url, "p2")
    assert "no token for the project" in first.message
    assert isinstance(second, ExportSaid)
    async with region() as there, fleet_of(there.url) as fleet:
        there.odd = [unclear] * 9
        said = [await start(fleet, there.url, f"p{number}") for number in range(5)]
    assert len(there.asked) == 2
    assert "the password (401)" in said[-1].message


async def test_a_token_that_dies_is_renewed_once_and_no_call_is_lost() -> None:
    async with region() as there, fleet_of(there.url) as fleet:
        there.calls = 10
        done = refused = 0
        while done < 100:
            for one in await starts(fleet, there.url, 5):
                if isinstance(one, Problem):
                    assert one.renewed
                    refused += 1
                else:
                    done += 1
    assert len(there.asked) <= 11
    assert refused <= 50


async def test_a_token_that_iam_issued_anew_and_the_service_refuses_is_the_end() -> None:
    async with region() as there, fleet_of(there.url) as fleet:
        there.calls = 0
        said = [await start(fleet, there.url) for _ in range(5)]
    assert [one.renewed for one in said] == [True, False, False, False, False]
    assert [one.sign_in for one in said] == [False, False, True, True, True]
    assert len(there.asked) == 2
    assert len(there.carried) == 2


async def test_a_token_is_renewed_before_it_ends_and_one_call_proves_the_new_one_alone() -> None:
    async with region() as there, fleet_of(there.url) as fleet:
        there.life_s = 3600.0
        await start(fleet, there.url)
        issued = fleet._sources["ops"]._issued[there.url, "p1"]  # type: ignore[attr-defined]
        issued._renews_s = 0.0  # its last minutes have begun
        there.delay_s = 0.05
        await starts(fleet, there.url, 10)
        assert set(there.carried) == {"token-of-p1-1"}, "no call waits for the renewal"
        if issued._under_way is not None:
            await issued._under_way.wait()
        await starts(fleet, there.url, 10)
        last = there.carried[11:]
        assert last.count("token-of-p1-2") == 1, "one call proves the new one; others need not wait"
        await starts(fleet, there.url, 5)
        assert set(there.carried[-5:]) == {"token-of-p1-2"}
    assert len(there.asked) == 2


@pytest.mark.parametrize(
    ("answer", "told", "wait_s"),
    [
        (Answer(503, b"<html><title>Down</title></html>"), 'titled "Down"', 1.0),
        (Answer(500, {"error": {"code": 500, "message": "sorry"}}), "sorry", 1.0),
        (Answer(429, {"error_msg": "slow"}, {"Retry-After": "17"}), "too often (429): slow", 17.0),
        (Answer(429), "too often (429)", 1.0),
        (Answer(403, b"<html>a proxy</html>"), "a page came", 1.0),
        (Answer(302, b"", {"Location": "http://elsewhere.test"}), "IAM has failed (302)", 1.0),
        (Answer(200, b"<html><title>Portal</title></html>"), 'titled "Portal"', 1.0),
        (Answer(200, b"[]"), "not IAM's answer", 1.0),
        (Answer(201, {"token": {"expires_at": at(60)}}), "has no token", 1.0),
        (Answer(201, {"token": {}}, {"X-Subject-Token": "t"}), "does not say when", 1.0),
        (Answer(201, {"token": []}, {"X-Subject-Token": "t"}), "does not say when", 1.0),
        (Answer(201, {"token": {"expires_at": 5}}, {"X-Subject-Token": "t"}), "does not say", 1.0),
        (
            Answer(201, {"token": {"expires_at": at(-9)}}, {"X-Subject-Token": "t"}),
            "had ended before it came",
            1.0,
        ),
        (
            Answer(201, {"token": {"expires_at": at(60)}}, {"X-Subject-Token": "t\u00e4"}),
            "no HTTP header can carry",
            1.0,
        ),
    ],
)
async def test_what_may_pass_says_when_to_ask_again_and_nobody_asks_before(
    answer: Answer, told: str, wait_s: float
) -> None:
    async with region() as there, fleet_of(there.url) as fleet:
        there.odd = [answer] * 9
        said = [await start(fleet, there.url, f"p{number}") for number in range(3)]
    assert len(there.asked) == 1
    for problem in said:
        assert problem.sign_in
        assert told in problem.message
        assert 0 < problem.retry_after_s <= wait_s
    assert there.carried == []


async def test_iam_that_cannot_be_reached_is_named() -> None:
    async with fleet_of("http://127.0.0.1:1") as fleet:
        problem = await start(fleet, "http://127.0.0.1:2")
    assert problem.sign_in
    assert problem.retry_after_s > 0
    told = "IAM at 127.0.0.1 gives no answer: cannot connect to 127.0.0.1 port 1"
    assert told in problem.message


async def test_a_password_that_is_changed_in_mid_run_is_sent_three_times_at_most() -> None:
    async with region() as there, fleet_of(there.url) as fleet:
        await starts(fleet, there.url, 10, "p{}".format)
        asked, there.calls, there.password = len(there.asked), 0, "another"
        for _ in range(3):
            said = await starts(fleet, there.url, 10, "p{}".format)
    assert len(there.asked) - asked <= 3
    assert any("the password (401)" in one.message for one in said)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
async def test_a_pipe_in_place_of_a_passwords_file_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text(PASSWORD)
    path.chmod(0o600)
    async with region() as there, fleet_of(there.url, password_file=str(path)) as fleet:
        path.unlink()
        os.mkfifo(path)
        with anyio.fail_after(4):
            assert isinstance(await start(fleet, there.url), ExportSaid)


async def test_a_life_is_reckoned_by_iams_own_clock() -> None:
    there_s = time.time() - 30 * 86_400
    dated = {"X-Subject-Token": "token-of-p1-x", "Date": formatdate(there_s, usegmt=True)}
    body = {"token": {"expires_at": at(3600 - 30 * 86_400)}}
    async with region() as there, fleet_of(there.url) as fleet:
        there.odd = [Answer(201, body, dated)]
        assert isinstance(await start(fleet, there.url), ExportSaid)
        assert isinstance(await start(fleet, there.url), ExportSaid)
    assert len(there.asked) == 1


async def test_a_life_is_not_reckoned_by_a_clock_that_cannot_be_right() -> None:
    dated = {"X-Subject-Token": "token-of-p1-x", "Date": "Fri, 31 Dec 9999 23:59:59 GMT"}
    async with region() as there, fleet_of(there.url) as fleet:
        there.odd = [Answer(201, {"token": {"expires_at": at(3600)}}, dated)]
        assert isinstance(await start(fleet, there.url), ExportSaid)
    assert len(there.asked) == 1


async def test_a_files_password_is_read_again_after_it_was_refused(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("stale\n")
    path.chmod(0o600)
    async with region() as there, fleet_of(there.url, password_file=str(path)) as fleet:
        assert isinstance(await start(fleet, there.url), Problem)
        path.write_text(f"{PASSWORD}\n")
        fleet._sources["ops"]._next_read_s = 0.0  # type: ignore[attr-defined]
        assert isinstance(await start(fleet, there.url), ExportSaid)
    assert len(there.asked) == 2


async def test_passwords_and_the_tokens_they_bring_are_known_secrets() -> None:
    secrets = Secrets()
    async with region() as there, fleet_of(there.url, secrets) as fleet:
        await start(fleet, there.url)
        shown = f"{fleet._sources!r}"
    assert PASSWORD.strip() not in secrets.out_of(f"x{PASSWORD}x{json.dumps(PASSWORD)}")
    assert "token-of-p1" not in secrets.out_of("token-of-p1-1")
    assert "environment variable P" in shown


async def test_without_an_iam_a_password_says_what_is_missing() -> None:
    given = PasswordSource.of({"domain": "d", "user": "u", "password_env": "P"}, {"P": PASSWORD})
    async with CloudDC({"ops": given}, connections=1) as fleet:
        problem = await start(fleet, "http://127.0.0.1:1")
    assert problem.sign_in
    assert problem.hint == "add iam_endpoint: https://..."


@pytest.mark.parametrize(
    ("password", "told"),
    [
        (None, "P is missing"),
        ("", "is empty"),
        ("two\nlines", "not one line"),
        ("\udce4", "not one"),
    ],
)
def test_a_password_that_cannot_be_is_named_and_not_shown(password: str | None, told: str) -> None:
    environ = {} if password is None else {"P": password}
    with pytest.raises(UnusableSecretError, match=told):
        PasswordSource.of({"domain": "d", "user": "u", "password_env": "P"}, environ)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"\n", b"a\nb", b"x" * 70_000])
def test_a_file_without_a_password_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    with pytest.raises(UnusableSecretError, match=r"file .*password"):
        source("http://iam.test", password_file=str(path))
