"""A run's events as log lines."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

import structlog

from collector.engine import events as e

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.engine.state import RunState

_LINES: Mapping[type[e.Event], tuple[int, str]] = {
    e.RunStarted: (logging.INFO, "the run began"),
    e.RunResumed: (logging.INFO, "the run was taken up again"),
    e.EndpointsVouched: (logging.DEBUG, "the run's endpoints and credentials are marked as yours"),
    e.ExportStarted: (logging.INFO, "the export was started"),
    e.ExportReused: (logging.INFO, "an export that another run started serves this one too"),
    e.ExportCompleted: (logging.INFO, "the export is complete"),
    e.ArchiveStored: (logging.INFO, "the archive is here, whole"),
    e.ArchiveLost: (logging.INFO, "an archive of this run is gone and is fetched again"),
    e.AttemptFailed: (logging.INFO, "an attempt failed; another follows"),
    e.ServerFailed: (logging.WARNING, "this server failed"),
    e.ServerRetried: (logging.INFO, "this server is tried again"),
    e.RunEstimated: (logging.INFO, "this is what is expected"),
    e.LimitLearned: (logging.INFO, "a limit of the service was learned"),
    e.ExportsLimitLearned: (logging.INFO, "a limit on exports running at once was learned"),
    e.DurationsLearned: (logging.DEBUG, "how long exports take was learned"),
    e.HintDisbelieved: (logging.WARNING, "the service said something that is not believed"),
    e.WaitAsked: (logging.WARNING, "the service asks to be left alone for a while"),
    e.ClockJumped: (logging.WARNING, "this machine slept, or the process was stopped"),
    e.WordUnknown: (logging.WARNING, "the service has a new word for a status; taken as running"),
    e.DownloadBegun: (logging.DEBUG, "the archive is on its way"),
    e.DownloadsPaused: (logging.WARNING, "no archive can be written any more; downloads wait"),
    e.DownloadsWentOn: (logging.WARNING, "archives can be written again"),
    e.EndpointWentDown: (logging.WARNING, "the endpoint is down; its servers wait"),
    e.EndpointCameBack: (logging.WARNING, "the endpoint answers again"),
    e.JournalRepaired: (logging.INFO, "the journal was damaged, and the run goes on from before"),
    e.RunEnded: (logging.INFO, "the run ended"),
}
_LEFT_OUT = frozenset({"at", "server", "project", "hint", "polls", "doubtful", "sha256", "mark"})


class Narrator:
    """Tells what happens in a run, line by line, with the run, project and server named."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._log = structlog.get_logger("collector").bind()  # as logs are set up by now
        self._told: set[str] = set()

    def tell(self, event: e.Event) -> None:
        """Write a line for an event that has been applied; for most, only when asked for more."""
        level, words = _LINES.get(type(event), (logging.DEBUG, type(event).__name__))
        if isinstance(event, e.ServerFailed) and self._is_told(event):
            level = logging.INFO  # the summary names every server; a refused token fails them all
        if self._log.is_enabled_for(level):
            self._log.log(level, words, **self._where(event), **_facts(event), **self._run())

    def _run(self) -> dict[str, Any]:
        started = self._state.started
        return {} if started is None else {"run": started.run_id}

    def _is_told(self, event: e.ServerFailed) -> bool:
        """Whether a server has failed in these words before."""
        if event.message in self._told:
            return True
        self._told.add(event.message)
        return False

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
    """Return the event's fields that a person wants to read: no numbers of ours, nothing empty."""
    if isinstance(event, e.RunStarted | e.RunResumed):
        return {"host": event.host, "pid": event.pid}
    fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    # Nobody reads a summary while an endpoint is down: what to do is said at once.
    left_out = _LEFT_OUT - {"hint"} if isinstance(event, e.EndpointWentDown) else _LEFT_OUT
    return {
        name: value
        for name, value in fields.items()
        if name not in left_out and value is not None and value is not False
    }
