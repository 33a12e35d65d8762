from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from collector.emulator import IamFault, KeySpec, ScenarioError, Throttle, UserSpec
from collector.emulator.pages import is_loopback
from tests.support.signing_in import EXPORTS, PROJECT, SIGN_IN, emulated, password

if TYPE_CHECKING:
    from aiohttp import ClientSession

    from collector.emulator import Emulator
    from collector.emulator.iam_faults import IamFaultName

pytestmark = pytest.mark.anyio
LONG_S = 3600.0


async def sign_in(session: ClientSession, **members: Any) -> tuple[int, dict[str, str], Any]:  # noqa: ANN401 - a body's
    async with session.post(SIGN_IN, json=password(**members)) as response:
        text = await response.text()
        is_json = response.headers["Content-Type"] == "application/json"
        return response.status, dict(response.headers), json.loads(text) if is_json else text


async def token_of(session: ClientSession, **members: Any) -> str:  # noqa: ANN401 - a body's
    status, headers, _ = await sign_in(session, **members)
    assert status == 201
    return headers["X-Subject-Token"]


async def export(session: ClientSession, token: str, path: str = EXPORTS) -> tuple[int, Any]:
    async with session.post(path, json={}, headers={"X-Auth-Token": token}) as response:
        return response.status, json.loads(await response.read())


def error_of(body: dict[str, Any]) -> tuple[int, str, str]:
    error = body["error"]
    return error["code"], error["title"], error["message"]


async def test_a_password_brings_a_token_that_is_accepted() -> None:
    async with emulated() as (emulator, session):
        status, headers, body = await sign_in(session)
        assert status == 201
        token = body["token"]
        ends = datetime.fromisoformat(token["expires_at"])
        assert token["expires_at"].endswith("Z")
        assert ends - datetime.fromisoformat(token["issued_at"]) == timedelta(days=1)
        assert (token["project"]["id"], token["project"]["name"]) == (PROJECT, "payments")
        assert (token["user"]["name"], token["user"]["domain"]["name"]) == ("oncall", "emulator")
        assert (await export(session, headers["X-Subject-Token"]))[0] == 202
        told = emulator.statistics()
        assert (told["iam_calls"], told["tokens_issued"]) == (1, 1)
        assert told["tokens_issued_by_project"] == {PROJECT: 1}
        assert told["calls_by_credential"] == {"emulator/oncall": 1}
        assert told["calls"]["total"] == 1


async def test_a_project_may_be_named_in_place_of_its_id() -> None:
    async with emulated() as (_, session):
        _, _, body = await sign_in(session, project={"name": "payments"})
        assert body["token"]["project"]["id"] == PROJECT


async def test_each_sign_in_brings_another_token_and_earlier_ones_stay_good() -> None:
    async with emulated() as (_, session):
        first, second = await token_of(session), await token_of(session)
        assert first != second
        assert [(await export(session, token))[0] for token in (first, second)] == [202, 202]


@pytest.mark.parametrize(
    "wrong", [{"name": "nobody"}, {"password": "wrong"}, {"domain": "elsewhere"}]
)
async def test_a_wrong_name_password_or_domain_is_refused_in_the_same_words(
    wrong: dict[str, str],
) -> None:
    async with emulated() as (emulator, session):
        status, headers, body = await sign_in(session, **wrong)
        assert status == 401
        assert error_of(body) == (401, "Unauthorized", "The username or password is wrong.")
        assert "X-Subject-Token" not in headers
        assert emulator.statistics()["wrong_passwords"] == 1


@pytest.mark.parametrize("status", [401, 403, 404])
@pytest.mark.parametrize("project", [{"id": "p9"}, {"name": "other"}])
async def test_a_project_that_is_not_the_users_is_refused_as_configured(
    status: int, project: dict[str, str]
) -> None:
    users = (UserSpec(projects=()),)
    async with emulated(iam_project_status=status) as (_, session):
        assert (await sign_in(session, project=project))[0] == status
    async with emulated(iam_project_status=status, users=users) as (_, session):
        assert (await sign_in(session))[0] == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b"\xff",
        json.dumps(password(password=None)).encode(),
        json.dumps(password(name="")).encode(),
        json.dumps(password()).replace('["password"]', '["token"]').encode(),
        json.dumps(password(project={})).encode(),
        json.dumps({"auth": {**password()["auth"], "scope": None}}).encode(),
        json.dumps({"auth": {"identity": password()["auth"]["identity"]}}).encode(),
        b"[" * 100_000,
    ],
)
async def test_a_malformed_sign_in_is_a_bad_request(body: bytes) -> None:
    async with emulated() as (_, session), session.post(SIGN_IN, data=body) as response:
        told = json.loads(await response.read())
        assert (response.status, error_of(told)[0]) == (400, 400)


async def test_five_wrong_passwords_in_a_row_lock_the_user_even_for_the_right_one() -> None:
    async with emulated() as (emulator, session):
        for _ in range(5):
            _, _, body = await sign_in(session, password="wrong")
            assert "wrong" in error_of(body)[2]
        status, _, body = await sign_in(session)
        assert (status, error_of(body)[2]) == (401, "The account is locked.")
        told = emulator.statistics()
        assert (told["users_locked"], told["wrong_passwords_in_a_row"]) == (1, 5)


async def test_a_right_password_ends_the_row_of_wrong_ones() -> None:
    async with emulated() as (emulator, session):
        for _ in range(2):
            for _ in range(4):
                await sign_in(session, password="wrong")
            await token_of(session)
        told = emulator.statistics()
        assert (told["users_locked"], told["wrong_passwords_in_a_row"]) == (0, 4)


async def test_nobody_is_locked_for_a_user_who_does_not_exist() -> None:
    async with emulated(iam_lock_after=1) as (emulator, session):
        for _ in range(3):
            _, _, body = await sign_in(session, name="nobody")
            assert "wrong" in error_of(body)[2]
        told = emulator.statistics()
        assert (told["wrong_passwords"], told["users_locked"]) == (3, 0)


async def test_a_request_that_names_another_project_than_its_path_is_refused() -> None:
    async with emulated() as (emulator, session):
        headers = {"X-Auth-Token": emulator.token, "X-Project-Id": "p9"}
        async with session.post(EXPORTS, json={}, headers=headers) as response:
            assert response.status == 401
        headers["X-Project-Id"] = PROJECT
        async with session.post(EXPORTS, json={}, headers=headers) as response:
            assert response.status == 202


async def test_a_token_dies_after_its_calls_and_says_so() -> None:
    async with emulated(users=(UserSpec(token_life_calls=2),)) as (emulator, session):
        token = await token_of(session)
        answers = [await export(session, token) for _ in range(4)]
        assert [status for status, _ in answers] == [202, 202, 401, 401]
        assert "token expires, expires_at: 20" in answers[2][1]["error_msg"]
        told = emulator.statistics()
        assert (told["tokens_spent"], told["tokens_spent_by_project"]) == (1, {PROJECT: 1})


async def test_a_token_dies_after_its_time_which_its_expiry_tells() -> None:
    async with emulated(users=(UserSpec(token_life_s=0.01),)) as (_, session):
        _, headers, body = await sign_in(session)
        life = datetime.fromisoformat(body["token"]["expires_at"]) - datetime.fromisoformat(
            body["token"]["issued_at"]
        )
        assert life == timedelta(milliseconds=10)
        await asyncio.sleep(0.02)
        assert (await export(session, headers["X-Subject-Token"]))[0] == 401


async def test_times_are_those_of_the_services_clock() -> None:
    async with emulated(clock_skew_s=-LONG_S) as (_, session):
        _, _, body = await sign_in(session)
        issued = datetime.fromisoformat(body["token"]["issued_at"])
        assert datetime.now(UTC) - issued > timedelta(minutes=50)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_token_is_good_for_its_project_alone(status: int) -> None:
    async with emulated(foreign_project_status=status) as (emulator, session):
        token = await token_of(session)
        other = EXPORTS.replace(PROJECT, "p9")
        answered, body = await export(session, token, other)
        assert (answered, body["error_code"]) == (status, "APIGW.0301")
        assert emulator.statistics()["foreign_project_calls"] == 1


async def test_a_user_without_a_permission_is_refused_by_the_service() -> None:
    async with emulated(users=(UserSpec(denied=("export",)),)) as (emulator, session):
        token = await token_of(session)
        status, body = await export(session, token)
        assert (status, body["error_code"]) == (403, "iMetal.0004")
        assert body["error_msg"] == "Insufficient permissions."
        async with session.get(f"{EXPORTS}/1", headers={"X-Auth-Token": token}) as response:
            assert response.status == 404
        assert emulator.statistics()["denied_calls"] == 1


@pytest.mark.parametrize(
    ("retry_after", "wanted"), [("none", False), ("seconds", True), ("date", True)]
)
async def test_sign_ins_are_throttled_with_retry_after_where_configured(
    retry_after: Any,  # noqa: ANN401 - a literal of the scenario's
    wanted: bool,
) -> None:
    throttle = Throttle("ip", limit=1, per_s=LONG_S, retry_after=retry_after)
    async with emulated(iam_throttle=throttle) as (emulator, session):
        await token_of(session)
        status, headers, body = await sign_in(session)
        assert (status, error_of(body)[0]) == (429, 429)
        assert ("Retry-After" in headers) == wanted
        assert emulator.statistics()["iam_throttled"] == 1


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("error_500", 500),
        ("bad_gateway", 502),
        ("unavailable", 503),
        ("throttled", 429),
        ("html", 200),
    ],
)
async def test_iam_fails_as_often_as_told_and_issues_nothing(
    name: IamFaultName, status: int
) -> None:
    async with emulated(iam_faults=(IamFault(name, skip=1, times=2),)) as (emulator, session):
        statuses = [(await sign_in(session))[0] for _ in range(4)]
        assert statuses == [201, status, status, 201]
        told = emulator.statistics()
        assert (told["iam_calls"], told["tokens_issued"]) == (4, 2)
        assert told["faults"] == {f"iam_{name}": 2}


async def test_iam_tells_when_it_will_be_back() -> None:
    faults = (IamFault("unavailable", times=1, retry_after_s=7),)
    async with emulated(iam_faults=faults) as (_, session):
        assert (await sign_in(session))[1]["Retry-After"] == "7"


async def test_iam_that_is_down_resets_the_connection() -> None:
    async with emulated(iam_faults=(IamFault("reset"),)) as (_, session):
        with pytest.raises(aiohttp.ClientConnectionError):
            await sign_in(session)


async def test_a_redirect_leads_to_another_origin_where_a_password_counts_as_leaked() -> None:
    async with emulated(iam_faults=(IamFault("redirect"),)) as (emulator, session):
        async with session.post(SIGN_IN, json=password(), allow_redirects=False) as response:
            assert response.status == 307
            assert response.headers["Location"].startswith("http://localhost:")
        assert emulator.statistics()["leaked_credentials"] == 0
        async with session.post(SIGN_IN, json=password()) as response:
            assert response.status == 404
        assert emulator.statistics()["leaked_headers"] == {"password": 1}


async def test_an_answer_may_be_late_deep_or_huge() -> None:
    faults = (
        IamFault("late", times=1, for_s=0.001),
        IamFault("deep", times=1),
        IamFault("huge", times=1),
        IamFault("odd_token", times=1),
    )
    async with emulated(iam_faults=faults) as (_, session):
        assert (await sign_in(session))[0] == 201
        async with session.post(SIGN_IN, json=password()) as response:
            assert await response.read() == b"[" * 100_000 + b"]" * 100_000
        async with session.post(SIGN_IN, json=password()) as response:
            assert len(await response.read()) > 64 << 20
        _, headers, _ = await sign_in(session)
        assert not headers["X-Subject-Token"].isascii()
    for wrong in ({"name": "late"}, {"name": "html", "for_s": 1.0}):
        with pytest.raises(ScenarioError, match="for_s"):
            IamFault(**wrong)


async def test_an_answer_may_lack_its_token_or_tell_its_expiry_oddly() -> None:
    names: tuple[IamFaultName, ...] = ("no_token", "not_json", "no_expiry", "odd_expiry")
    faults = tuple(IamFault(name, times=1) for name in names)
    async with emulated(iam_faults=faults) as (_, session):
        assert "X-Subject-Token" not in (await sign_in(session))[1]
        async with session.post(SIGN_IN, json=password()) as response:
            assert await response.read() == b'{"cut": ['
        expiries = [(await sign_in(session))[2]["token"]["expires_at"] for _ in range(2)]
        assert expiries == [None, "tomorrow"]


@pytest.mark.parametrize(("form", "forms"), [("code", {"code"}), ("mixed", {"code", "keystone"})])
async def test_iams_errors_come_in_the_configured_form(form: str, forms: set[str]) -> None:
    async with emulated(iam_errors=form) as (_, session):
        bodies = [(await sign_in(session, name="nobody"))[2] for _ in range(20)]
    assert {"code" if "error_code" in body else "keystone" for body in bodies} == forms
    told = next(body for body in bodies if "error_code" in body)
    assert told["error_code"].startswith("IAM.")
    assert told["error_msg"] == "The username or password is wrong."


async def fresh(session: ClientSession, query: str) -> tuple[int, str]:
    async with session.get(f"/emulator/token?{query}") as response:
        return response.status, await response.text()


async def test_a_page_gives_this_machine_a_fresh_token_without_counting() -> None:
    async with emulated() as (emulator, session):
        status, text = await fresh(session, f"user=oncall&project={PROJECT}")
        assert status == 200
        assert (await export(session, text.removesuffix("\n")))[0] == 202
        told = json.loads((await fresh(session, "format=json"))[1])
        assert datetime.fromisoformat(told["expires_at"]) > datetime.now(UTC)
        assert (await export(session, told["token"]))[0] == 202
        assert (await fresh(session, "user=nobody"))[0] == 404
        assert (await fresh(session, "project=p9"))[0] == 404
        assert emulator.statistics()["iam_calls"] == 0


def issued(emulator: Emulator, user: str | UserSpec, project: str | None = None) -> str:
    return emulator.issue_token(user, project)


async def test_a_program_gets_a_token_for_all_projects_of_a_user() -> None:
    async with emulated() as (emulator, session):
        for user in ("oncall", "emulator/oncall", UserSpec()):
            assert (await export(session, issued(emulator, user)))[0] == 202
        for user, project in (("nobody", None), ("oncall", "p9")):
            with pytest.raises(ScenarioError, match="no such"):
                issued(emulator, user, project)


async def test_a_page_gives_this_machine_a_temporary_key_that_signs_requests() -> None:
    async with emulated(users=(UserSpec(token_life_calls=1),)) as (emulator, session):
        async with session.get(f"/emulator/key?user=oncall&project={PROJECT}") as response:
            key = json.loads(await response.read())
        assert set(key) == {"ak", "sk", "security_token", "expires_at"}
        assert datetime.fromisoformat(key["expires_at"]) > datetime.now(UTC)
        assert set(emulator.issue_key("oncall")) == set(key)
        assert emulator.issue_key("oncall")["ak"] != key["ak"]
        assert emulator.statistics()["keys_issued"] == 3
        async with session.get("/emulator/key?user=nobody") as response:
            assert response.status == 404


@pytest.mark.parametrize(
    ("address", "wanted"),
    [("127.0.0.1", True), ("::1", True), ("10.0.0.1", False), ("", False), (None, False)],
)
def test_only_addresses_of_this_machine_are_given_credentials(
    address: str | None,
    wanted: bool,
) -> None:
    assert is_loopback(address) == wanted


async def test_an_inventory_names_the_security_token_of_a_temporary_key() -> None:
    keys = (KeySpec("AK", "SK", security_token="ST"),)
    async with emulated(keys=keys) as (emulator, _):
        told = emulator.inventory("aksk")["credentials"]["emulator"]
        assert emulator.environment("aksk")[told["security_token_env"]] == "ST"


async def test_no_token_is_issued_for_a_project_that_is_not_the_users() -> None:
    async with emulated(users=(UserSpec(projects=()),)) as (emulator, _):
        with pytest.raises(ScenarioError, match="emulator/oncall has no project"):
            emulator.issue_token("oncall", PROJECT)


async def test_an_inventory_of_no_kind_of_sign_in_is_a_bad_request() -> None:
    async with emulated(users=()) as (_, session):
        for sign_in, wanted in (("guess", 400), ("password", 404), ("aksk", 200)):
            async with session.get(f"/emulator/inventory?sign_in={sign_in}") as response:
                assert response.status == wanted
