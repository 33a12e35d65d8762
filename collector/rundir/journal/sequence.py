"""Which events can follow those before them, since a journal may come from anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, get_args

from collector.model import events as e
from collector.model.rows import Phase
from collector.rundir.layout import folded

if TYPE_CHECKING:
    from collector.model.state import RunState, ServerRow

_Step = (
    e.ExportRequested
    | e.ExportNotStarted
    | e.ExportStarted
    | e.ExportReused
    | e.ExportCompleted
    | e.ArchiveStored
    | e.AttemptFailed
    | e.ServerFailed
)
_STEPS = frozenset(get_args(_Step))
"""What can happen to a pending server alone."""
_ENDED = frozenset({Phase.COLLECTED, Phase.FAILED})


class OutOfSequenceError(ValueError):
    """An event cannot follow those before it; the text says why."""


class Sequence:
    """Checks each event of a journal before it becomes part of a run's state.

    Args:
        state: of the events before.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._directories: set[str] = set()
        self._projects: set[tuple[str, str]] = set()
        self._servers: set[tuple[int, str]] = set()

    def check(self, event: e.Event) -> None:
        """Check the next event.

        Raises:
            OutOfSequenceError: it refers to something that no earlier event named, or that has
                ended, or gives something a second name or place.
        """
        if type(event) in _STEPS:
            step = cast("_Step", event)
            try:
                row = self._state.servers[step.server]
            except IndexError:
                raise _unnamed(step.server) from None
            _check_step(step, row)
        elif isinstance(event, e.ServerSelected):
            self._check_server(event)
        elif isinstance(event, e.ProjectSelected):
            self._check_project(event)
        elif (server := getattr(event, "server", None)) is not None:
            if server >= len(self._state.servers):
                raise _unnamed(server)
        elif (project := getattr(event, "project", None)) is not None:
            self._check_known(project)

    def _check_known(self, project: int) -> None:
        if project >= len(self._state.projects):
            raise OutOfSequenceError(f"no earlier line names project {project}")

    def _check_project(self, event: e.ProjectSelected) -> None:
        if event.project < len(self._state.projects):
            known = self._state.projects[event.project]
            same = (known.id, known.endpoint, known.directory, known.provider)
            if (event.id, event.endpoint, event.directory, event.provider) != same:
                raise OutOfSequenceError(f"project {event.project} is already another project")
            return
        if event.project > len(self._state.projects):
            self._check_known(event.project - 1)
        self._take_place(event.directory)
        if (event.endpoint, event.id) in self._projects:
            raise OutOfSequenceError(f"project {event.project} already has another number")
        self._projects.add((event.endpoint, event.id))

    def _check_server(self, event: e.ServerSelected) -> None:
        self._check_known(event.project)
        if event.server != len(self._state.servers):
            raise OutOfSequenceError(f"server {event.server} is not the next one")
        parent, _, name = event.directory.rpartition("/")
        if parent != self._state.projects[event.project].directory or not name:
            raise OutOfSequenceError("a server's directory is not in its project's")
        self._take_place(event.directory)
        if (event.project, event.id) in self._servers:
            raise OutOfSequenceError(f"server {event.server} already has another number")
        self._servers.add((event.project, event.id))

    def _take_place(self, directory: str) -> None:
        place = folded(directory)
        if place in self._directories:
            raise OutOfSequenceError("two entries share a directory")
        self._directories.add(place)


def _unnamed(server: int) -> OutOfSequenceError:
    return OutOfSequenceError(f"no earlier line names server {server}")


def _check_step(event: _Step, row: ServerRow) -> None:
    """Check that a server can take a step; one that has ended cannot."""
    if row.phase in _ENDED:
        raise OutOfSequenceError(f"server {row.server} is already {row.phase}")
    if isinstance(event, e.ExportCompleted) and row.export is None:
        raise OutOfSequenceError(f"server {row.server} has no export")
    if isinstance(event, e.ArchiveStored):
        if row.export is None or row.export.completed_at is None:
            raise OutOfSequenceError(f"server {row.server} has no completed export")
        if event.path != f"{row.directory}/{event.file_name}":
            raise OutOfSequenceError("an archive is not in its server's directory")
