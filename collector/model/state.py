"""`RunState`: what is known of a run. It changes by `apply(state, event)` and in no other way."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from collector.model import events as e
from collector.model.rows import Estimate, Export, Phase, ProjectRow, ServerRow
from collector.model.transitions import TRANSITIONS

__all__ = [
    "MOVES_A_SERVER",
    "Estimate",
    "Export",
    "Phase",
    "ProjectRow",
    "RunState",
    "ServerRow",
    "apply",
]


@dataclass(slots=True)
class RunState:
    """Everything that is known of a run: one a process, folded once.

    `down` names the endpoints that answer nobody; `was_down` those that had not been heard from
    again when an earlier process ended, nor since. `waits` are the latest that each scope asked
    for. `durations` are of projects, `of_models` of the models in them. `sign_ins` tells of
    credentials that cannot sign in now, `doubts` of calls that a project may be forbidden.
    `retried` are the servers that the latest process was told to retry. `at` is the time of the
    latest event, `counted_at` that of the latest count of calls.
    """

    started: e.RunStarted | None = None
    process: e.RunStarted | e.RunResumed | None = None
    ended: e.RunEnded | None = None
    resumed: int = 0
    repairs: int = 0
    selected: bool = False
    mark: str | None = None
    counters_exact: bool = True
    clock_offset_s: float | None = None
    credentials: dict[str, e.CredentialNamed] = field(default_factory=dict)
    projects: list[ProjectRow] = field(default_factory=list)
    servers: list[ServerRow] = field(default_factory=list)
    limits: dict[tuple[str, str], e.LimitLearned] = field(default_factory=dict)
    exports_limits: dict[tuple[str, str], e.ExportsLimitLearned] = field(default_factory=dict)
    durations: dict[int, e.DurationsLearned] = field(default_factory=dict)
    of_models: dict[tuple[int, str], e.DurationsLearned] = field(default_factory=dict)
    estimate: Estimate | None = None
    down: dict[str, e.EndpointWentDown] = field(default_factory=dict)
    was_down: dict[str, e.EndpointWentDown] = field(default_factory=dict)
    waits: dict[tuple[str, str], e.WaitAsked] = field(default_factory=dict)
    sign_ins: dict[str, e.SignInPaused] = field(default_factory=dict)
    doubts: dict[tuple[int, str], e.PermissionDoubted] = field(default_factory=dict)
    retried: set[int] = field(default_factory=set)
    at: str = field(default="", compare=False)
    counted_at: str = field(default="", compare=False)
    paused: e.DownloadsPaused | None = None
    collected: int = 0
    failed: int = 0
    bytes: int = 0

    @property
    def pending(self) -> int:
        """Servers that are neither collected nor failed."""
        return len(self.servers) - self.collected - self.failed

    def copied(self) -> RunState:
        """Copy it in an instant: rows and events are frozen, so a thread may read the copy."""
        copy = RunState()
        for one in fields(self):
            value = getattr(self, one.name)
            is_changed = isinstance(value, list | dict | set)
            setattr(copy, one.name, value.copy() if is_changed else value)
        return copy


def apply(state: RunState, event: e.Event) -> None:
    """Make `event` part of `state`: rows are frozen and replaced.

    Raises:
        KeyError: for a class of event that is not in `EVENTS`.
    """
    TRANSITIONS[type(event)](state, event)
    state.at = event.at


MOVES_A_SERVER = frozenset(
    {
        e.ServerSelected,
        e.ExportRequested,
        e.ExportNotStarted,
        e.ExportStarted,
        e.ExportReused,
        e.ExportCompleted,
        e.ArchiveStored,
        e.ArchiveLost,
        e.AttemptFailed,
        e.ServerFailed,
        e.ServerRetried,
    }
)
"""Events after which their server may want another call. `DownloadBegun` is none: it tells what the
server's present call goes on from."""
