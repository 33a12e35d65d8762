"""Asks, of every project, for what does not exist."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import anyio

from collector import clock
from collector.model.answers import NO_METADATA, Call, Problem, ProblemKind
from collector.preflight.findings import Finding, Permission, permission
from collector.providers.connecting import address, directory_of
from collector.providers.protocol import Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from collector.model.answers import ResponseMetadata
    from collector.model.state import RunState
    from collector.providers.protocol import Fleet, ProjectAddress, Provider

AT_ONCE = 4
"""Projects that are asked about at the same time, once their credential is accepted."""
FEWEST_LISTED = 10
"""Servers of a page, where the first page alone matters: the API has no smaller ones."""
REFUSALS_BELIEVED = 3
"""Projects that refuse a credential before nothing else is asked with it: a key that is wrong more
than five times in a row is locked."""


class Asked(NamedTuple):
    """A call that was made for an export which no server has, and what came of it.

    Attributes:
        project: by its number.
        call: a status or a download.
        problem: what went wrong; None if nothing did.
        metadata: what the answer told beside.
        sent_s: when it left.
        answered_s: when it was answered.
    """

    project: int
    call: Call
    problem: Problem | None
    metadata: ResponseMetadata
    sent_s: float
    answered_s: float


@dataclass(slots=True)
class Probed:
    """What has been asked, and found: it grows while `probe` runs, which may be cancelled.

    Attributes:
        findings: by the project's number.
        asked: each status and download, in the order of their answers.
    """

    findings: dict[int, Finding] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)


async def probe(
    state: RunState,
    fleet: Fleet,
    providers: Mapping[str, Provider],
    projects: Iterable[int],
    probed: Probed,
    *,
    lists: bool = False,
    within_s: float = math.inf,
) -> None:
    """Find out, for each of these projects, what its credential may do there.

    Until a credential was accepted, it sends one call alone. Projects whose provider has no id that
    surely no export has are left out, and those without a server.

    Args:
        state: the run's, or one that is foreseen.
        fleet: what makes the calls.
        providers: those of the projects, by name.
        projects: their numbers.
        probed: is told what was found.
        lists: whether servers are listed too, where that can be done.
        within_s: seconds that one call may take.
    """
    by_credential: dict[str, list[_Project]] = {}
    for one in _projects(state, providers, projects, probed):
        by_credential.setdefault(one.address.credential, []).append(one)
    asking = _Asking(fleet, probed, lists=lists, within_s=within_s)
    async with anyio.create_task_group() as tasks:
        for ones in by_credential.values():
            tasks.start_soon(asking.credential, ones)
    _share_clocks(probed)


def _share_clocks(probed: Probed) -> None:
    """Tell each finding what one answer of its endpoint has told of the clock."""
    told = {
        one.endpoint: one.clock_offset_s
        for one in probed.findings.values()
        if one.clock_offset_s is not None
    }
    for number, one in probed.findings.items():
        if one.clock_offset_s is None and one.reached:
            probed.findings[number] = replace(one, clock_offset_s=told.get(one.endpoint))


@dataclass(frozen=True, slots=True)
class _Project:
    number: int
    address: ProjectAddress
    server_id: str
    another_id: str
    unknown_export: str


def _projects(
    state: RunState, providers: Mapping[str, Provider], wanted: Iterable[int], probed: Probed
) -> Iterable[_Project]:
    firsts: dict[int, str] = {}
    lasts: dict[int, str] = {}
    servers: Counter[int] = Counter()
    for server in state.servers:
        firsts.setdefault(server.project, server.id)
        lasts[server.project] = server.id
        servers[server.project] += 1
    for number in wanted:
        row = state.projects[number]
        probed.findings[number] = Finding(
            row.id, row.name, row.endpoint, row.credential, servers[number]
        )
        unknown = providers[row.provider].unknown_export
        if unknown is not None and number in firsts:
            where = address(state, number)
            yield _Project(number, where, firsts[number], lasts[number], unknown)


class _Asking:
    def __init__(self, fleet: Fleet, probed: Probed, *, lists: bool, within_s: float) -> None:
        self._fleet = fleet
        self._probed = probed
        self._lists = lists
        self._within_s = within_s
        self._places = anyio.Semaphore(AT_ONCE)

    async def credential(self, projects: Sequence[_Project]) -> None:
        """Ask about the projects of one credential: alone, until one of them accepts it."""
        refused = 0
        rest = list(projects)
        while rest:
            found = await self._project(rest.pop(0))
            if found.signed_in:
                break
            refused += found.signed_in is False
            if refused >= REFUSALS_BELIEVED:
                for one in rest:
                    self._leave_out(one, found)
                return
        async with anyio.create_task_group() as tasks:
            for one in rest:
                tasks.start_soon(self._in_turn, one)

    def _leave_out(self, project: _Project, like: Finding) -> None:
        """Note of a project that its credential is refused, as it is in others."""
        refusal = like.answers[Call.ASK_STATUS]
        assert refusal is not None  # noqa: S101  # that was the reason
        words = f"refused in {REFUSALS_BELIEVED} other projects, and not asked here"
        problem = replace(refusal, message=f"{words}: {refusal.message}")
        finding = self._probed.findings[project.number]
        self._probed.findings[project.number] = finding.having(
            Call.ASK_STATUS, problem, NO_METADATA
        )

    async def _in_turn(self, project: _Project) -> None:
        async with self._places:
            await self._project(project)

    async def _project(self, project: _Project) -> Finding:
        for call in (Call.ASK_STATUS, Call.FETCH_ARCHIVE):
            problem = await self._call(project, call)
            if problem is not None and problem.renewed:
                problem = await self._call(project, call)
            if problem is not None and not _goes_on(problem):
                break
        if self._lists and self._probed.findings[project.number].signed_in:
            await self._list(project)
        return self._probed.findings[project.number]

    async def _list(self, project: _Project) -> None:
        directory = directory_of(self._fleet, project.address)
        if directory is None:
            return
        page = await directory.list_servers(
            project.address, marker=None, limit=FEWEST_LISTED, manage_state=None
        )
        problem = page if isinstance(page, Problem) else None
        self._probed.findings[project.number] = replace(
            self._probed.findings[project.number],
            listing=permission(problem),
            listing_problem=problem,
        )

    async def _call(self, project: _Project, call: Call) -> Problem | None:
        """Make a call; where it is forbidden, about another server too: a policy may go by tags."""
        problem, metadata = await self._ask(project, call, project.server_id)
        if (
            problem is not None
            and problem.kind is ProblemKind.FORBIDDEN
            and project.another_id != project.server_id
        ):
            other, told = await self._ask(project, call, project.another_id)
            if permission(other) is Permission.ALLOWED:
                problem, metadata = other, told
        finding = self._probed.findings[project.number]
        self._probed.findings[project.number] = finding.having(call, problem, metadata)
        return problem

    async def _ask(
        self, project: _Project, call: Call, server_id: str
    ) -> tuple[Problem | None, ResponseMetadata]:
        target = Target(project.address, server_id)
        sent_s = clock.now_s()
        problem, metadata = await self._answer(target, call, project.unknown_export)
        self._probed.asked.append(
            Asked(project.number, call, problem, metadata, sent_s, clock.now_s())
        )
        return problem, metadata

    async def _answer(
        self, target: Target, call: Call, export_id: str
    ) -> tuple[Problem | None, ResponseMetadata]:
        if call is Call.ASK_STATUS:
            said = await self._fleet.ask_status(
                target, export_id, asks_limits=True, within_s=self._within_s
            )
            return (said if isinstance(said, Problem) else None), said.metadata
        answered = self._fleet.open_archive(target, export_id, asks_limits=True)
        with anyio.move_on_after(self._within_s):
            async with answered as opened:
                return (opened if isinstance(opened, Problem) else None), opened.metadata
        late = Problem(ProblemKind.CUT, f"no answer within {self._within_s:.3g} s")
        return late, late.metadata


def _goes_on(problem: Problem) -> bool:
    """Whether another call for the same project can tell more."""
    return permission(problem) is not Permission.UNKNOWN
