"""The first events of a run: who started it, what it is to collect, and where things will lie."""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, TypedDict

from collector import redaction
from collector.errors import CollectorError
from collector.model import events as e
from collector.model.state import apply
from collector.rundir import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from collector.archive.destination import Destination
    from collector.inventory import Inventory, Project, Selection
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


ARGUMENTS_MAX = 32 << 10
"""Characters of arguments that are recorded: a line of the journal has an end."""


class Process(TypedDict):
    """The process that works on a run, as its events name it."""

    argv: tuple[str, ...]
    collector_version: str
    host: str
    user: str
    pid: int


def process(argv: Iterable[str]) -> Process:
    """Describe this process, and what it was begun with; of secrets among that nothing is left."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's number without a name
        user = str(os.getuid())
    try:
        host = socket.gethostname()
    except OSError:
        host = "unknown"
    return Process(
        argv=tuple(_within(redaction.arguments(argv))),
        collector_version=version("collector"),
        host=host,
        user=user,
        pid=os.getpid(),
    )


def _within(arguments: Iterable[str]) -> Iterator[str]:
    """Yield arguments as long as they fit in a line of the journal, with others beside them."""
    room = ARGUMENTS_MAX
    for argument in arguments:
        room -= len(argument) + 1
        if room < 0:
            yield "..."
            return
        yield argument


def events(selection: Selection, run_id: str, argv: Iterable[str], at: str) -> Iterator[e.Event]:
    """Yield what a new run's journal begins with."""
    inventory = selection.inventory
    yield _started(selection, run_id, argv, at)
    chosen_projects = _projects(selection)
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


def named(selection: Selection, argv: Iterable[str], at: str) -> Iterator[e.Event]:
    """Yield what a run of a selection names but its servers; where things will lie is left open."""
    yield _started(selection, "", argv, at)
    projects = _projects(selection)
    yield from _credentials(selection.inventory, projects, at)
    for number, project in enumerate(projects):
        yield _project(project, number, "", at)


def foreseen(state: RunState, first: Iterable[e.Event]) -> RunState:
    """Return a run's state with the projects and credentials that its first events name."""
    known = replace(state, credentials=dict(state.credentials), projects=list(state.projects))
    for event in first:
        if isinstance(event, e.RunStarted | e.CredentialNamed | e.ProjectSelected):
            apply(known, event)
    return known


def additions(state: RunState, selection: Selection, at: str) -> Iterator[e.Event]:
    """Yield what makes a run that is resumed one of this selection as well.

    Servers that it does not have yet are added; limits and credentials are those of the selection's
    inventory from now on, for all projects that it names. Where things lie stays as it was.
    """
    known = {(row.endpoint, row.id): row for row in state.projects}
    has = {(row.project, row.id) for row in state.servers}
    taken = {layout.folded(row.directory) for row in state.projects}
    taken |= {layout.folded(row.directory) for row in state.servers}
    yield from _known_projects(state, selection, at)
    projects: list[e.ProjectSelected] = []
    added = 0
    servers = len(state.servers)
    for event in events(selection, "", (), at):
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
    chosen = {id(one.project) for one in selection.servers}
    rest = {(one.endpoint, one.id): one for one in inventory.projects if id(one) not in chosen}
    known = [
        (row, rest[row.endpoint, row.id])
        for row in state.projects
        if (row.endpoint, row.id) in rest
    ]
    yield from _credentials(inventory, [project for _, project in known], at)
    for row, project in known:
        if row.provider != project.provider:
            raise AnotherProviderError(row, project.provider)
        yield _project(project, row.project, row.directory, at)


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
                exports_in_flight=row.exports_in_flight, share=share, provider=row.provider,
            )  # fmt: skip


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
    if layout.folded(directory) in taken:
        parent, slash, name = directory.rpartition("/")
        digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
        directory = f"{parent}{slash}{layout.with_suffix(name, digest)}"
    taken.add(layout.folded(directory))
    return directory


def _started(selection: Selection, run_id: str, argv: Iterable[str], at: str) -> e.RunStarted:
    inventory = selection.inventory
    providers = {project.provider for project in _projects(selection) or inventory.projects}
    return e.RunStarted(
        at=at,
        schema_version=e.SCHEMA_VERSION,
        run_id=run_id,
        inventory_path=inventory.source_name,
        inventory_sha256=inventory.sha256,
        select=tuple(_within(map(redaction.hide, selection.select))),
        downloads=inventory.downloads,
        bytes_per_second=inventory.bytes_per_second,
        provider=",".join(sorted(providers)),
        **process(argv),
    )


def _projects(selection: Selection) -> list[Project]:
    """Return the projects with servers in a selection, in the order of these."""
    return list({id(chosen.project): chosen.project for chosen in selection.servers}.values())


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
        provider=project.provider,
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
