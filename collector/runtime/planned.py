"""A plan of a run that has not begun: what a collect would do, and how long it would take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector import clock
from collector.history import Memory
from collector.model.state import RunState, apply
from collector.planning import Plan, of_state
from collector.providers.connecting import providers_of, scopes_of
from collector.runtime import beginning

if TYPE_CHECKING:
    from pathlib import Path

    from collector.inventory import Selection


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
