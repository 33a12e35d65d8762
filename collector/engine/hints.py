"""What a person can do about a server that failed, where the provider knows nothing better."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.engine.answers import ProblemKind

if TYPE_CHECKING:
    from collections.abc import Mapping

HINTS: Mapping[ProblemKind, str] = {
    ProblemKind.NOT_SENT: "check the network, the endpoint and the proxy, then collect again",
    ProblemKind.THROTTLED: "collect again when fewer programs use this account",
    ProblemKind.NOT_READY: "see the server's state in the console; collect again when it is ready",
    ProblemKind.UNKNOWN_SERVER: "check the server's and the project's id in the inventory",
    ProblemKind.FORGOTTEN: "the service dropped the export twice; collect this server again",
    ProblemKind.EXPORT_FAILED: "the service could not export twice; look at the server's health",
    ProblemKind.FORBIDDEN: "ask for the permission to export and download logs in this project",
    ProblemKind.UNAUTHENTICATED: "get a new token, then collect again",
    ProblemKind.BAD_REQUEST: "read the service's message; check the server in the inventory",
    ProblemKind.SERVICE_FAILED: "collect this server again; if it lasts, give the vendor's support "
    "the request id",
    ProblemKind.UNREADABLE: "see whether a proxy answers for the service, then collect again",
    ProblemKind.CUT: "check the network to the endpoint, then collect this server again",
    ProblemKind.INVALID_ARCHIVE: "collect this server again; if it lasts, tell the vendor",
    ProblemKind.TOO_LARGE: "if it is to be had all the same, raise --max-unpacked, --max-ratio or "
    "--max-members and collect this server again",
    ProblemKind.CHANGED: "the service changes its archive while it is fetched; collect this server "
    "again",
    ProblemKind.TOO_SLOW: "if it is to be had all the same, raise --phase-timeout download= and "
    "resume the run with --retry-failed",
    ProblemKind.LINK_REFUSED: "see that this machine's clock is right and that it may reach the "
    "storage, then collect this server again",
    ProblemKind.FILE_REFUSED: "make room for a file like this one: see what lies in its place, "
    "ulimit -f and the file system's limits; then collect this server again",
    ProblemKind.DISK: "make room or mend the disk, then collect this server again",
}
STUCK = "the export never completed; look at the server's health and collect it again"
