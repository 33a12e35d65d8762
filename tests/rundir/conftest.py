from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collector.model import events as e
from collector.model.state import RunState, apply

if TYPE_CHECKING:
    from collections.abc import Callable

AT = "2026-11-23T08:41:03Z"
ENDPOINTS = ("https://clouddc.cn-east-3.example.com", "https://clouddc.cn-south-1.example.com")


@pytest.fixture
def started() -> e.RunStarted:
    return e.RunStarted(
        at=AT,
        schema_version=1,
        run_id="20261123T084103Z-7f3a",
        collector_version="0.1.0",
        host="ops-1",
        user="oncall",
        pid=4711,
        argv=("collector", "collect", "fleet.yaml"),
        inventory_path="fleet.yaml",
        inventory_sha256="0" * 64,
        select=("tag:role=db",),
        downloads=8,
        bytes_per_second=None,
    )


@pytest.fixture
def selection(started: e.RunStarted) -> list[e.Event]:
    """Two projects at two endpoints, with two servers each."""
    events: list[e.Event] = [started]
    for project, endpoint in enumerate(ENDPOINTS):
        events.append(
            e.ProjectSelected(
                at=AT,
                project=project,
                id=f"p{project}",
                name=f"project-{project}",
                endpoint=endpoint,
                credential="ops",
                directory=f"project-{project}",
                requests_per_second=None,
                exports_in_flight=None,
                share=0.95,
            )
        )
    for server in range(4):
        project = server // 2
        events.append(
            e.ServerSelected(
                at=AT,
                server=server,
                project=project,
                id=f"id-{server}",
                name=f"bms-{server}",
                tags={"role": "db"},
                directory=f"project-{project}/bms-{server}",
                first=False,
            )
        )
    return [*events, e.SelectionEnded(at=AT, servers=4)]


@pytest.fixture
def collected() -> Callable[[int], list[e.Event]]:
    def events(server: int) -> list[e.Event]:
        name = f"SN{server}-dump.tar.gz"
        return [
            e.ExportRequested(at=AT, server=server),
            e.ExportStarted(at=AT, server=server, export_id=f"x{server}"),
            e.ExportCompleted(at=AT, server=server, polls=3),
            e.ArchiveStored(
                at=AT,
                server=server,
                path=f"project-{server // 2}/bms-{server}/{name}",
                file_name=name,
                bytes=100 + server,
                sha256=f"{server:064x}",
                members=2,
                covers_from="2026-11-01T00:00:00Z",
                covers_to=AT,
            ),
        ]

    return events


@pytest.fixture
def failed() -> Callable[..., e.ServerFailed]:
    def event(server: int, kind: str = "unknown_server") -> e.ServerFailed:
        return e.ServerFailed(
            at=AT,
            server=server,
            stage="export",
            kind=kind,
            code="iMetal.0100",
            http_status=404,
            message="the API does not know this server",
            request_id="r-1",
            attempts=1,
            hint="check the server's id",
            polls=0,
        )

    return event


@pytest.fixture
def folded() -> Callable[[list[e.Event]], RunState]:
    def fold(events: list[e.Event]) -> RunState:
        state = RunState()
        for event in events:
            apply(state, event)
        return state

    return fold
