from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, TypeGuard

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.pacing.driver import ARCHIVE_BYTES
from collector.model import events as e
from collector.model.actions import AskStatus, GiveUp, StartExport
from collector.model.answers import (
    Call,
    ExportSaid,
    ExportState,
    LimitTold,
    ProblemKind,
    ResponseMetadata,
    ScopeKind,
)
from collector.model.ceilings import Ceilings
from collector.model.state import Phase
from tests.support.simulation import (
    ANY_SERVER,
    HiddenLimit,
    Service,
    Simulation,
    gaps,
    lists_of_answers,
    problem,
    quick,
    selected,
)

if TYPE_CHECKING:
    from collector.model.actions import Request
    from collector.model.answers import Outcome, Scope

P = ProblemKind
POST, ASK, FETCH = Call.START_EXPORT, Call.ASK_STATUS, Call.FETCH_ARCHIVE

PLENTY = ResponseMetadata(limits=(LimitTold(ScopeKind.USER, 1000, 1.0),))
"""With this said, calls leave as many at once as anything else allows."""


def started(number: int, metadata: ResponseMetadata = PLENTY) -> ExportSaid:
    return ExportSaid(f"x{number}", ExportState.RUNNING, "Running", metadata=metadata)


def begin(sim: Simulation, now_s: float) -> list[Request]:
    """Take what is due, by hand: the intents are recorded and the calls returned."""
    actions = sim.scheduler.due(now_s).actions
    sim.record([action.intent for action in actions if action.intent is not None])
    return [action for action in actions if not isinstance(action, GiveUp)]


def answer(sim: Simulation, request: Request, said: Outcome, now_s: float) -> None:
    sim.record(sim.scheduler.answered(request, said, now_s))


def accepted(servers: int, ceilings: Ceilings | None = None) -> tuple[Simulation, list[Request]]:
    """Return a run whose first call was answered at 1 s, and all POSTs that followed at once."""
    sim = Simulation(Service(), selected(servers), ceilings or Ceilings())
    (first,) = begin(sim, 0.0)
    answer(sim, first, started(0), 1.0)
    return sim, begin(sim, 1.0)


# Order


def turns_between_the_rest(sim: Simulation) -> list[int]:
    """Return from which turn to which the rest had theirs, while exports waited."""
    calls = [sent.action.call for sent in sim.sent]
    last_post = max(at for at, call in enumerate(calls) if call is POST)
    return [at for at, call in enumerate(calls[:last_post]) if call is not POST]


def test_while_exports_wait_one_turn_in_eight_goes_to_the_rest() -> None:
    limit = HiddenLimit(ScopeKind.USER, 10)
    sim = Simulation(Service([limit], lambda _server: 0.1), selected(400), seed=3).run()
    rest = turns_between_the_rest(sim)
    assert min(gaps(rest[1:])) >= 8
    assert len(rest) > 0.5 * 400 / 7


def test_where_exports_in_flight_are_limited_a_status_is_worth_an_export() -> None:
    limit = HiddenLimit(ScopeKind.USER, 10)
    ceilings = Ceilings(exports_in_flight={0: 1000})
    service = Service([limit], lambda _server: 0.1)
    sim = Simulation(service, selected(400), ceilings).run()
    rest = turns_between_the_rest(sim)
    assert min(gaps(rest[1:])) >= 2
    assert len(rest) > 0.5 * 400


def test_servers_that_are_first_go_before_all_others_to_their_end() -> None:
    limit = HiddenLimit(ScopeKind.USER, 5)
    service = Service([limit], lambda _server: 1.0)
    sim = Simulation(service, selected(100, first=[71, 40])).run()
    assert [sent.action.server for sent in sim.sent[:2]] == [40, 71]
    stored = [event.server for event in sim.of(e.ArchiveStored)]
    assert set(stored[:2]) == {40, 71}
    assert sim.times(FETCH, 40)[0] < sim.times(POST)[-1] / 5


def test_projects_take_turns_however_many_servers_they_have() -> None:
    events = selected(100, projects=1)
    small = selected(104, projects=2)
    events = [*small[:3], *events[2:-1]]
    events += [
        e.ServerSelected(
            at=events[0].at, server=server, project=1, id=f"s{server}", name="n", tags={},
            directory=f"p1/s{server}", first=False,
        )
        for server in range(100, 104)
    ]  # fmt: skip
    events.append(e.SelectionEnded(at=events[0].at, servers=104))
    sim = Simulation(Service([HiddenLimit(ScopeKind.USER, 5)]), events).run()
    first_posts = [sent.project for sent in sim.sent if sent.action.call is POST][:8]
    assert Counter(first_posts) == {0: 4, 1: 4}


def test_the_same_answers_at_the_same_times_give_the_same_plan() -> None:
    def plan(seed: int) -> list[object]:
        service = Service(script={(ANY_SERVER, POST): [problem(P.SERVICE_FAILED)] * 20})
        return list(Simulation(service, selected(30), seed=seed).run().sent)

    assert plan(5) == plan(5)
    assert plan(5) != plan(6)


# Ceilings


def test_exports_in_flight_are_never_exceeded() -> None:
    service = Service(script={(0, POST): [started(0)]})
    ceilings = Ceilings(exports_in_flight={0: 3, 1: 5})
    sim = Simulation(service, selected(60, projects=2), ceilings).run()
    assert sim.state.collected == 60
    assert (sim.most[0], sim.most[1]) == (3, 5)


def test_exports_started_at_the_same_instant_are_counted_one_by_one() -> None:
    _, requests = accepted(20, Ceilings(exports_in_flight={0: 4}))
    assert len(requests) == 3


def test_a_post_that_was_refused_makes_room_for_another() -> None:
    sim, requests = accepted(20, Ceilings(exports_in_flight={0: 4}))
    answer(sim, requests[0], problem(P.FORBIDDEN), 1.1)
    answer(sim, requests[1], problem(P.SERVICE_FAILED), 1.1)
    answer(sim, requests[2], problem(P.NOT_READY), 1.1)
    assert sum(isinstance(one, StartExport) for one in begin(sim, 1.2)) == 3


def test_downloads_under_way_reach_their_ceiling_and_no_more() -> None:
    for downloads in (1, 3):
        sim = Simulation(
            Service(), selected(30), Ceilings(downloads=downloads), download_s=20.0
        ).run()
        assert sim.most[FETCH] == downloads
        assert sim.state.collected == 30


def test_downloads_that_fail_make_room_for_others() -> None:
    for kind in (P.CUT, P.INVALID_ARCHIVE, P.SERVICE_FAILED, P.DISK, P.NOT_READY):
        service = Service(script={(ANY_SERVER, FETCH): [problem(kind)] * 6})
        sim = Simulation(service, selected(12), Ceilings(downloads=2), download_s=5.0).run()
        assert all(row.phase.ended for row in sim.state.servers)


def test_small_calls_under_way_are_bounded() -> None:
    _, requests = accepted(600)
    assert len(requests) == 256


# Secrets


def test_the_first_call_with_a_credential_goes_alone() -> None:
    sim = Simulation(
        Service(), selected(20, projects=2, credentials=["a", "b"]), latency_s=2.0
    ).run()
    early = [sent.project for sent in sim.sent if sent.at_s < 1.5]
    assert sorted(early) == [0, 1]


def test_a_wrong_secret_costs_one_call_and_fails_all_servers_that_need_it() -> None:
    service = Service(script={(server, POST): [problem(P.UNAUTHENTICATED)] for server in (0, 2)})
    sim = Simulation(service, selected(40, projects=2, credentials=["a", "b"])).run()
    calls = [sent for sent in sim.sent if sent.project == 0]
    assert len(calls) == 1
    assert {row.phase for row in sim.state.servers[0::2]} == {Phase.FAILED}
    assert {row.phase for row in sim.state.servers[1::2]} == {Phase.COLLECTED}
    failures = [row.failure for row in sim.state.servers[0::2]]
    assert {failure.http_status for failure in failures if failure} == {401}


def test_a_refusal_after_many_good_answers_is_put_to_one_who_was_accepted() -> None:
    sim, requests = accepted(40)
    assert len(requests) == 39
    answer(sim, requests[0], problem(P.UNAUTHENTICATED), 2.0)
    for number, request in enumerate(requests[1:], 1):
        assert begin(sim, 2.1) == []
        answer(sim, request, started(number), 2.1)
    (probe,) = begin(sim, 60.0)
    assert begin(sim, 60.1) == []
    answer(sim, probe, ExportSaid("x1", ExportState.RUNNING, "Running"), 60.2)
    assert len(begin(sim, 60.2)) > 1


def test_a_burst_of_refusals_is_one_refusal() -> None:
    sim, requests = accepted(40)
    for request in requests:
        answer(sim, request, problem(P.UNAUTHENTICATED), 2.0)
    assert sim.state.failed == 0
    (probe,) = begin(sim, 60.0)
    answer(sim, probe, problem(P.UNAUTHENTICATED), 61.0)
    assert sim.state.failed == 0
    (probe,) = begin(sim, 120.0)
    answer(sim, probe, problem(P.UNAUTHENTICATED), 121.0)
    begin(sim, 121.0)
    assert sim.state.failed == 40


@pytest.mark.parametrize("kind", [P.THROTTLED, P.UNREADABLE, P.CUT])
def test_an_answer_from_before_the_door_does_not_show_that_a_secret_is_accepted(
    kind: ProblemKind,
) -> None:
    sim = Simulation(Service(), selected(40))
    (first,) = begin(sim, 0.0)
    answer(sim, first, problem(kind, metadata=PLENTY), 1.0)
    (second,) = begin(sim, 30.0)
    answer(sim, second, problem(P.UNAUTHENTICATED), 31.0)
    assert begin(sim, 31.0) == []
    assert sim.state.failed == 40


def test_a_renewed_secret_goes_on_where_the_old_one_was_refused() -> None:
    refused: list[Outcome] = [problem(P.UNAUTHENTICATED, renewed=True)]
    for call in Call:
        service = Service(script={(3, call): list(refused)})
        sim = Simulation(service, selected(10)).run()
        assert sim.state.collected == 10


def test_a_secret_renewed_before_it_was_ever_accepted_goes_on() -> None:
    service = Service(script={(0, POST): [problem(P.UNAUTHENTICATED, renewed=True)]})
    assert Simulation(service, selected(10)).run().state.collected == 10


def test_a_secret_that_is_renewed_and_refused_each_time_ends_after_three_refusals() -> None:
    sim, requests = accepted(40, Ceilings(max_attempts=10))
    for request in requests[1:]:
        answer(sim, request, started(request.server), 1.1)
    (request,) = requests[:1]
    for at_s in (100.0, 200.0):
        answer(sim, request, problem(P.UNAUTHENTICATED, renewed=True), at_s)
        assert sim.state.failed == 0
        (request,) = begin(sim, at_s + 5.0)  # it may be the trouble of a moment
    answer(sim, request, problem(P.UNAUTHENTICATED, renewed=True), 300.0)
    begin(sim, 300.0)
    assert sim.state.failed == 40


# Endpoints


def test_calls_that_cannot_be_sent_are_one_question_put_to_some_who_were_answered() -> None:
    sim, requests = accepted(40)
    for request in requests[:3]:
        answer(sim, request, started(request.server, ResponseMetadata()), 1.0)
    for request in requests[3:]:
        answer(sim, request, problem(P.NOT_SENT), 2.0)
    probes = begin(sim, 2.0)
    assert [probe.is_probe for probe in probes if isinstance(probe, AskStatus)] == 3 * [True]
    assert len(probes) == 3


def test_an_endpoint_that_is_down_is_probed_every_few_seconds() -> None:
    service = Service(unreachable=lambda endpoint, at_s: endpoint == "a" and 1.5 < at_s < 140)
    sim = Simulation(service, selected(40, projects=2, endpoints=["a", "b"])).run()
    probes = [sent.at_s for sent in sim.sent if sent.project == 0 and 5 < sent.at_s < 140]
    assert max(gaps(probes)) <= 3.1
    assert min(gaps(probes)) > 1.0
    assert sim.state.collected == 40
    assert not sim.of(e.AttemptFailed)


def test_an_endpoint_that_is_down_holds_up_no_other() -> None:
    ends = []
    for down in (False, True):
        service = Service(percent=lambda part: 100 * part)
        if down:
            service.unreachable = lambda endpoint, _at_s: endpoint == "a"
        sim = Simulation(
            service, selected(100, projects=2, endpoints=["a", "b"], credentials=["a", "b"])
        ).run()
        ends.append(sorted(sent.at_s for sent in sim.sent if sent.project == 1)[-25])
    assert ends[1] <= ends[0] * 1.05


def test_an_endpoint_down_and_back_is_news_once_each() -> None:
    service = Service(unreachable=lambda _endpoint, at_s: 1.5 < at_s < 20)
    sim = Simulation(service, selected(40)).run()
    assert [event.endpoint for event in sim.of(e.EndpointWentDown)] == ["e"]
    assert [event.endpoint for event in sim.of(e.EndpointCameBack)] == ["e"]
    assert sim.state.down == {}


def test_an_endpoint_that_never_answers_is_given_up_after_a_minute() -> None:
    sim = Simulation(
        Service(unreachable=lambda endpoint, _at_s: endpoint == "a"),
        selected(20, projects=2, endpoints=["a", "b"]),
    ).run()
    tries = [sent.at_s for sent in sim.sent if sent.project == 0]
    assert 50 <= tries[-1] < 65
    assert len(tries) < 30
    assert {row.phase for row in sim.state.servers[0::2]} == {Phase.QUEUED}
    assert {row.phase for row in sim.state.servers[1::2]} == {Phase.COLLECTED}
    assert sim.scheduler.ending(sim.now_s).reason == "endpoint_down"
    assert [row.requests for row in sim.state.projects] == [0, sum(sim.service.calls.values())]


def test_an_endpoint_that_has_answered_is_waited_for_an_hour() -> None:
    service = Service(unreachable=lambda _endpoint, at_s: 1.5 < at_s < 3500)
    assert Simulation(service, selected(20)).run().state.collected == 20
    service = Service(unreachable=lambda _endpoint, at_s: at_s > 1.5)
    sim = Simulation(service, selected(20)).run()
    assert 3590 <= sim.times()[-1] < 3610
    assert sim.state.pending == 20


# Ends


@pytest.mark.parametrize("ceilings", [Ceilings(deadline_s=1.0), Ceilings()])
def test_after_a_deadline_or_a_stop_nothing_is_begun_and_posts_are_waited_for(
    ceilings: Ceilings,
) -> None:
    sim = Simulation(Service(), selected(60), ceilings, latency_s=0.9, journal_s=0.1)
    reason = "deadline"
    if ceilings.deadline_s == math.inf:
        reason = "stopped"
        sim.at(1.0, lambda: sim.scheduler.stop("stopped"))
    sim.run()
    assert sim.times()[-1] < 1.0
    assert {row.phase for row in sim.state.servers} == {Phase.QUEUED, Phase.EXPORTING}
    running = sum(row.phase is Phase.EXPORTING for row in sim.state.servers)
    assert running == len(sim.times(POST)) > 1
    assert sim.scheduler.ending(sim.now_s).reason == reason


@pytest.mark.parametrize(("download_s", "home"), [(500.0, 0), (40.0, 3)])
def test_a_stop_waits_for_downloads_that_end_within_the_grace(download_s: float, home: int) -> None:
    service = Service(duration_s=lambda _server: 0.5)
    sim = Simulation(service, selected(3), Ceilings(grace_s=20.0), download_s=download_s)
    sim.at(30.0, lambda: sim.scheduler.stop("stopped"))
    sim.run()
    assert sim.now_s <= 50.0
    assert sim.state.collected == home
    assert sim.scheduler.ending(sim.now_s).reason == ("finished" if home else "stopped")


def test_a_stop_waits_for_no_status() -> None:
    sim = Simulation(Service(), selected(3), Ceilings(grace_s=20.0), latency_s=0.9)
    sim.at(5.5, lambda: sim.scheduler.stop("stopped"))
    sim.run()
    assert sim.now_s < 7.0
    assert sim.state.pending == 3


def test_a_deadline_is_overrun_by_a_second_at_most() -> None:
    service = Service(duration_s=lambda _server: 0.5)
    ceilings = Ceilings(deadline_s=30.0, grace_s=20.0)
    sim = Simulation(service, selected(3), ceilings, download_s=500.0)
    sim.run()
    assert sim.now_s <= 31.0
    late = Simulation(Service(), selected(1), Ceilings(deadline_s=3.0), latency_s=50.0)
    late.run()
    assert late.now_s <= 4.5


@quick
@given(stopped_s=st.floats(0.0, 12.0), latency_s=st.floats(0.001, 2.0))
def test_a_run_stopped_at_any_time_and_taken_up_starts_one_export_a_server(
    stopped_s: float, latency_s: float
) -> None:
    service = Service([HiddenLimit(ScopeKind.USER, 10)], lambda _server: 2.0)
    first = Simulation(service, selected(12), latency_s=latency_s)
    first.at(stopped_s, lambda: first.scheduler.stop("stopped"))
    first.run()
    first.record([first.scheduler.ending(first.now_s)])
    assert all(at_s <= stopped_s for at_s in first.times())
    process = e.RunResumed(
        at=first.events[-1].at, collector_version="0", host="h", user="u", pid=2, argv=()
    )
    second = Simulation(service, [*first.events, process], now_s=first.now_s + 5).run()
    assert second.state.collected == 12
    assert service.exports == Counter(range(12))
    assert sum(row.requests for row in second.state.projects) == len(first.sent) + len(second.sent)


def test_the_first_reason_to_stop_stays() -> None:
    sim = Simulation(Service(), selected(3), Ceilings(deadline_s=5.0))
    sim.scheduler.stop("stopped")
    sim.scheduler.stop("deadline")
    sim.scheduler.due(6.0)
    assert sim.scheduler.ending(6.0).reason == "stopped"


def test_a_stop_that_comes_when_all_is_done_changes_nothing() -> None:
    sim = Simulation(Service(), selected(3)).run()
    sim.scheduler.stop("stopped")
    assert sim.scheduler.ending(sim.now_s).reason == "finished"


def test_a_run_without_servers_is_finished_at_once() -> None:
    sim = Simulation(Service(), selected(0)).run()
    assert sim.now_s == 0
    assert sim.scheduler.ending(0.0).reason == "finished"


def test_a_run_is_not_finished_before_its_last_answer_is_recorded() -> None:
    for said in (started(0), problem(P.FORBIDDEN), problem(P.NOT_READY)):
        sim = Simulation(Service(), selected(1))
        (post,) = begin(sim, 0.0)
        events = sim.scheduler.answered(post, said, 1.0)
        assert not sim.scheduler.due(1.0).finished
        sim.scheduler.stop("stopped")
        assert not sim.scheduler.due(1.1).finished
        sim.record(events)
        assert sim.scheduler.due(1.2).finished


def test_wakes_are_later_than_now_when_nothing_is_due() -> None:
    sim = Simulation(Service(), selected(5), Ceilings(deadline_s=50.0))
    (post,) = begin(sim, 0.0)
    due = sim.scheduler.due(0.0)
    assert (due.actions, due.finished) == ([], False)
    assert 0.0 < due.wake_s <= 50.0
    answer(sim, post, started(0, ResponseMetadata()), 0.5)
    assert begin(sim, 0.5)
    assert 0.5 < sim.scheduler.due(0.5).wake_s < 5.0


# Whatever the answers


@quick
@given(
    sequences=lists_of_answers(servers=6),
    own=st.booleans(),
    doubted=st.sets(st.tuples(st.integers(0, 2), st.sampled_from(Call))),
)
def test_every_server_ends_exactly_once_whatever_is_answered(
    sequences: list[list[Outcome]], doubted: set[tuple[int, Call]], *, own: bool
) -> None:
    calls = sum(map(len, sequences))
    events = selected(6, projects=3, credentials=["a", "b"])
    events += [
        e.PermissionDoubted(at=events[0].at, project=project, call=call.value, message="403")
        for project, call in sorted(doubted)
    ]
    sim = Simulation(Service(sequences=sequences), events, own_secrets=own).run(until_s=100_000)
    ends = Counter(event.server for event in sim.of(e.ArchiveStored))
    ends.update(event.server for event in sim.of(e.ServerFailed))
    for row in sim.state.servers:
        waits_for_its_endpoint = row.phase in (Phase.QUEUED, Phase.EXPORTING, Phase.READY)
        assert ends[row.server] == (0 if waits_for_its_endpoint else 1)
        assert not waits_for_its_endpoint or sim.state.down
    assert sim.now_s < 50_000
    assert len(sim.sent) < 6 * 150 + 30 * calls
    assert sim.dues < 6 * len(sim.sent) + 100


@pytest.mark.parametrize("kind", sorted(set(ProblemKind) - {P.THROTTLED}))
@pytest.mark.parametrize("call", Call)
def test_a_problem_that_never_ends_does_not_hold_the_run_for_ever(
    call: Call, kind: ProblemKind
) -> None:
    service = Service(script={(ANY_SERVER, call): [problem(kind)] * 10_000})
    sim = Simulation(service, selected(5)).run(until_s=50_000)
    assert sim.now_s < 20_000
    assert len(sim.sent) < 2000
    # A disk fails one server and makes the others wait for it; only downloads touch a disk.
    # What nobody is answered for is the endpoint's: they wait for it. Statuses are answered while
    # downloads are not: there each goes by its own tries.
    waiting = {P.DISK: 4 if call is FETCH else 0}
    waiting |= dict.fromkeys((P.NOT_SENT, P.CUT, P.UNREADABLE), 0 if call is FETCH else 5)
    assert sim.state.pending == waiting.get(kind, 0)


@pytest.mark.parametrize("kind", [P.CUT, P.UNREADABLE])
@pytest.mark.parametrize("call", [POST, ASK])
def test_few_servers_that_never_get_an_answer_fail_alone(call: Call, kind: ProblemKind) -> None:
    script: dict[tuple[int, Call], list[Outcome]] = {
        (server, call): [problem(kind)] * 100 for server in range(2)
    }
    sim = Simulation(Service(script=script), selected(30)).run(until_s=50_000)
    assert (sim.state.failed, sim.state.collected) == (2, 28)
    assert not sim.of(e.EndpointWentDown)


@pytest.mark.parametrize("kind", [P.CUT, P.UNREADABLE])
@pytest.mark.parametrize("call", [POST, ASK])
def test_servers_that_never_get_an_answer_hold_up_no_others(call: Call, kind: ProblemKind) -> None:
    script: dict[tuple[int, Call], list[Outcome]] = {
        (server, call): [problem(kind)] * 1000 for server in range(10)
    }
    sim = Simulation(Service(script=script), selected(30)).run(until_s=50_000)
    assert sim.state.collected == 20
    assert sim.now_s < 2000


@pytest.mark.parametrize("kind", [P.CUT, P.UNREADABLE, P.NOT_SENT])
@pytest.mark.parametrize("max_attempts", [1, 4])
@pytest.mark.parametrize("from_s", [3.0, 20.0])
def test_network_that_is_gone_for_a_while_fails_nobody(
    kind: ProblemKind, max_attempts: int, from_s: float
) -> None:
    class Gone(Service):
        def answer(self, action: Request, scopes: tuple[Scope, ...], now_s: float) -> Outcome:
            if from_s <= now_s < from_s + 600.0:
                return problem(kind)
            return super().answer(action, scopes, now_s)

    service = Gone([HiddenLimit(ScopeKind.USER, 10)], lambda server: 10.0 + server % 20)
    ceilings = Ceilings(max_attempts=max_attempts)
    sim = Simulation(service, selected(60), ceilings, latency_s=0.2).run(until_s=50_000)
    failed = [row for row in sim.state.servers if row.failure]
    # With a single attempt, those fail that show that the network is gone.
    assert len(failed) <= (3 if max_attempts == 1 and kind is not P.NOT_SENT else 0)
    assert sim.state.collected == 60 - len(failed)
    assert len(sim.of(e.EndpointWentDown)) == len(sim.of(e.EndpointCameBack)) == 1
    within = [sent for sent in sim.times() if from_s + 60 <= sent < from_s + 600]
    assert len(within) < 200


def test_endpoint_that_is_down_is_waited_for_until_the_deadline() -> None:
    service = Service(unreachable=lambda _endpoint, at_s: at_s < 7200.0)
    sim = Simulation(service, selected(20), Ceilings(deadline_s=9000.0)).run(until_s=50_000)
    assert sim.state.collected == 20
    never = Service(unreachable=lambda _endpoint, _at_s: True)
    sim = Simulation(never, selected(20), Ceilings(deadline_s=9000.0)).run(until_s=50_000)
    assert sim.now_s < 9002
    assert sim.state.pending == 20
    assert sim.scheduler.ending(sim.now_s).reason == "deadline"


def test_an_export_whose_words_nobody_knows_is_taken_as_running_and_told_once() -> None:
    odd: Outcome = ExportSaid("x", ExportState.RUNNING, "Frobnicating", known=False)
    service = Service(script={(ANY_SERVER, ASK): [odd] * 10})
    sim = Simulation(service, selected(5)).run()
    assert sim.state.collected == 5
    assert [event.word for event in sim.of(e.WordUnknown)] == ["Frobnicating"]


def test_an_export_completed_when_it_is_started_needs_no_status_call() -> None:
    done: Outcome = ExportSaid("x", ExportState.COMPLETED, "completed")
    sim = Simulation(Service(script={(ANY_SERVER, POST): [done] * 5}), selected(5)).run()
    assert sim.state.collected == 5
    assert sim.times(ASK) == []


def test_calls_and_refusals_are_counted_by_project() -> None:
    limit = HiddenLimit(ScopeKind.PROJECT, 5, tells=False)
    sim = Simulation(Service([limit]), selected(60, projects=2)).run()
    assert sum(row.requests for row in sim.state.projects) == len(sim.sent)
    assert sum(row.throttled for row in sim.state.projects) == limit.refused > 0


def test_what_was_observed_is_told_once() -> None:
    sim, requests = accepted(5)
    (first,) = [event for event in sim.scheduler.observed(1.0) if isinstance(event, e.CallsCounted)]
    assert first.calls == 1 + len(requests)
    assert sim.scheduler.observed(2.0) == []
    answer(sim, requests[0], problem(P.THROTTLED), 2.0)
    (second,) = [
        event for event in sim.scheduler.observed(3.0) if isinstance(event, e.CallsCounted)
    ]
    assert (second.calls, second.throttled) == (0, 1)


def test_bytes_that_arrive_are_counted_also_while_no_call_is_made() -> None:
    sim = Simulation(Service(), selected(1), download_s=20.0).run(15.0)
    before = sum(event.arrived for event in sim.scheduler.observed(15.0) if counts(event))
    sim.run(18.0)
    (count,) = [event for event in sim.scheduler.observed(18.0) if counts(event)]
    assert (count.calls, count.throttled) == (0, 0)
    assert before + count.arrived <= ARCHIVE_BYTES
    assert count.arrived > 0


def counts(event: e.Event) -> TypeGuard[e.CallsCounted]:
    return isinstance(event, e.CallsCounted)


@pytest.mark.parametrize(
    ("duration_s", "deadline_s"), [(1.0, 20.0), (5.0, 30.0), (20.0, 60.0), (30.0, 120.0)]
)
def test_deadline_that_is_too_short_brings_home_nine_tenths_of_what_any_plan_could(
    duration_s: float, deadline_s: float
) -> None:
    limit = HiddenLimit(ScopeKind.USER, 15, fixed=True)
    service = Service([limit], lambda _server: duration_s)
    fleet = selected(10 * int(deadline_s), projects=2)
    sim = Simulation(service, fleet, Ceilings(deadline_s=deadline_s), latency_s=0.05).run()
    possible = 15 * int(deadline_s) // 3
    assert sim.state.collected >= 0.9 * possible


@pytest.mark.parametrize("kind", [P.CUT, P.UNREADABLE])
def test_network_that_goes_while_only_downloads_are_left_fails_nobody(kind: ProblemKind) -> None:
    class Gone(Service):
        def answer(self, action: Request, scopes: tuple[Scope, ...], now_s: float) -> Outcome:
            if 40.0 <= now_s < 640.0:
                return problem(kind)
            return super().answer(action, scopes, now_s)

    sim = Simulation(
        Gone(duration_s=lambda _server: 5.0), selected(60), Ceilings(downloads=1), download_s=2.0
    )
    sim.run(until_s=50_000)
    assert sim.state.collected == 60
    assert len(sim.of(e.EndpointWentDown)) == 1


def test_what_fails_elsewhere_says_nothing_of_the_endpoint() -> None:
    elsewhere = problem(P.UNREADABLE, elsewhere=True)
    service = Service(script={(ANY_SERVER, FETCH): [elsewhere] * 1000})
    sim = Simulation(service, selected(20)).run(until_s=50_000)
    assert sim.state.failed == 20
    assert not sim.of(e.EndpointWentDown)


@pytest.mark.parametrize(("slept_s", "collected"), [(3600.0, 5), (0.0, 0)])
def test_time_in_which_this_machine_slept_counts_against_no_export(
    slept_s: float, collected: int
) -> None:
    sim = Simulation(Service(duration_s=lambda _server: 5000.0), selected(5))
    if slept_s:
        sim.at(500.0, lambda: sim.scheduler.clock_jumped(slept_s, sim.now_s))
    sim.run(until_s=50_000)
    assert sim.state.collected == collected


def test_grace_ends_with_the_deadline() -> None:
    service = Service(duration_s=lambda _server: 0.5)
    ceilings = Ceilings(deadline_s=40.0, grace_s=600.0)
    sim = Simulation(service, selected(3), ceilings, download_s=500.0)
    sim.at(39.0, lambda: sim.scheduler.stop("stopped"))
    sim.run()
    assert sim.now_s <= 41.0
