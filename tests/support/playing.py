"""An emulator of one server whose export has ended, and what comes of asking for its archive."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import ClientSession
from yarl import URL

from collector.emulator import Emulator, ProjectSpec, Scenario, ServerSpec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import ClientResponse

    from collector.emulator import Fault

EXPORTS = "/v1/p1/physicalservers/s1/logs/exports"


@asynccontextmanager
async def playing(
    *faults: Fault,
    server: ServerSpec | None = None,
    **members: Any,  # noqa: ANN401 - Scenario's
) -> AsyncIterator[tuple[Emulator, ClientSession, str]]:
    """An emulator of one server with these faults, a session, and the path of its archive."""
    projects = (ProjectSpec("p1", servers=(server or ServerSpec("s1", faults=faults),)),)
    scenario = Scenario(projects=projects, export_duration_s=0.0, **members)
    async with (
        Emulator(scenario) as emulator,
        ClientSession(
            emulator.url, headers={"X-Auth-Token": emulator.token}, max_field_size=32768
        ) as session,
    ):
        async with session.post(EXPORTS, json={}) as response:
            export_id = json.loads(await response.read())["export_id"]
        yield emulator, session, f"{EXPORTS}/{export_id}/content"


async def get(
    session: ClientSession,
    url: str | URL,
    **headers: str,
) -> tuple[ClientResponse, bytes]:
    """One answer, read to its end, and not followed if it leads elsewhere."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with session.get(url, headers=named, allow_redirects=False) as response:
        return response, await response.read()


async def read_until_cut(session: ClientSession, url: str | URL, **headers: str) -> bytes:
    """What comes before the connection breaks, which it must."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    received = bytearray()
    async with session.get(url, headers=named) as response:
        try:
            async for chunk in response.content.iter_any():
                received += chunk
        except aiohttp.ClientPayloadError:
            return bytes(received)
    raise AssertionError("the download was not cut")


async def location(session: ClientSession, path: str) -> URL:
    """Where the API redirects a download to."""
    response, _ = await get(session, path)
    assert response.status == 302
    return URL(response.headers["Location"])
