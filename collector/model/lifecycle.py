"""One server's way, as a state machine: its row says what is wanted next.

queued ──ExportRequested──► requested ──ExportStarted──► exporting ──ExportCompleted──► ready
  ▲                            │                            │                            │
  └── ExportNotStarted, ───────┘                            │                       ArchiveStored
  │   AttemptFailed                                         │                            ▼
  └────────────────── AttemptFailed(anew) ──────────────────┴────────────┐           collected
                                                                         └─ from ready too
ExportReused leads from queued to exporting.
ServerFailed leads from each of the first four to failed; ArchiveLost from collected to ready.
ServerRetried leads from failed to where the server was: queued, exporting or ready.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from collector.model.answers import Call, ProblemKind
from collector.model.rows import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.model.rows import ServerRow


def calls_from(call: Call) -> tuple[Call, ...]:
    """Return the fewest calls that bring home a server that waits for this one, in their order."""
    return _CALLS_FROM[call]


_CALLS_FROM = {call: tuple(Call)[place:] for place, call in enumerate(Call)}


class Step(NamedTuple):
    """What is true of a server in one phase, in all the words that are used for it.

    Attributes:
        wanted: the call that brings it further; None while a POST is under way, and at the end.
        calls: the fewest calls that it still needs.
        stage: where a problem is met now, as the manifest's `error.stage` says it.
        waiting: the manifest's `waiting.phase`.
        timeout: the phase of `--phase-timeout` that runs now; None where none does.
    """

    wanted: Call | None
    calls: tuple[Call, ...]
    stage: str = ""
    waiting: str = ""
    timeout: str | None = None


LIFECYCLE: Mapping[Phase, Step] = {
    Phase.QUEUED: Step(Call.START_EXPORT, calls_from(Call.START_EXPORT), "export", "queued"),
    Phase.REQUESTED: Step(None, calls_from(Call.START_EXPORT), "export", "exporting", "export"),
    Phase.EXPORTING: Step(
        Call.ASK_STATUS, calls_from(Call.ASK_STATUS), "status", "exporting", "export"
    ),
    Phase.READY: Step(
        Call.FETCH_ARCHIVE, calls_from(Call.FETCH_ARCHIVE), "download", "downloading", "download"
    ),
    Phase.COLLECTED: Step(None, ()),
    Phase.FAILED: Step(None, ()),
}
"""Where a server is, in every vocabulary. `requested` waits for the answer of a POST."""

_STAGE_OF_CALL = {step.wanted: step.stage for step in LIFECYCLE.values() if step.wanted}
_STAGE_OF_PROBLEM = {
    ProblemKind.INVALID_ARCHIVE: "verify",
    ProblemKind.TOO_LARGE: "verify",
    ProblemKind.DISK: "store",
    ProblemKind.FILE_REFUSED: "store",
    ProblemKind.EXPORT_FAILED: "export",
}
"""Problems that say themselves where they were met, whatever the call."""

STAGES = tuple(
    dict.fromkeys(
        word
        for word in (*(step.stage for step in LIFECYCLE.values()), *_STAGE_OF_PROBLEM.values())
        if word
    )
)
"""Every word of the manifest's `error.stage`."""
WAITING_PHASES = tuple(dict.fromkeys(step.waiting for step in LIFECYCLE.values() if step.waiting))
"""Every word of the manifest's `waiting.phase`."""
TIMEOUTS = tuple(dict.fromkeys(step.timeout for step in LIFECYCLE.values() if step.timeout))
"""The phases of `--phase-timeout`."""


def wanted(row: ServerRow) -> Call | None:
    """Return the call that brings this server further, None where none does."""
    return LIFECYCLE[row.phase].wanted


def stage(call: Call, kind: ProblemKind) -> str:
    """Return the manifest's word for where on its way a server met a problem."""
    return _STAGE_OF_PROBLEM.get(kind) or _STAGE_OF_CALL[call]
