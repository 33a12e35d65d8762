"""A plan of a run that has not begun: what a collect would do, and how long it would take."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from collector import clock
from collector.history import Memory
from collector.model.state import RunState, apply
from collector.planning import Plan, of_state
from collector.preflight import Finding, Probed, permission, probe
from collector.providers.connecting import connect, providers_of, scopes_of
from collector.runtime import beginning

if TYPE_CHECKING:
    from pathlib import Path

    from collector.inventory import Selection
    from collector.providers.protocol import Access

CALL_WITHIN_S = 15.0


def plan(
    selection: Selection,
    out: Path,
    *,
    deadline_s: float | None = None,
    share: float | None = None,
    memory: Path | None = None,
) -> Plan:
    """Plan a collect of `selection` into `out`, which need not exist; sends nothing.

    Args:
        selection: the servers.
        out: where the run would be: earlier runs there tell how large archives are, and the disk
            that it lies on is looked at.
        deadline_s: seconds that the run may take; None where it may take what it takes.
        share: the part of any learned limit that would be used; None: as the inventory says.
        memory: where what earlier runs have learned is kept; None: nothing is known.
    """
    at = clock.WallClock().stamp(clock.now_s())
    state = RunState()
    first = beginning.events(selection, "", (), at)
    if share is not None:
        first = beginning.with_share(first, state, share, at)
    for event in first:
        apply(state, event)
    scopes = scopes_of(state, providers_of(state))
    known = Memory(memory).recall().known(state)
    return of_state(state, out, scopes, known, deadline_s=deadline_s)


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
