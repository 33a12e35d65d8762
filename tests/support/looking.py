"""A run that is looked at: its events by hand, and a `Watch` that looks when it is told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from collector.model import events as e
from collector.model.state import RunState, apply
from collector.report.glance import Watch
from tests.support.simulation import EPOCH_S, SimulatedWall, selected

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.report.glance import Glance

BEGAN = datetime.fromtimestamp(EPOCH_S, UTC)


def at(second: float) -> str:
    return SimulatedWall().stamp(second)


class Run:
    """A run that is looked at."""

    def __init__(self, servers: int = 6, **others: object) -> None:
        self.state = RunState()
        self.watch = Watch(self.state)
        self.add(*selected(servers, **others))  # type: ignore[arg-type]  # by name

    def add(self, *events: e.Event) -> None:
        for event in events:
            apply(self.state, event)

    def look(self, second: float, *, alive: bool = True, arrived: int | None = None) -> Glance:
        now = BEGAN + timedelta(seconds=second)
        return self.watch.glance(now, alive=alive, arrived=arrived)


def counted(second: float, calls: int, *, project: int = 0, arrived: int = 0) -> e.CallsCounted:
    return e.CallsCounted(
        at=at(second), project=project, calls=calls, throttled=calls // 10, arrived=arrived
    )


def started(server: int, second: float = 0.0) -> Iterable[e.Event]:
    yield e.ExportRequested(at=at(second), server=server)
    yield e.ExportStarted(at=at(second), server=server, export_id=f"x{server}")


def completed(server: int, second: float = 0.0) -> Iterable[e.Event]:
    yield from started(server)
    yield e.ExportCompleted(at=at(second), server=server, polls=1)


def begun(server: int, length: int | None, second: float = 0.0) -> e.DownloadBegun:
    return e.DownloadBegun(
        at=at(second), server=server, file_name="a", length=length, validator=None, resumed=0
    )


def stored(server: int, size: int, second: float = 0.0) -> e.ArchiveStored:
    return e.ArchiveStored(
        at=at(second), server=server, path=f"p/{server}", file_name="a", bytes=size,
        sha256="0" * 64, members=1, covers_from=None, covers_to=None,
    )  # fmt: skip


def failed(server: int, second: float = 0.0, message: str = "no") -> e.ServerFailed:
    return e.ServerFailed(
        at=at(second), server=server, stage="status", kind="export_failed", code=None,
        http_status=None, message=message, request_id=None, attempts=1, hint="h", polls=1,
    )  # fmt: skip


def learned(
    scope: str, name: str, limit: float, *, source: str = "told", window_s: float = 1.0
) -> e.LimitLearned:
    return e.LimitLearned(
        at=at(1.0), scope=scope, name=name, limit=limit, window_s=window_s, source=source
    )
