"""The first events of a run: who started it, what it is to collect, and where things will lie."""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
import stat
from dataclasses import replace
from importlib.metadata import version
from itertools import takewhile
from typing import TYPE_CHECKING, TypedDict

from collector import redaction
from collector.engine import events as e
from collector.engine.state import apply
from collector.run import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from collector.engine.state import RunState, ServerRow
    from collector.inventory import Inventory, Project, Selection

_WORK = e.ArchiveLost | e.ServerSelected | e.ServerRetried
"""With one of these, a run that was finished has something to do."""


class Process(TypedDict):
    """The process that works on a run, as its events name it."""

    argv: tuple[str, ...]
    collector_version: str
    host: str
    user: str
    pid: int


def process(argv: Sequence[str]) -> Process:
    """Describe this process, and what it was begun with; of secrets among that nothing is left."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's number without a name
        user = str(os.getuid())
    return Process(
        argv=tuple(redaction.arguments(argv)),
        collector_version=version("collector"),
        host=socket.gethostname(),
        user=user,
        pid=os.getpid(),
    )


def events(selection: Selection, run_id: str, argv: Sequence[str], at: str) -> Iterator[e.Event]:
    """Yield what a new run's journal begins with."""
    inventory = selection.inventory
    yield e.RunStarted(
        at=at,
        schema_version=e.SCHEMA_VERSION,
        run_id=run_id,
        inventory_path=inventory.source_name,
        inventory_sha256=inventory.sha256,
        select=tuple(map(redaction.hide, selection.select)),
        downloads=inventory.downloads,
        bytes_per_second=inventory.bytes_per_second,
        **process(argv),
    )
    projects = list(dict.fromkeys(id(chosen.project) for chosen in selection.servers))
    by_identity = {id(project): project for project in inventory.projects}
    chosen_projects = [by_identity[identity] for identity in projects]
    yield from _credentials(inventory, chosen_projects, at)
    directories = _project_directories(inventory)
    numbers: dict[int, int] = {}
    servers: dict[int, Mapping[str, str]] = {}
    for number, project in enumerate(chosen_projects):
        numbers[id(project)] = number
        servers[id(project)] = _server_directories(project)
        yield _project(project, number, directories[id(project)], at)
    for number, chosen in enumerate(selection.servers):
        identity = id(chosen.project)
        yield e.ServerSelected(
            at=at,
            server=number,
            project=numbers[identity],
            id=chosen.server.id,
            name=chosen.server.name,
            tags=chosen.server.tags,
            directory=f"{directories[identity]}/{servers[identity][chosen.server.id]}",
            first=chosen.first,
        )
    yield e.SelectionEnded(at=at, servers=len(selection.servers))


def continued(
    state: RunState,
    directory: Path,
    selection: Selection | None,
    at: str,
    argv: Sequence[str],
    *,
    share: float | None,
    retry_failed: bool,
) -> list[e.Event]:
    """Return what a resume of a run begins with; nothing, where nothing is left to do."""
    first: list[e.Event] = list(lost_archives(state, directory, at))
    if selection is not None:
        first += additions(state, selection, at)
    if retry_failed:
        first += retried(state, at)
    if not state.pending and not any(isinstance(one, _WORK) for one in first):
        return []
    if share is not None:
        first = list(with_share(first, state, share, at))
    return [e.RunResumed(at=at, **process(argv)), *first]


def foreseen(state: RunState, first: Iterable[e.Event]) -> RunState:
    """Return a run's state with the credentials that its first events name."""
    known = replace(state, credentials=dict(state.credentials))
    for event in takewhile(lambda event: not isinstance(event, e.ProjectSelected), first):
        if isinstance(event, e.RunStarted | e.CredentialNamed):
            apply(known, event)
    return known


def additions(state: RunState, selection: Selection, at: str) -> Iterator[e.Event]:
    """Yield what makes a run that is resumed one of this selection as well.

    Servers that it does not have yet are added; limits and credentials are those of the selection's
    inventory from now on. Where things lie stays as it was.
    """
    known = {(row.endpoint, row.id): row for row in state.projects}
    has = {(row.project, row.id) for row in state.servers}
    taken = {row.directory.casefold() for row in state.projects}
    taken |= {row.directory.casefold() for row in state.servers}
    projects: list[e.ProjectSelected] = []
    added = 0
    servers = len(state.servers)
    for event in events(selection, "", (), at):
        if isinstance(event, e.CredentialNamed):
            yield event
        elif isinstance(event, e.ProjectSelected):
            row = known.get((event.endpoint, event.id))
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


def with_share(
    first: Iterable[e.Event], state: RunState, share: float, at: str
) -> Iterator[e.Event]:
    """Yield `first`, with `share` for every project that it names or that the run has already."""
    named: set[int] = set()
    for event in first:
        if isinstance(event, e.ProjectSelected):
            named.add(event.project)
            yield replace(event, share=share)
        else:
            yield event
    for row in state.projects:
        if row.project not in named:
            yield e.ProjectSelected(
                at=at, project=row.project, id=row.id, name=row.name, endpoint=row.endpoint,
                credential=row.credential, directory=row.directory,
                requests_per_second=row.requests_per_second,
                exports_in_flight=row.exports_in_flight, share=share,
            )  # fmt: skip


def lost_archives(state: RunState, directory: Path, at: str) -> Iterator[e.ArchiveLost]:
    """Yield an event for each archive of a run that is not there any more, or not of its size."""
    for row in state.servers:
        if row.archive is None:
            continue
        try:
            found = (directory / row.archive.path).lstat()
        except OSError as error:
            what = f"{row.archive.path} is not there: {error.strerror}"
        else:
            if stat.S_ISREG(found.st_mode) and found.st_size == row.archive.bytes:
                continue
            what = f"{row.archive.path} has {found.st_size} of its {row.archive.bytes} bytes"
        yield e.ArchiveLost(at=at, server=row.server, message=what)


def retried(state: RunState, at: str) -> Iterator[e.ServerRetried]:
    """Yield an event for each server that failed."""
    for row in state.servers:
        if row.failure is not None:
            yield e.ServerRetried(at=at, server=row.server)


def left_out(state: RunState, selection: Selection) -> list[ServerRow]:
    """Return the servers of a run that a selection does not name any more."""
    named = {
        (chosen.project.endpoint, chosen.project.id, chosen.server.id)
        for chosen in selection.servers
    }
    return [
        row
        for row in state.servers
        for project in (state.projects[row.project],)
        if (project.endpoint, project.id, row.id) not in named
    ]


def _free(directory: str, identity: str, taken: set[str]) -> str:
    """Return a directory that nothing of the run lies in yet."""
    if directory.casefold() in taken:
        directory = f"{directory}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    taken.add(directory.casefold())
    return directory


def _credentials(
    inventory: Inventory, projects: Sequence[Project], at: str
) -> Iterator[e.CredentialNamed]:
    for name in dict.fromkeys(project.credentials for project in projects):
        credential = inventory.credentials[name]
        yield e.CredentialNamed(
            at=at,
            name=name,
            kind=credential.kind,
            account=credential.account,
            options=credential.options,
        )


def _project(project: Project, number: int, directory: str, at: str) -> e.ProjectSelected:
    return e.ProjectSelected(
        at=at,
        project=number,
        id=project.id,
        name=project.name,
        endpoint=project.endpoint,
        credential=project.credentials,
        directory=directory,
        requests_per_second=project.limits.requests_per_second,
        exports_in_flight=project.limits.exports_in_flight,
        share=project.limits.share,
    )


def _project_directories(inventory: Inventory) -> dict[int, str]:
    """Name the directory of every project of the inventory, by its identity in memory."""
    names = layout.project_directories(
        [(project.id, project.endpoint, project.name) for project in inventory.projects]
    )
    return {id(project): name for project, name in zip(inventory.projects, names, strict=True)}


def _server_directories(project: Project) -> dict[str, str]:
    """Name the directory of every server of a project, by the server's id."""
    names = layout.server_directories([(server.id, server.name) for server in project.servers])
    return {server.id: name for server, name in zip(project.servers, names, strict=True)}
