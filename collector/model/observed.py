"""How observations change a run's state: the part of `transitions.py` that a crash may lose.

Some tell only whoever reads the journal: they change nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from collector.model import events as e
from collector.model.rows import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from collector.model.state import RunState


def _run_estimated(state: RunState, event: e.RunEstimated) -> None:
    requests = sum(row.requests for row in state.projects)
    state.estimate = Estimate(event, requests, state.bytes)


def _calls_counted(state: RunState, event: e.CallsCounted) -> None:
    row, arrived = state.projects[event.project], event.arrived
    state.projects[event.project] = replace(
        row,
        requests=row.requests + event.calls,
        throttled=row.throttled + event.throttled,
        arrived=row.arrived + arrived,
        arriving=row.arriving + arrived,
    )
    state.counted_at = event.at


def _limit_learned(state: RunState, event: e.LimitLearned) -> None:
    state.limits[event.scope, event.name] = event


def _exports_limit_learned(state: RunState, event: e.ExportsLimitLearned) -> None:
    state.exports_limits[event.scope, event.name] = event


def _durations_learned(state: RunState, event: e.DurationsLearned) -> None:
    if event.model is None:
        state.durations[event.project] = event
    else:
        state.of_models[event.project, event.model] = event


def _clock_offset_seen(state: RunState, event: e.ClockOffsetSeen) -> None:
    state.clock_offset_s = event.offset_s


def _download_begun(state: RunState, event: e.DownloadBegun) -> None:
    row = state.servers[event.server]
    state.servers[event.server] = row._replace(begun=event)


def _downloads_paused(state: RunState, event: e.DownloadsPaused) -> None:
    state.paused = event


def _downloads_went_on(state: RunState, _event: e.DownloadsWentOn) -> None:
    state.paused = None


def _endpoint_went_down(state: RunState, event: e.EndpointWentDown) -> None:
    state.down[event.endpoint] = event


def _endpoint_came_back(state: RunState, event: e.EndpointCameBack) -> None:
    state.down.pop(event.endpoint, None)
    state.was_down.pop(event.endpoint, None)


def _sign_in_paused(state: RunState, event: e.SignInPaused) -> None:
    state.sign_ins[event.credential] = event


def _sign_in_over(state: RunState, event: e.SignInWentOn | e.CredentialStopped) -> None:
    state.sign_ins.pop(event.credential, None)


def _permission_doubted(state: RunState, event: e.PermissionDoubted) -> None:
    state.doubts[event.project, event.call] = event


def _permission_confirmed(state: RunState, event: e.PermissionConfirmed) -> None:
    state.doubts.pop((event.project, event.call), None)


def _wait_asked(state: RunState, event: e.WaitAsked) -> None:
    if event.server is not None:
        _ = state.servers[event.server]  # one that no line has named is damage
    state.waits[event.scope, event.name] = event


def _only_told(_state: RunState, _event: e.Event) -> None:
    """For whoever reads the journal or watches the run: it changes nothing that is planned with."""


# Each takes just its own class of event, which a mapping's type cannot say.
OF_OBSERVATIONS: Mapping[type[e.Event], Callable[[RunState, Any], None]] = {
    e.RunEstimated: _run_estimated,
    e.CallsCounted: _calls_counted,
    e.LimitLearned: _limit_learned,
    e.ExportsLimitLearned: _exports_limit_learned,
    e.DurationsLearned: _durations_learned,
    e.HintDisbelieved: _only_told,
    e.WaitAsked: _wait_asked,
    e.ClockOffsetSeen: _clock_offset_seen,
    e.ClockJumped: _only_told,
    e.WordUnknown: _only_told,
    e.DownloadBegun: _download_begun,
    e.DownloadsPaused: _downloads_paused,
    e.DownloadsWentOn: _downloads_went_on,
    e.EndpointWentDown: _endpoint_went_down,
    e.EndpointCameBack: _endpoint_came_back,
    e.SignInPaused: _sign_in_paused,
    e.SignInWentOn: _sign_in_over,
    e.CredentialStopped: _sign_in_over,
    e.PermissionDoubted: _permission_doubted,
    e.PermissionConfirmed: _permission_confirmed,
    e.PermissionMissing: _only_told,
}
