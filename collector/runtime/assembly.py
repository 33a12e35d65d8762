"""The parts that work on a run, made from its state and its terms."""

from __future__ import annotations

import logging
import math
import random
from typing import TYPE_CHECKING

from collector import clock, descriptors, planning
from collector.engine import Scheduler, reused
from collector.model import events as e
from collector.model.answers import Reusable
from collector.model.ceilings import CALLS_IN_FLIGHT, STALLED, STORING, Ceilings
from collector.sharing.claims import Claims

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from collector.model.answers import SharedExport
    from collector.model.prior import Prior
    from collector.model.state import RunState
    from collector.providers.connecting import OwnSecret, Scopes
    from collector.runtime.terms import Terms

_log = logging.getLogger(__name__)


def claims(state: RunState, directory: Path, *, reuse_s: float) -> Claims:
    """Return the run's part in the exports of all runs beside it."""
    wall = clock.WallClock()
    return Claims(
        directory,
        state,
        fresh_s=reuse_s,
        age_s=lambda at: wall.age_s(at, clock.now_s()),
        stamp=lambda ago_s: wall.stamp(clock.now_s() - ago_s),
    )


def taken_over(state: RunState, claims: Mapping[int, SharedExport]) -> list[e.Event]:
    """Return the events that make exports of other runs this run's."""
    now_s, wall = clock.now_s(), clock.WallClock()
    return [
        reused(state, server, claim, wall, now_s)
        for server, claim in claims.items()
        if isinstance(claim, Reusable)
    ]


def scheduler(
    state: RunState,
    scopes: Scopes,
    own_secret: OwnSecret,
    prior: Prior,
    terms: Terms,
    deadline_s: float,
) -> Scheduler:
    """Return what plans the run, from now on until `deadline_s`."""
    at_once = _at_once(state)
    return Scheduler(
        state,
        scopes=scopes,
        ceilings=Ceilings(
            downloads=at_once.downloads,
            calls=at_once.calls,
            storing=at_once.storing,
            stalled=at_once.quiet,
            max_attempts=terms.max_attempts,
            exports_in_flight={
                row.project: row.exports_in_flight
                for row in state.projects
                if row.exports_in_flight is not None
            },
            deadline_s=deadline_s,
            export_s=terms.export_s,
            download_s=terms.download_s,
            grace_s=terms.grace_s,
        ),
        wall_time=clock.WallClock(),
        seed=random.SystemRandom().getrandbits(64),
        known=prior,
        own_secret=own_secret,
    )


def estimate(
    state: RunState, directory: Path, scopes: Scopes, prior: Prior, deadline_s: float
) -> e.RunEstimated:
    """Say what is to be expected, to be compared with what comes. For a worker thread.

    Warns of a disk that is too small for it: a guess, so that the run goes on.
    """
    plan = planning.of_state(state, directory.parent, scopes, prior, but=directory)
    if warning := plan.disk.shortage(directory.parent):
        _log.warning(warning)
    wall = clock.WallClock()
    return e.RunEstimated(
        at=wall.stamp(clock.now_s()),
        deadline_at=wall.stamp(deadline_s) if math.isfinite(deadline_s) else None,
        servers=plan.servers,
        seconds=round(plan.seconds, 1),
        requests=plan.requests,
        bytes=plan.disk.needed,
    )


def bytes_per_second(state: RunState, terms: Terms) -> int | None:
    """Return the ceiling on what arrives: the terms', else the inventory's."""
    if terms.bytes_per_second is not None:
        return terms.bytes_per_second
    return state.started.bytes_per_second if state.started else None


def _at_once(state: RunState) -> descriptors.AtOnce:
    """Return how much may be in flight; warn where that is less than asked for."""
    downloads = state.started.downloads if state.started else 1
    wanted = descriptors.AtOnce(downloads, CALLS_IN_FLIGHT, STORING, STALLED)
    endpoints = len({row.endpoint for row in state.projects})
    given = descriptors.fitting(wanted, descriptors.left(), endpoints)
    if warning := descriptors.reduction(wanted, given):
        _log.warning(warning)
    return given
