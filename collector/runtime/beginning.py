"""The first events of a run: who started it, what it is to collect, and where things will lie."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from collector import redaction
from collector.errors import CollectorError
from collector.model import events as e
from collector.model.state import apply
from collector.rundir import layout
from collector.runtime.process import process_of, within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from collector.inventory import Inventory, Project, Selection
    from collector.model.state import ProjectRow, RunState

AGAIN = "collect the project in a new run, since a resumed one lists nothing again"
ProjectKey = tuple[str, str]
"""A project's endpoint and id: no inventory lists both twice."""


class ServersUnknownError(CollectorError):
    """A selection of servers that were to be discovered, and nobody asked for them.

    Attributes:
        projects: names of the projects whose servers are not known.
    """

    def __init__(self, projects: tuple[str, ...]) -> None:
        self.projects = projects
        super().__init__(
            f"the servers of {', '.join(projects)} are not known yet; pass the inventory through "
            "collector.discover before servers are selected"
        )


def check_known(selection: Selection) -> None:
    """Check that somebody asked for the servers that only the API knows.

    Raises:
        ServersUnknownError: nobody did.
    """
    if selection.unasked:
        raise ServersUnknownError(tuple(one.name for one in selection.unasked))


def key_of(project: Project | ProjectRow) -> ProjectKey:
    """Return what names a project, in an inventory and in a run."""
    return project.endpoint, project.id


def events(selection: Selection, run_id: str, argv: Iterable[str], at: str) -> Iterator[e.Event]:
    """Yield what a new run's journal begins with."""
    inventory = selection.inventory
    yield _started(selection, run_id, argv, at)
    chosen_projects = _projects(selection)
    yield from credentials_named(inventory, chosen_projects, at)
    directories = _project_directories(inventory)
    numbers: dict[ProjectKey, int] = {}
    servers: dict[ProjectKey, Mapping[str, str]] = {}
    for number, project in enumerate(chosen_projects):
        key = key_of(project)
        numbers[key] = number
        servers[key] = _server_directories(project)
        yield project_selected(project, number, directories[key], at)
    yield from _listings(selection, numbers, at)
    for number, chosen in enumerate(selection.servers):
        key = key_of(chosen.project)
        yield e.ServerSelected(
            at=at,
            server=number,
            project=numbers[key],
            id=chosen.server.id,
            name=chosen.server.name,
            tags=chosen.server.tags,
            directory=f"{directories[key]}/{servers[key][chosen.server.id]}",
            first=chosen.first,
            health=chosen.server.health,
            rack=chosen.server.rack,
            model=chosen.server.model,
            alarm=chosen.server.alarm,
        )
    yield e.SelectionEnded(at=at, servers=len(selection.servers))


def _listings(
    selection: Selection, numbers: Mapping[ProjectKey, int], at: str
) -> Iterator[e.Event]:
    """Yield what came of listing projects: the calls it took, and why one is not listed."""
    for one in selection.unlisted:
        problem = one.problem
        yield e.ProjectNotListed(
            at=at,
            project=numbers[key_of(one.project)],
            kind=str(problem.kind),
            code=problem.code,
            http_status=problem.http_status,
            message=problem.message,
            request_id=problem.request_id,
            attempts=one.attempts,
            hint=f"{problem.hint}; then {AGAIN}" if problem.hint else AGAIN,
        )
    for project in _projects(selection):
        listing = project.listing
        if listing is not None and listing.calls:
            yield e.CallsCounted(
                at=at,
                project=numbers[key_of(project)],
                calls=listing.calls,
                throttled=listing.throttled,
            )


def named(selection: Selection, argv: Iterable[str], at: str) -> Iterator[e.Event]:
    """Yield what a run of a selection names but its servers; where things will lie is left open."""
    yield _started(selection, "", argv, at)
    projects = _projects(selection)
    yield from credentials_named(selection.inventory, projects, at)
    for number, project in enumerate(projects):
        yield project_selected(project, number, "", at)


def foreseen(state: RunState, first: Iterable[e.Event]) -> RunState:
    """Return a run's state with the projects and credentials that its first events name."""
    known = replace(state, credentials=dict(state.credentials), projects=list(state.projects))
    for event in first:
        if isinstance(event, e.RunStarted | e.CredentialNamed | e.ProjectSelected):
            apply(known, event)
    return known


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
            yield replace(row.selected, at=at, share=share)


def _started(selection: Selection, run_id: str, argv: Iterable[str], at: str) -> e.RunStarted:
    inventory = selection.inventory
    providers = {project.provider for project in _projects(selection) or inventory.projects}
    return e.RunStarted(
        at=at,
        schema_version=e.SCHEMA_VERSION,
        run_id=run_id,
        inventory_path=inventory.source_name,
        inventory_sha256=inventory.sha256,
        select=tuple(within(map(redaction.hide, selection.select))),
        downloads=inventory.downloads,
        bytes_per_second=inventory.bytes_per_second,
        provider=",".join(sorted(providers)),
        **process_of(argv),
    )


def _projects(selection: Selection) -> list[Project]:
    """Return the projects with servers in a selection, in their order; then unlisted ones."""
    chosen = [one.project for one in selection.servers]
    unlisted = [one.project for one in selection.unlisted]
    return list({key_of(project): project for project in (*chosen, *unlisted)}.values())


def credentials_named(
    inventory: Inventory, projects: Sequence[Project], at: str
) -> Iterator[e.CredentialNamed]:
    """Yield the credentials that projects name, each once."""
    for name in dict.fromkeys(project.credentials for project in projects):
        credential = inventory.credentials[name]
        yield e.CredentialNamed(
            at=at,
            name=name,
            kind=credential.kind,
            account=credential.account,
            options=credential.options,
        )


def project_selected(project: Project, number: int, directory: str, at: str) -> e.ProjectSelected:
    """Return the event that makes a project of an inventory the run's."""
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


def _project_directories(inventory: Inventory) -> dict[ProjectKey, str]:
    """Name the directory of every project of the inventory."""
    names = layout.project_directories(
        [(project.id, project.endpoint, project.name) for project in inventory.projects]
    )
    return {key_of(project): name for project, name in zip(inventory.projects, names, strict=True)}


def _server_directories(project: Project) -> dict[str, str]:
    """Name the directory of every server of a project, by the server's id."""
    names = layout.server_directories([(server.id, server.name) for server in project.servers])
    return {server.id: name for server, name in zip(project.servers, names, strict=True)}
