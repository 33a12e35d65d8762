"""What a resumed run adds to its journal: what the inventory, the disk and a person say now."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from collector.errors import CollectorError
from collector.model import events as e
from collector.rundir import layout
from collector.runtime import beginning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.archive.destination import Destination
    from collector.inventory import Selection
    from collector.model.state import ProjectRow, RunState, ServerRow


class AnotherProviderError(CollectorError):
    """An inventory names another provider for a project of a run that is resumed.

    Attributes:
        project: the project's id.
        provider: the run's.
    """

    def __init__(self, row: ProjectRow, instead: str) -> None:
        self.project = row.id
        self.provider = row.provider
        super().__init__(
            f"project {row.id!r} at {row.endpoint} is of provider {row.provider!r} in this run, "
            f"and of {instead!r} in the inventory; begin a new run with it"
        )


def additions(state: RunState, selection: Selection, at: str) -> Iterator[e.Event]:
    """Yield what makes a run that is resumed one of this selection as well.

    Servers that it does not have yet are added; limits and credentials are those of the selection's
    inventory from now on, for all projects that it names. Where things lie stays as it was.
    """
    known = {beginning.key_of(row): row for row in state.projects}
    has = {(row.project, row.id) for row in state.servers}
    taken = {layout.folded(row.directory) for row in state.projects}
    taken |= {layout.folded(row.directory) for row in state.servers}
    yield from _known_projects(state, selection, at)
    projects: list[e.ProjectSelected] = []
    added = 0
    servers = len(state.servers)
    for event in beginning.events(selection, "", (), at):
        if isinstance(event, e.CredentialNamed):
            yield event
        elif isinstance(event, e.ProjectSelected):
            row = known.get((event.endpoint, event.id))
            if row is not None and row.provider != event.provider:
                raise AnotherProviderError(row, event.provider)
            if row is None:
                directory = _free(event.directory, event.id, taken)
                event = replace(event, project=len(known) + added, directory=directory)  # noqa: PLW2901  # the run's number
                added += 1
            else:
                event = replace(event, project=row.project, directory=row.directory)  # noqa: PLW2901  # as above
            projects.append(event)
            yield event
        elif isinstance(event, e.ServerSelected):
            project = projects[event.project]
            if (project.project, event.id) not in has:
                place = f"{project.directory}/{event.directory.partition('/')[2]}"
                yield replace(
                    event,
                    server=servers,
                    project=project.project,
                    directory=_free(place, event.id, taken),
                )
                servers += 1
    yield e.SelectionEnded(at=at, servers=servers)


def _known_projects(state: RunState, selection: Selection, at: str) -> Iterator[e.Event]:
    """Yield the run's projects that the inventory names as well, and no server is selected of."""
    inventory = selection.inventory
    chosen = {beginning.key_of(one.project) for one in selection.servers}
    rest = {beginning.key_of(one): one for one in inventory.projects}
    known = [
        (row, rest[key])
        for row in state.projects
        if (key := beginning.key_of(row)) in rest and key not in chosen
    ]
    yield from beginning.credentials_named(inventory, [project for _, project in known], at)
    for row, project in known:
        if row.provider != project.provider:
            raise AnotherProviderError(row, project.provider)
        yield beginning.project_selected(project, row.project, row.directory, at)


def lost_archives(state: RunState, destination: Destination, at: str) -> Iterator[e.ArchiveLost]:
    """Yield an event for each archive of a run that is not there any more, or not of its size.

    Raises:
        OSError: the destination cannot be asked.
    """
    for row in state.servers:
        if row.archive is None:
            continue
        found = destination.size(row.archive.path)
        if found == row.archive.bytes:
            continue
        what = (
            f"{row.archive.path} is missing or not a regular file"
            if found is None
            else f"{row.archive.path} has {found} of its {row.archive.bytes} bytes"
        )
        yield e.ArchiveLost(at=at, server=row.server, message=what)


def retried(state: RunState, at: str) -> Iterator[e.ServerRetried]:
    """Yield an event for each server that failed."""
    for row in state.servers:
        if row.failure is not None:
            yield e.ServerRetried(at=at, server=row.server)


def left_out(state: RunState, selection: Selection) -> list[ServerRow]:
    """Return the servers of a run that a selection does not name any more.

    Those of projects that are discovered are not looked for: a resume lists nothing.
    """
    unasked = {beginning.key_of(project) for project in selection.inventory.open_projects}
    named = {
        (chosen.project.endpoint, chosen.project.id, chosen.server.id)
        for chosen in selection.servers
    }
    return [
        row
        for row in state.servers
        for project in (state.projects[row.project],)
        if (project.endpoint, project.id, row.id) not in named
        and (project.endpoint, project.id) not in unasked
    ]


def _free(directory: str, identity: str, taken: set[str]) -> str:
    """Return a directory that nothing of the run lies in yet."""
    if layout.folded(directory) in taken:
        parent, slash, name = directory.rpartition("/")
        digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
        directory = f"{parent}{slash}{layout.with_suffix(name, digest)}"
    taken.add(layout.folded(directory))
    return directory
