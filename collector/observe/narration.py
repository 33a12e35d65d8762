"""A run's events as log lines: short for people, and with every fact for the others."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any, Final

import anyio

from collector.bystander import Bystander
from collector.model import events as e
from collector.observe.event_text import failed, told, what_to_do
from collector.observe.repeats import Repeats
from collector.observe.words import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.model.state import RunState

REMIND_EVERY_S: Final = 10.0
_LINES: Mapping[type[e.Event], tuple[int, str]] = {
    e.RunStarted: (logging.INFO, "run started"),
    e.CredentialNamed: (logging.DEBUG, "using credential '{name}'"),
    e.ProjectSelected: (logging.DEBUG, "project selected"),
    e.ProjectNotListed: (logging.DEBUG, "the project could not be listed"),  # said when it was
    e.ServerSelected: (logging.DEBUG, "server selected"),
    e.SelectionEnded: (logging.DEBUG, "all selected servers are in the journal"),
    e.RunResumed: (logging.INFO, "run resumed"),
    e.EndpointsVouched: (logging.DEBUG, "marked the run's endpoints and credentials as yours"),
    e.ExportRequested: (logging.DEBUG, "requesting an export"),
    e.ExportNotStarted: (logging.DEBUG, "the request started no export; it will be repeated"),
    e.ExportStarted: (logging.INFO, "export started"),
    e.ExportReused: (logging.INFO, "using an export that another run started"),
    e.ExportCompleted: (logging.INFO, "export completed"),
    e.ArchiveStored: (logging.INFO, "archive stored and verified"),
    e.ArchiveLost: (logging.INFO, "an archive is missing or truncated; downloading it again"),
    e.AttemptFailed: (logging.INFO, "attempt failed; retrying"),
    e.ServerFailed: (logging.WARNING, "server failed"),
    e.ServerRetried: (logging.INFO, "retrying a failed server"),
    e.JournalRepaired: (logging.INFO, "the journal was damaged; continuing from before the damage"),
    e.RunEnded: (logging.INFO, "run ended"),
    e.RunEstimated: (logging.INFO, "estimated the remaining work"),
    e.CallsCounted: (logging.DEBUG, "calls counted"),
    e.LimitLearned: (logging.INFO, "learned a limit on calls"),
    e.ExportsLimitLearned: (logging.INFO, "learned a limit on concurrent exports"),
    e.DurationsLearned: (logging.DEBUG, "learned how long exports take"),
    e.HintDisbelieved: (logging.WARNING, "ignoring an implausible limit from the service"),
    e.WaitAsked: (logging.WARNING, "the service asks to wait until {until}"),
    e.ClockOffsetSeen: (logging.DEBUG, "compared this machine's clock with the service's"),
    e.ClockJumped: (logging.WARNING, "this machine slept, or the process was suspended"),
    e.WordUnknown: (logging.INFO, "unknown export status '{word}', treated as running"),
    e.DownloadBegun: (logging.DEBUG, "download started"),
    e.DownloadsPaused: (logging.WARNING, "cannot write archives to disk; downloads are paused"),
    e.DownloadsWentOn: (logging.WARNING, "archives can be written again; downloads continue"),
    e.EndpointWentDown: (logging.WARNING, "the endpoint is down; its servers wait"),
    e.EndpointCameBack: (logging.WARNING, "the endpoint answers again"),
    e.SignInPaused: (
        logging.WARNING,
        "cannot sign in with credential '{credential}'; its servers wait",
    ),
    e.SignInWentOn: (logging.WARNING, "signing in with credential '{credential}' works again"),
    e.CredentialStopped: (
        logging.WARNING,
        "giving up credential '{credential}'; servers that fail with it: {servers}",
    ),
    e.PermissionDoubted: (
        logging.WARNING,
        "a permission may be missing; one server goes first to find out",
    ),
    e.PermissionConfirmed: (logging.INFO, "the permission is there"),
    e.PermissionMissing: (
        logging.WARNING,
        "a permission is missing; servers that fail without it: {servers}",
    ),
}
"""The level and text for each kind of event; its fields may stand in braces."""
_LEFT_OUT = frozenset(
    {"at", "server", "project", "hint", "polls", "doubtful", "sha256", "mark", "word", "location"}
)
_TOLD_AT_ONCE = (e.EndpointWentDown, e.SignInPaused, e.PermissionDoubted)
"""What a person may mend while the run goes on."""
_OF_EVERY_LINE = frozenset({"event", "level", "timestamp", "run", "server", "project"})
"""Keys that every log line uses: an event's field of that name gets another one."""


class Narrator:
    """Logs a run's events, each with its run, project and server.

    People are told each failure once, and of many for one reason the first few and how many more
    there are. Whatever keeps logs gets them all.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._log = logging.getLogger(__name__)
        self._repeats = Repeats()
        self._bystander = Bystander("telling of an event", "see the journal for what happened")

    def log(self, event: e.Event) -> None:
        """Log an event that has been applied; most only with `-v`."""
        with self._bystander:
            self._log_it(event)

    def _log_it(self, event: e.Event) -> None:
        level, words = _LINES[type(event)]
        extra: dict[str, Any] = {}
        if isinstance(event, e.CredentialStopped | e.PermissionMissing):
            self._repeats.announce(event.message)  # its servers fail with it, and it is said once
            if not event.servers:
                level = logging.INFO  # each of them was told of
        if isinstance(event, e.ServerFailed):
            extra["repeated"] = not self._repeats.is_told(event, self._own(event))
        if self._log.isEnabledFor(level):
            extra["facts"] = {**_facts(event), **self._where(event), **self._run()}
            filled = words.format_map(_fields(event))
            extra["line"] = told(event, self._state, filled)
            extra["what_to_do"] = what_to_do(event)
            self._log.log(level, filled, extra=extra)

    def remind(self) -> None:
        """Tell people how many more servers failed for the reasons that they know."""
        with self._bystander:
            for more, failure, varies in self._repeats.more():
                line = f"and {number(more)} more {failed(failure, is_example=varies)}"
                self._log.warning(line, extra={"line": line, "reminder": True})

    async def remind_often(self) -> None:
        """Do so every few seconds until cancelled."""
        while True:
            await anyio.sleep(REMIND_EVERY_S)
            self.remind()

    def _own(self, event: e.ServerFailed) -> tuple[str, str]:
        row = self._state.servers[event.server]
        return row.name, row.id

    def _run(self) -> dict[str, Any]:
        started = self._state.started
        return {} if started is None else {"run": started.run_id}

    def _where(self, event: e.Event) -> dict[str, Any]:
        where: dict[str, Any] = {}
        server = getattr(event, "server", None)
        project = getattr(event, "project", None)
        if isinstance(server, int) and server < len(self._state.servers):
            row = self._state.servers[server]
            where |= {"project": self._state.projects[row.project].name, "server": row.name}
        elif isinstance(project, int) and project < len(self._state.projects):
            where["project"] = self._state.projects[project].name
        return where


def _facts(event: e.Event) -> dict[str, Any]:
    """Return the event's fields that interest a person: no internal numbers, nothing empty."""
    if isinstance(event, e.RunStarted | e.RunResumed):
        return {"host": event.host, "pid": event.pid}
    # There is no summary while the run goes on, so the hint is logged at once.
    left_out = _LEFT_OUT - {"hint"} if isinstance(event, _TOLD_AT_ONCE) else _LEFT_OUT
    return {
        f"of_{name}" if name in _OF_EVERY_LINE else name: value
        for name, value in _fields(event).items()
        if name not in left_out and value is not None and value is not False
    }


def _fields(event: e.Event) -> dict[str, Any]:
    return {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
