"""Signing in at an emulator by hand, and the vendor's own client pointed at it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession

from collector.emulator import Emulator, ProjectSpec, Scenario, ServerSpec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from huaweicloudsdkclouddc.v1 import CloudDCClient

PROJECT = "0f5181caba0024e72f89c0045e707b91"
SERVER = "7d9c1e0e-0000-4000-8000-000000000001"
EXPORTS = f"/v1/{PROJECT}/physicalservers/{SERVER}/logs/exports"
SIGN_IN = "/v3/auth/tokens"


@asynccontextmanager
async def emulated(**members: Any) -> AsyncIterator[tuple[Emulator, ClientSession]]:  # noqa: ANN401 - Scenario's
    """An emulator of one server in one project, and a session that has no credential."""
    projects = (ProjectSpec(PROJECT, name="payments", servers=(ServerSpec(SERVER),)),)
    scenario = Scenario(**{"projects": projects, "export_duration_s": 0.0, **members})
    async with Emulator(scenario) as emulator, ClientSession(emulator.url) as session:
        yield emulator, session


def password(**members: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever a body may hold
    """The body of a sign-in: the demo's user, and what is given in place of it."""
    told = {
        "domain": "emulator",
        "name": "oncall",
        "password": "emulator-password",
        "project": {"id": PROJECT},
        **members,
    }
    user = {"name": told["name"], "password": told["password"], "domain": {"name": told["domain"]}}
    return {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": told["project"]},
        }
    }


def sdk_client(
    url: str,
    *,
    ak: str = "EMULATORACCESSKEY001",
    sk: str = "emulator-secret-key",
    security_token: str | None = None,
    project_id: str = PROJECT,
) -> CloudDCClient:
    """The vendor's client, which is synchronous: use it in a thread."""
    from huaweicloudsdkclouddc.v1 import CloudDCClient  # noqa: PLC0415 - it takes a second
    from huaweicloudsdkcore.auth.credentials import BasicCredentials  # noqa: PLC0415 - as above

    credentials = BasicCredentials(ak, sk, project_id)
    if security_token is not None:
        credentials = credentials.with_security_token(security_token)
    return CloudDCClient.new_builder().with_credentials(credentials).with_endpoint(url).build()
