"""Exports: which were started for which server, and their state."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.emulator.dialects import State
    from collector.emulator.faults import Fault


@dataclass(slots=True)
class Export:
    """One export.

    Attributes:
        id: Opaque.
        project_id: The project whose quota it uses.
        server_id: The server whose logs it has.
        started_s: When it was started, on the emulator's monotonic clock.
        duration_s: How long it takes, unless it is stuck.
        created_at_s: When it was started, in seconds since 1970, on the service's clock.
        fate: What goes wrong with it.
        polls: How often its status was asked for.
        heard: Whether a status call has reported its completion.
    """

    id: str
    project_id: str
    server_id: str
    started_s: float
    duration_s: float
    created_at_s: float
    fate: Fault | None = None
    polls: int = 0
    heard: bool = False

    @property
    def ends_s(self) -> float:
        """When it completes or fails; never if it is stuck."""
        if self.fate is not None and self.fate.name == "stuck_export":
            return math.inf
        return self.started_s + self.duration_s

    def state(self, now_s: float) -> State:
        """Its state."""
        if now_s < self.ends_s:
            return "running"
        return "failed" if self.fate and self.fate.name == "failed_export" else "completed"

    def done(self, now_s: float) -> float:
        """The part of its duration that has passed, 0 to 1; also 1 if it is stuck beyond that."""
        passed_s = now_s - self.started_s
        return passed_s / self.duration_s if passed_s < self.duration_s else 1.0

    def known(self, now_s: float) -> bool:
        """Whether the service knows it: replicas have caught up, and it is not forgotten."""
        name = "" if self.fate is None else self.fate.name
        if self.fate is not None and name == "forgotten_export":
            return now_s < self.started_s + (self.fate.after_s or 0.0)
        if self.fate is not None and name == "replica_lag":
            return now_s >= self.started_s + (self.fate.for_s or 0.0)
        return True


class ExportTable:
    """Every export ever started, and how many of each project are running."""

    def __init__(self) -> None:
        self._exports: dict[str, Export] = {}
        self._latest: dict[str, Export] = {}
        self._ends: dict[str, list[float]] = {}

    def add(self, export: Export) -> None:
        """Start an export."""
        self._exports[export.id] = export
        self._latest[export.server_id] = export
        heapq.heappush(self._ends.setdefault(export.project_id, []), export.ends_s)

    def find(self, export_id: str, now_s: float) -> Export | None:
        """Return the export with that id, if it is known."""
        export = self._exports.get(export_id)
        return export if export is not None and export.known(now_s) else None

    def was_started(self, export_id: str) -> bool:
        """Whether there ever was an export with that id."""
        return export_id in self._exports

    def running(self, server_id: str, now_s: float) -> Export | None:
        """Return the server's latest export, if it is running."""
        export = self._latest.get(server_id)
        return export if export is not None and now_s < export.ends_s else None

    def in_flight(self, project_id: str, now_s: float) -> int:
        """Return how many exports of the project are running."""
        ends = self._ends.get(project_id, [])
        while ends and ends[0] <= now_s:
            heapq.heappop(ends)
        return len(ends)
