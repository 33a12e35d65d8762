"""Lists projects side by side: what each has, and why one could not be listed."""

from __future__ import annotations

import math
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import anyio

from collector import providers
from collector.discovery.alarms import Alarms
from collector.discovery.asking import Asker, Gate, Line, Patience
from collector.discovery.filters import sent_state
from collector.discovery.pages import Servers
from collector.inventory.models import Discover
from collector.model import events as e
from collector.model.answers import Problem, ProblemKind
from collector.providers.directory import Directory
from collector.providers.protocol import ProjectAddress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from collector.inventory.models import Credential, Project
    from collector.providers.directory import ListedServer
    from collector.providers.protocol import Access, Fleet

AT_ONCE: Final = 4
"""Pages that are asked for and read at once, of all projects: each may be megabytes."""
REFUSALS_PER_PROJECT: Final = 3
"""Refused sign-ins in a row, where each project has a secret of its own: one project may be wrong,
and services lock a user after about five."""
PATIENCE: Final = Patience()
TOO_LATE: Final = "it was not listed in time: half of --deadline is kept for collecting"


@dataclass(slots=True)
class Found:
    """What a project has.

    Attributes:
        project: which.
        servers: all that were listed, by their ids.
        alarms: the worst level that holds, by the server's id.
        listed: whether all pages of servers were read, or no more could be.
        state: the one state that was asked for; None where all servers were.
        calls: calls that it took.
        throttled: how many of them were refused as too many.
        problem: why servers may be missing; None if the list is whole.
        attempts: tries of the call that failed.
        alarms_problem: why alarms may be missing.
        notes: what is odd about the list, for people.
    """

    project: Project
    servers: dict[str, ListedServer] = field(default_factory=dict)
    alarms: dict[str, str] = field(default_factory=dict)
    listed: bool = False
    state: str | None = None
    calls: int = 0
    throttled: int = 0
    problem: Problem | None = None
    attempts: int = 0
    alarms_problem: Problem | None = None
    notes: list[str] = field(default_factory=list)


async def list_projects(
    projects: Sequence[Project],
    credentials: Mapping[str, Credential],
    access: Access,
    *,
    patience: Patience = PATIENCE,
    within_s: float = math.inf,
    on_listed: Callable[[Found], None] | None = None,
) -> list[Found]:
    """List the servers of projects, and their alarms where their `discover` asks for these.

    One project that cannot be listed is one problem; the others go on.

    Args:
        projects: which; one without a `discover` is listed whole.
        credentials: those that the projects name, by name.
        access: how to reach the services.
        patience: how often calls are tried.
        within_s: seconds after which those that are not listed yet are given up.
        on_listed: is told each project when it is done.

    Returns:
        What was found, in the order of the projects.

    Raises:
        CollectorError: a secret is missing, or something else that all calls need.
    """
    found = [Found(project) for project in projects]
    gates = _gates(projects, credentials)
    lines: dict[str, Line] = {}
    among = anyio.CapacityLimiter(AT_ONCE)
    unfinished = {id(result): result for result in found}
    async with _fleets(projects, credentials, access) as fleets:

        async def one(result: Found) -> None:
            project = result.project
            line = lines.setdefault(project.endpoint, Line())
            asker = Asker(gates[project.credentials], line, patience, among)
            address = _address(project, credentials)
            await _list(result, fleets[project.provider], address, asker)
            del unfinished[id(result)]
            if on_listed is not None:
                on_listed(result)

        with anyio.move_on_after(within_s):
            async with anyio.create_task_group() as tasks:
                for result in found:
                    tasks.start_soon(one, result)
        for result in unfinished.values():
            _come_too_late(result)
            if on_listed is not None:
                on_listed(result)
    return found


def _address(project: Project, credentials: Mapping[str, Credential]) -> ProjectAddress:
    return ProjectAddress(
        project.provider,
        project.endpoint,
        project.id,
        project.credentials,
        credentials[project.credentials].account,
    )


def _come_too_late(result: Found) -> None:
    """Say of a project that it was not listed in time, or its alarms."""
    late = Problem(ProblemKind.CUT, TOO_LATE)
    if result.listed:
        result.alarms_problem = late
    else:
        result.problem = late


@asynccontextmanager
async def _fleets(
    projects: Sequence[Project], credentials: Mapping[str, Credential], access: Access
) -> AsyncIterator[dict[str, Fleet]]:
    """Connect the provider of each project; yield their fleets by the provider's name."""
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(_connected(name, projects, credentials, access))
            for name in dict.fromkeys(project.provider for project in projects)
        }


def _gates(projects: Sequence[Project], credentials: Mapping[str, Credential]) -> dict[str, Gate]:
    """Return what is known of each credential: nothing yet."""
    gates: dict[str, Gate] = {}
    for project in projects:
        kinds = providers.find(project.provider).rules.kinds
        kind = kinds.get(credentials[project.credentials].kind)
        per_project = kind is not None and kind.per_project
        gates[project.credentials] = Gate(REFUSALS_PER_PROJECT if per_project else 1)
    return gates


def _connected(
    name: str,
    projects: Sequence[Project],
    credentials: Mapping[str, Credential],
    access: Access,
) -> AbstractAsyncContextManager[Fleet]:
    used = dict.fromkeys(one.credentials for one in projects if one.provider == name)
    named = {
        one: e.CredentialNamed(
            at="",
            name=one,
            kind=credentials[one].kind,
            account=credentials[one].account,
            options=credentials[one].options,
        )
        for one in used
    }
    return providers.find(name).connect(named, access, connections=AT_ONCE)


async def _list(result: Found, fleet: Fleet, address: ProjectAddress, asker: Asker) -> None:
    """List one project."""
    if not isinstance(fleet, Directory):
        what = f"the provider {address.provider!r} cannot list servers"
        result.problem = Problem(ProblemKind.BAD_REQUEST, what, hint="list them under servers")
        return
    discover = result.project.discover or Discover()
    result.state = sent_state(discover)
    try:
        servers = Servers(fleet, address, asker, result.state, found=result.servers)
        await servers.list()
        result.problem, result.attempts = _of_a_list(servers.problem), asker.attempts
        result.notes += servers.notes
        result.listed = True
        if discover.alarms_s is not None and result.servers:
            alarms = Alarms(fleet, address, asker, time.time() - discover.alarms_s, result.alarms)
            await alarms.list()
            result.alarms_problem = _of_a_list(alarms.problem)
    finally:  # it may be too late for what is asked for
        result.alarms = {key: result.alarms[key] for key in result.alarms if key in result.servers}
        result.calls, result.throttled = asker.calls, asker.throttled


def _of_a_list(problem: Problem | None) -> Problem | None:
    """Return a problem with a hint that does not speak of a run: there is none yet."""
    return None if problem is None else problem.before_a_failure()
