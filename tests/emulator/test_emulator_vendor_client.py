from __future__ import annotations

import asyncio
import hashlib
import time
from typing import TYPE_CHECKING, Any

import pytest
from huaweicloudsdkclouddc.v1 import (
    DownloadServerLogsRequest,
    ExportServerLogsRequest,
    ListAlarmsRequest,
    ListServersRequest,
    ShowLogsExportStatusRequest,
)
from huaweicloudsdkcore.exceptions.exceptions import ServiceResponseException

from collector.emulator import AlarmSpec, KeySpec, ProjectSpec, ServerSpec, UserSpec
from tests.support.signing_in import PROJECT, SERVER, emulated, sdk_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.emulator import Emulator

pytestmark = [
    pytest.mark.anyio,
    # It parses times by a package that it does not ask for.
    pytest.mark.filterwarnings("ignore:Unable to convert string to datetime:ImportWarning"),
]
TEMPORARY = KeySpec(ak="TEMPORARYACCESSKEY01", sk="temporary-sk", security_token="security/+=token")
OF_TEMPORARY = {
    "ak": TEMPORARY.ak,
    "sk": TEMPORARY.sk,
    "security_token": TEMPORARY.security_token,
}
PERMANENT: dict[str, str] = {}


async def beside(emulator: Emulator, use: Callable[..., Any], **client: Any) -> Any:  # noqa: ANN401 - the vendor's client has no types
    """Use the vendor's client, which is synchronous, in a thread."""
    return await asyncio.to_thread(lambda: use(sdk_client(emulator.url, **client)))


def collected(client: Any) -> str:  # noqa: ANN401 - as above
    export_id = client.export_server_logs(ExportServerLogsRequest(id=SERVER)).export_id
    asked = ShowLogsExportStatusRequest(id=SERVER, export_id=export_id)
    assert client.show_logs_export_status(asked).status == "completed"
    answer = client.download_server_logs(DownloadServerLogsRequest(id=SERVER, export_id=export_id))
    chunks: list[bytes] = []
    answer.consume_download_stream(lambda stream: chunks.append(stream.content))
    return hashlib.sha256(b"".join(chunks)).hexdigest()


def refused(client: Any) -> ServiceResponseException:  # noqa: ANN401 - as above
    with pytest.raises(ServiceResponseException) as caught:
        client.export_server_logs(ExportServerLogsRequest(id=SERVER))
    return caught.value


@pytest.mark.parametrize("client", [PERMANENT, OF_TEMPORARY], ids=["permanent", "temporary"])
async def test_it_exports_polls_and_downloads(client: dict[str, str]) -> None:
    async with emulated(keys=(KeySpec(), TEMPORARY)) as (emulator, _):
        assert await beside(emulator, collected, **client) == emulator.truth(SERVER)["sha256"]
        told = emulator.statistics()
        label = "key 2" if client else "key 1"
        assert told["calls_by_credential"] == {label: 3}
        assert told["wrong_signatures"] == 0


async def test_it_lists_servers_page_by_page() -> None:
    servers = tuple(
        ServerSpec(f"s{number:02}", tags={"role": "db"}, rack="r12") for number in range(25)
    )

    def listed(client: Any) -> list[Any]:  # noqa: ANN401 - as above
        found: list[Any] = []
        marker = None
        while not found or marker:
            page = client.list_servers(ListServersRequest(limit=10, marker=marker))
            found += page.servers
            marker = page.page_info.next_marker
        assert page.count == len(found)
        return found

    projects = (ProjectSpec(PROJECT, servers=servers),)
    async with emulated(projects=projects, keys=(KeySpec(), TEMPORARY)) as (emulator, _):
        for client in (PERMANENT, OF_TEMPORARY):
            found = await beside(emulator, listed, **client)
            assert [server.id for server in found] == [server.id for server in servers]
        first = found[0]
        assert (first.health_state, first.manage_state) == ("OK", "in-use")
        assert (first.location.rack, first.hardware_attributes.model) == ("r12", "2288H V6")
        assert [(tag.key, tag.value) for tag in first.tags] == [("role", "db")]
        assert emulator.statistics()["list_calls"] == 6


async def test_it_lists_alarms_of_its_kind_and_time() -> None:
    alarms = (AlarmSpec(1), AlarmSpec(2, began_ago_s=7200), AlarmSpec(2, status="ok"))
    projects = (ProjectSpec(PROJECT, servers=(ServerSpec(SERVER, alarms=alarms),)),)
    since = str(int((time.time() - 3600) * 1000))

    def listed(client: Any) -> Any:  # noqa: ANN401 - as above
        asked = ListAlarmsRequest(
            alarm_status="alarm", _from=since, resource_id=SERVER, offset=0, limit=50
        )
        return client.list_alarms(asked)

    async with emulated(projects=projects) as (emulator, _):
        told = await beside(emulator, listed)
        assert (told.count, len(told.alarms)) == (1, 1)
        assert told.alarms[0].alarm_level == 1
        assert told.alarms[0].metric.dimensions[0].value == SERVER


@pytest.mark.parametrize(
    ("client", "words"),
    [
        ({"sk": "wrong"}, "verify aksk signature fail, canonicalRequest:POST|/v1/"),
        ({"ak": "WRONG"}, "ak WRONG not exist"),
        ({**OF_TEMPORARY, "security_token": "wrong"}, "decrypt token fail"),
        ({**OF_TEMPORARY, "security_token": None}, "x-security-token not found"),
        ({"security_token": "needless"}, "decrypt token fail"),
        ({"project_id": "p9"}, ""),
    ],
)
async def test_it_is_refused_with_what_is_wrong(client: dict[str, Any], words: str) -> None:
    keys = (KeySpec(projects=("0f5181caba0024e72f89c0045e707b91",)), TEMPORARY)
    async with emulated(keys=keys) as (emulator, _):
        error = await beside(emulator, refused, **client)
        assert (error.status_code, error.error_code) == (401, "APIGW.0301")
        assert f"Incorrect IAM authentication information: {words}" in error.error_msg
        assert emulator.statistics()["exports"]["started"] == 0


async def test_it_is_refused_with_a_temporary_key_that_has_expired() -> None:
    spent = KeySpec(ak="SPENT", sk="sk", security_token="st", expires_after_calls=1)
    late = KeySpec(ak="LATE", sk="sk", security_token="st", expires_after_s=0)
    async with emulated(keys=(spent, late)) as (emulator, _):
        await beside(
            emulator,
            lambda of: of.export_server_logs(ExportServerLogsRequest(id=SERVER)),
            ak="SPENT",
            sk="sk",
            security_token="st",
        )
        for ak in ("SPENT", "LATE"):
            error = await beside(emulator, refused, ak=ak, sk="sk", security_token="st")
            assert "token expires, expires_at: 20" in error.error_msg
        assert emulator.statistics()["refused_keys"] == 2


async def test_it_signs_with_keys_that_are_issued_to_a_user_until_they_are_spent() -> None:
    async with emulated(users=(UserSpec(token_life_calls=3),)) as (emulator, _):
        for _ in range(2):
            key = emulator.issue_key("oncall")
            del key["expires_at"]
            assert await beside(emulator, collected, **key) == emulator.truth(SERVER)["sha256"]
            assert "token expires" in (await beside(emulator, refused, **key)).error_msg
        told = emulator.statistics()
        assert told["calls_by_credential"] == {"emulator/oncall": 6}
        assert told["keys_issued"] == 2


@pytest.mark.parametrize("skew_s", [-1000.0, 1000.0])
async def test_it_is_refused_where_clocks_differ_by_more_than_a_quarter_of_an_hour(
    skew_s: float,
) -> None:
    async with emulated(clock_skew_s=skew_s) as (emulator, _):
        error = await beside(emulator, refused)
        assert "signature expired, signature time:20" in error.error_msg
        assert ",server time:20" in error.error_msg
        assert emulator.statistics()["expired_signatures"] == 1
    async with emulated(clock_skew_s=skew_s / 2) as (emulator, _):
        assert await beside(emulator, collected) == emulator.truth(SERVER)["sha256"]


async def test_six_wrong_signatures_in_a_row_lock_the_key_even_for_right_ones() -> None:
    async with emulated() as (emulator, _):
        for _ in range(6):
            assert "verify aksk" in (await beside(emulator, refused, sk="wrong")).error_msg
        error = await beside(emulator, refused)
        assert "AK access failed to reach the limit,forbidden." in error.error_msg
        told = emulator.statistics()
        assert (told["wrong_signatures"], told["wrong_signatures_in_a_row"]) == (6, 6)
        assert (told["keys_locked"], told["locked_key_calls"]) == (1, 1)


async def test_a_right_signature_ends_the_row_and_a_lock_ends_after_its_time() -> None:
    async with emulated(key_lock_after=1, key_lock_s=0.01) as (emulator, _):
        await beside(emulator, refused, sk="wrong")
        await beside(emulator, collected)
        await beside(emulator, refused, sk="wrong")
        assert emulator.statistics()["keys_locked"] == 0
        await beside(emulator, refused, sk="wrong")
        await asyncio.sleep(0.02)
        await beside(emulator, collected)
        told = emulator.statistics()
        assert (told["keys_locked"], told["wrong_signatures_in_a_row"]) == (1, 2)


async def test_the_gateways_code_may_be_of_either_edition() -> None:
    async with emulated(gateway_codes="APIG") as (emulator, _):
        error = await beside(emulator, refused, ak="WRONG")
        assert error.error_code == "APIG.0301"
        assert "Get secretKey failed,ak:WRONG,err:ak not exist" in error.error_msg
