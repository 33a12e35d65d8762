"""What a person reads of an event: one line, without ids, keys and times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from collector.model import events as e
from collector.observe.words import MINUTE_S, clock
from collector.report.times import lasting
from collector.report.words import count
from collector.sizes import size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from collector.model.state import RunState

LONGEST_NAME: Final = 60
LONGEST_MESSAGE: Final = 240
_TOLD_AT_ONCE: Final = (
    e.EndpointWentDown,
    e.SignInPaused,
    e.PermissionDoubted,
    e.PermissionMissing,
)
"""What a person may mend while the run goes on: there is no summary yet, so its hint is told."""


def told(event: e.Event, state: RunState, words: str) -> str:
    """Return an event that has been applied to `state` as a line for people.

    Args:
        event: what happened.
        state: of the run.
        words: what is said of events of its kind.
    """
    own = _OWN_WORDS.get(type(event))
    said = words if own is None else own(event)
    where = _where(event, state)
    message = getattr(event, "message", None)
    said += f": {short(message)}" if isinstance(message, str) and message not in said else ""
    return f"{where}{'' if isinstance(event, e.ServerFailed) or not where else ':'} {said}".strip()


def what_to_do(event: e.Event) -> str | None:
    """Return what a person can do about an event while the run goes on; None where nothing is."""
    hint: str | None = getattr(event, "hint", None)
    return hint if isinstance(event, _TOLD_AT_ONCE) else None


def failed(event: e.ServerFailed, *, is_example: bool = False) -> str:
    """Return what became of a server that failed, to be said after its name.

    Args:
        event: its failure.
        is_example: others failed for the same reason, told in words of their own.
    """
    return f"failed at {event.stage}{', e.g.' if is_example else ':'} {short(event.message)}"


def short(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """Return what a text begins with, as much as a line has room for."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _where(event: e.Event, state: RunState) -> str:
    """Return which server, or which project, an event is about; empty where none."""
    server, project = getattr(event, "server", None), getattr(event, "project", None)
    name = ""
    if isinstance(server, int) and server < len(state.servers):
        row = state.servers[server]
        project = row.project
        name = f"/{short(row.name, LONGEST_NAME)}"
    if isinstance(project, int) and project < len(state.projects):
        return f"{short(state.projects[project].name, LONGEST_NAME)}{name}"
    return ""


def _limit(event: e.LimitLearned) -> str:
    window_s = event.window_s
    window = lasting(window_s) if window_s >= MINUTE_S else f"{window_s:g} s"
    return f"learned a limit on calls: {event.limit:g} calls in {window} ({event.source})"


def _fail(servers: int) -> str:
    return f"{count(servers, 'server')} fail{'s' if servers == 1 else ''}"


def _given_up(event: e.CredentialStopped) -> str:
    credential = short(event.credential, LONGEST_NAME)
    return f"giving up credential '{credential}'; {_fail(event.servers)} with it"


# Each takes just its own class of event, which a mapping's type cannot say.
_OWN_WORDS: Final[Mapping[type[e.Event], Callable[[Any], str]]] = {
    e.ServerFailed: failed,
    e.AttemptFailed: lambda event: f"failed at {event.stage}, trying again",
    e.ArchiveStored: lambda event: f"archive stored and verified, {size(event.bytes)}",
    e.ExportReused: lambda event: f"using an export that another run started: {event.run}",
    e.EndpointWentDown: lambda event: f"the endpoint is down; its servers wait: {event.endpoint}",
    e.EndpointCameBack: lambda event: f"the endpoint answers again: {event.endpoint}",
    e.CredentialStopped: _given_up,
    e.PermissionMissing: lambda event: (
        f"a permission is missing; {_fail(event.servers)} without it"
    ),
    e.WaitAsked: lambda event: f"the service asks to wait until {clock(event.until)}",
    e.LimitLearned: _limit,
    e.ExportsLimitLearned: lambda event: (
        f"learned a limit on concurrent exports: {event.limit} ({event.source})"
    ),
    e.ClockJumped: lambda event: (
        f"this machine slept, or the process was suspended, for {lasting(event.jump_s)}"
    ),
}
"""What is said of events that need more than the words of their kind."""
