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

from typing import TYPE_CHECKING

from collector.model.answers import Call, ProblemKind
from collector.model.state import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.model.state import ServerRow

WANTED: Mapping[Phase, Call | None] = {
    Phase.QUEUED: Call.START_EXPORT,
    Phase.REQUESTED: None,
    Phase.EXPORTING: Call.ASK_STATUS,
    Phase.READY: Call.FETCH_ARCHIVE,
    Phase.COLLECTED: None,
    Phase.FAILED: None,
}
"""What each phase asks for; `requested` waits for the answer of a POST that is under way."""


def wanted(row: ServerRow) -> Call | None:
    """Return the call that brings this server further, None where none does."""
    return WANTED[row.phase]


def stage(call: Call, kind: ProblemKind) -> str:
    """Return the manifest's word for where on its way a server met a problem."""
    if kind is ProblemKind.INVALID_ARCHIVE or kind is ProblemKind.TOO_LARGE:
        return "verify"
    if kind is ProblemKind.DISK or kind is ProblemKind.FILE_REFUSED:
        return "store"
    if kind is ProblemKind.EXPORT_FAILED:
        return "export"
    return _STAGES[call]


_STAGES: Mapping[Call, str] = {
    Call.START_EXPORT: "export",
    Call.ASK_STATUS: "status",
    Call.FETCH_ARCHIVE: "download",
}
