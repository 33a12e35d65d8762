"""What can be asked before an export: by `plan --online`, and by a run before its first one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from collector import clock
from collector.model import events as e
from collector.model.state import RunState, apply
from collector.preflight import Asked, Finding, Permission, Probed, permission, probe
from collector.providers.connecting import connect
from collector.runtime import beginning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from collector.engine import Scheduler
    from collector.inventory import Selection
    from collector.model.answers import Problem
    from collector.providers.protocol import Access, Fleet, Provider

PROJECTS_MAX = 10
"""Projects that are asked about at most: two calls each, before limits are known."""
WITHIN_S = 3.0
"""How long all of it may hold a run up."""
CALL_WITHIN_S = 15.0
"""How long one call may take where a person waits for what it says."""


class Permissions:
    """Asks, before a run's first export, for an export that does not exist.

    Args:
        state: the run's, with all servers selected.
        fleet: what makes the calls.
        providers: those of the run's projects, by name.
    """

    def __init__(self, state: RunState, fleet: Fleet, providers: Mapping[str, Provider]) -> None:
        self._state = state
        self._fleet = fleet
        self._providers = providers
        self._probed = Probed()
        self._asking = anyio.CancelScope()

    def stop(self) -> None:
        """Ask nothing any more."""
        self._asking.cancel()

    async def ask(self) -> None:
        """Ask, for a while at most: in one project of each credential, and in more if that may not.

        Limits are not known yet, and what is asked here is not spread over time.
        """
        servers = Counter(row.project for row in self._state.servers)
        largest = [number for number, _ in servers.most_common()]
        of_credentials: dict[str, int] = {}
        for number in largest:
            of_credentials.setdefault(self._state.projects[number].credential, number)
        first = list(of_credentials.values())[:PROJECTS_MAX]
        with anyio.move_on_after(WITHIN_S), self._asking:
            await self._probe(first)
            denied = {self._state.projects[one].credential for one in first if self._is_denied(one)}
            more = [
                number
                for number in largest
                if number not in first and self._state.projects[number].credential in denied
            ]
            await self._probe(more[: PROJECTS_MAX - len(first)])

    async def _probe(self, projects: Sequence[int]) -> None:
        await probe(
            self._state, self._fleet, self._providers, projects, self._probed, within_s=WITHIN_S
        )

    def _is_denied(self, project: int) -> bool:
        finding = self._probed.findings[project]
        return any(finding.permission(call) is Permission.DENIED for call in finding.answers)

    def told(self, scheduler: Scheduler, at: str) -> list[e.PermissionDoubted]:
        """Tell a run's scheduler what was answered; return the calls that seem to be forbidden.

        Args:
            scheduler: the run's.
            at: the time, as a journal writes it.
        """
        servers = {row.project: row.server for row in reversed(self._state.servers)}
        for one in self._asked():
            scheduler.asked_before(
                servers[one.project], one.call, one.problem, one.metadata, one.sent_s,
                one.answered_s,
            )  # fmt: skip
        return list(self._doubts(at))

    def _asked(self) -> list[Asked]:
        """Return the calls that somebody answered, in the order in which they left."""
        answered = (one for one in self._probed.asked if _is_answered(one.problem))
        return sorted(answered, key=lambda one: one.sent_s)

    def _doubts(self, at: str) -> Iterator[e.PermissionDoubted]:
        for number, finding in sorted(self._probed.findings.items()):
            for call, problem in finding.answers.items():
                if problem is not None and finding.permission(call) is Permission.DENIED:
                    yield e.PermissionDoubted(
                        at=at, project=number, call=call, message=problem.message,
                        hint=problem.before_a_failure().hint,
                    )  # fmt: skip


def _is_answered(problem: Problem | None) -> bool:
    return problem is None or problem.sign_in or problem.http_status is not None


async def asked(selection: Selection, access: Access) -> tuple[Finding, ...]:
    """Ask the services of a selection what can be asked without starting an export.

    Args:
        selection: the servers.
        access: how to reach their services.

    Returns:
        What was found, for each project of the selection.

    Raises:
        CollectorError: a secret is missing, or something else that the calls need.
    """
    state = RunState()
    for event in beginning.events(selection, "", (), clock.WallClock().stamp(clock.now_s())):
        apply(state, event)
    connection = connect(state, access)
    probed = Probed()
    async with connection.fleet as fleet:
        await probe(
            state, fleet, connection.providers, range(len(state.projects)), probed,
            lists=True, within_s=CALL_WITHIN_S,
        )  # fmt: skip
    unlisted = {
        (one.endpoint, one.id): one.listing.problem
        for one in selection.inventory.projects
        if one.listing is not None and one.listing.problem is not None
    }
    return tuple(
        one
        if (problem := unlisted.get((one.endpoint, one.id))) is None
        else replace(one, listing=permission(problem), listing_problem=problem)
        for one in map(probed.findings.__getitem__, range(len(state.projects)))
    )
