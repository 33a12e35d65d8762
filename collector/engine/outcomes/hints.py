"""What a person can do about a server that failed, where the provider knows nothing better."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from collector.model.answers import Call, ProblemKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.engine.admission.credential_health import Stop
    from collector.model.answers import Problem

AGAIN = "--resume the run with --retry-failed"

HINTS: Mapping[ProblemKind, str] = {
    ProblemKind.NOT_SENT: f"check the network, the endpoint's address and the proxy, then {AGAIN}",
    ProblemKind.THROTTLED: f"{AGAIN} when fewer programs use this account",
    ProblemKind.NOT_READY: f"see the server's state in the console; when it is ready, {AGAIN}",
    ProblemKind.UNKNOWN_SERVER: "check the server's and the project's id in the inventory",
    ProblemKind.FORGOTTEN: f"the service lost two exports that it had started; {AGAIN}",
    ProblemKind.EXPORT_FAILED: "the service could not export twice; look at the server's health",
    ProblemKind.FORBIDDEN: "ask for the permission to export and download logs in this project",
    ProblemKind.UNAUTHENTICATED: f"get a new token, key or password, then {AGAIN}",
    ProblemKind.BAD_REQUEST: "read the service's message; check the server in the inventory",
    ProblemKind.SERVICE_FAILED: f"{AGAIN}; if it lasts, give the vendor's support the request id",
    ProblemKind.UNREADABLE: f"see whether a proxy answers for the service, then {AGAIN}",
    ProblemKind.CUT: f"check the network to the endpoint, then {AGAIN}",
    ProblemKind.INVALID_ARCHIVE: f"{AGAIN}; if it lasts, tell the vendor",
    ProblemKind.TOO_LARGE: "to collect it anyway, raise --max-unpacked, --max-ratio or "
    f"--max-members and {AGAIN}",
    ProblemKind.CHANGED: f"the service changes its archive while it is fetched; {AGAIN}",
    ProblemKind.TOO_SLOW: f"to collect it anyway, raise --phase-timeout download= and {AGAIN}",
    ProblemKind.LINK_REFUSED: "see that this machine's clock is right and that it may reach the "
    f"storage, then {AGAIN}",
    ProblemKind.FILE_REFUSED: "make room for a file like this one: see what lies in its place, "
    f"ulimit -f and the file system's limits; then {AGAIN}",
    ProblemKind.DISK: f"make room or mend the disk, then {AGAIN}",
}
UNREACHABLE = "check the network, the endpoint's address and the proxy"
"""Where an endpoint answers nobody, and the provider knows nothing better."""


def hint_of_sign_in(name: str) -> str:
    """Return what can be done while signing in does not work."""
    return f"check the service that credential {name!r} signs in to, and the network to it"


STUCK = f"the export never completed; look at the server's health, then {AGAIN}"


def hint_while_pending(call: Call, kind: ProblemKind) -> str:
    """Return the same about one that has not failed: a resume tries it again anyway."""
    return hint_of(call, kind).replace(AGAIN, "--resume the run")


def hint_of(call: Call, kind: ProblemKind) -> str:
    """Return what can be done about a server that failed at a call.

    One whose export was started is known to the service: its id is right.
    """
    if kind is ProblemKind.UNKNOWN_SERVER and call is not Call.START_EXPORT:
        kind = ProblemKind.FORGOTTEN
    return HINTS[kind]


def worded(stop: Stop) -> Problem:
    """Return why a credential was given up, with its name and what can be done."""
    problem, name = stop.problem, stop.credential
    hint = problem.hint or f"get a new token or key for credential {name!r}, then {AGAIN}"
    if problem.sign_in:
        said = f"cannot sign in with credential {name!r}"
    elif stop.elsewhere:
        said = f"this project refuses credential {name!r}, and others accept it"
        hint = (
            "see whether the credential is meant for this project (a token may be good for one "
            f"alone) and whether its id is right; then {AGAIN}"
        )
    elif stop.whole:
        said = f"credential {name!r} is refused"
    else:
        said = f"this project refuses credential {name!r}"
    return replace(problem, message=f"{said}: {problem.message}", hint=hint)
