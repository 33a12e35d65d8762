from __future__ import annotations

import random
from dataclasses import dataclass, replace

import pytest

from collector.engine.outcomes import retry
from collector.engine.outcomes.retry import Again, Anew, Decision, Fail, Rule, Tried
from collector.model import events as e
from collector.model.answers import Call, ExportSaid, ExportState, Outcome, ProblemKind
from collector.model.ceilings import Ceilings
from collector.model.state import Phase
from tests.support.simulation import Service, Simulation, gaps, problem, selected

P = ProblemKind
POST, ASK, FETCH = Call.START_EXPORT, Call.ASK_STATUS, Call.FETCH_ARCHIVE

EXPECTED = {
    (POST, P.NOT_SENT): "is reached",
    (POST, P.THROTTLED): "waits",
    (POST, P.NOT_READY): "later",
    (POST, P.UNKNOWN_SERVER): "fails",
    (POST, P.FORGOTTEN): "fails",
    (POST, P.EXPORT_FAILED): "anew",
    (POST, P.FORBIDDEN): "fails",
    (POST, P.UNAUTHENTICATED): "signs in",
    (POST, P.BAD_REQUEST): "fails",
    (POST, P.SERVICE_FAILED): "tries",
    (POST, P.UNREADABLE): "in doubt",
    (POST, P.CUT): "in doubt",
    (POST, P.INVALID_ARCHIVE): "tries",
    (POST, P.TOO_LARGE): "fails",
    (POST, P.CHANGED): "tries",
    (POST, P.LINK_REFUSED): "new link",
    (POST, P.TOO_SLOW): "fails",
    (POST, P.FILE_REFUSED): "fails",
    (POST, P.DISK): "pauses",
    (ASK, P.NOT_SENT): "is reached",
    (ASK, P.THROTTLED): "waits",
    (ASK, P.NOT_READY): "later",
    (ASK, P.UNKNOWN_SERVER): "lags",
    (ASK, P.FORGOTTEN): "lags",
    (ASK, P.EXPORT_FAILED): "anew",
    (ASK, P.FORBIDDEN): "fails",
    (ASK, P.UNAUTHENTICATED): "signs in",
    (ASK, P.BAD_REQUEST): "fails",
    (ASK, P.SERVICE_FAILED): "tries",
    (ASK, P.UNREADABLE): "tries",
    (ASK, P.CUT): "tries",
    (ASK, P.INVALID_ARCHIVE): "tries",
    (ASK, P.TOO_LARGE): "fails",
    (ASK, P.CHANGED): "tries",
    (ASK, P.LINK_REFUSED): "new link",
    (ASK, P.TOO_SLOW): "fails",
    (ASK, P.FILE_REFUSED): "fails",
    (ASK, P.DISK): "pauses",
    (FETCH, P.NOT_SENT): "is reached",
    (FETCH, P.THROTTLED): "waits",
    (FETCH, P.NOT_READY): "later",
    (FETCH, P.UNKNOWN_SERVER): "lags",
    (FETCH, P.FORGOTTEN): "lags",
    (FETCH, P.EXPORT_FAILED): "anew",
    (FETCH, P.FORBIDDEN): "fails",
    (FETCH, P.UNAUTHENTICATED): "signs in",
    (FETCH, P.BAD_REQUEST): "fails",
    (FETCH, P.SERVICE_FAILED): "tries",
    (FETCH, P.UNREADABLE): "tries",
    (FETCH, P.CUT): "tries",
    (FETCH, P.INVALID_ARCHIVE): "tries",
    (FETCH, P.TOO_LARGE): "fails",
    (FETCH, P.CHANGED): "tries",
    (FETCH, P.LINK_REFUSED): "new link",
    (FETCH, P.TOO_SLOW): "fails",
    (FETCH, P.FILE_REFUSED): "fails",
    (FETCH, P.DISK): "pauses",
}

TIMES = 5
"""How often in a row the problem is met: more than the attempts that are allowed."""


@dataclass(frozen=True)
class Story:
    """What becomes of a server that meets with the same problem, time after time.

    Attributes:
        end: the phase it ends in.
        other: the phase another server with the same credential ends in.
        calls: how often the call was made that met with it.
        tries: the attempts that were recorded as failed, as (attempt, doubtful, anew).
        minutes: whether a minute or more lay between two of those calls.
        first: what follows from it for a secret that was never accepted; a wait is as good as none
            under 2 s, and as good as 2 s from there on.
        waits_in_a_pause: whether it waits where downloads are paused already.
        link_counts: whether only a second link that is refused counts.
        counts_in_the_end: whether it counts, where others are answered, after many times.
        minute: whether a minute of it ends with a new export.
        with_its_secret: whether it fails all that need a secret that is given up.
    """

    end: Phase
    other: Phase
    calls: int
    tries: tuple[tuple[int, bool, bool], ...]
    minutes: bool
    first: Decision
    waits_in_a_pause: bool = False
    link_counts: bool = False
    counts_in_the_end: bool = False
    minute: bool = False
    with_its_secret: bool = False


def told_by(call: Call) -> dict[str, Story]:
    """Return the story that each word of `EXPECTED` stands for."""
    done, failed = Phase.COLLECTED, Phase.FAILED
    proven = call is not POST
    plain = tuple((attempt, False, False) for attempt in (1, 2, 3))
    again, uncounted = Again(0, counts=True), Again(0, counts=False)
    later = Again(2, counts=False)
    return {
        "waits": Story(done, done, TIMES + 1, (), minutes=False, first=uncounted),
        "is reached": Story(
            done, done, TIMES + 1, (), minutes=False, first=uncounted, counts_in_the_end=True
        ),
        "lags": Story(
            done, done, TIMES + 1, (), minutes=False, first=uncounted, minute=True
        ),
        "later": Story(done, done, TIMES + 1, (), minutes=True, first=later),
        "tries": Story(failed, done, 4, plain, minutes=False, first=again),
        "in doubt": Story(
            failed, done, 2, ((1, True, False),), minutes=False, first=Again(2, counts=True)
        ),
        "anew": Story(failed, done, 2, ((1, False, True),), minutes=False, first=Anew(0)),
        "new link": Story(
            failed, done, 5, plain, minutes=False, first=uncounted, link_counts=True
        ),
        "pauses": Story(
            failed, done, 1, (), minutes=False, first=Fail(), waits_in_a_pause=True
        ),
        "fails": Story(failed, done, 1, (), minutes=False, first=Fail()),
        # A server that alone is refused fails alone, and only the first time it is not held against
        # it; a secret that nobody ever accepted fails all.
        "signs in": Story(
            failed, done if proven else failed, 5 if proven else 1, plain if proven else (),
            minutes=False, first=uncounted, with_its_secret=True,
        ),
    }  # fmt: skip


def story(call: Call, kind: ProblemKind) -> Story:
    # An export that fails comes as a word, not as a status; the others as what they are.
    met: Outcome = problem(kind)
    if kind is P.EXPORT_FAILED and call is not FETCH:
        met = ExportSaid("x1", ExportState.FAILED, "failed")
    service = Service(script={(0, call): [met] * TIMES})
    # The other server's calls keep out of the way: they would show that its secret is accepted.
    service.duration_s = lambda server: 300.0 if server else 2.0
    service.percent = lambda part: 100 * part
    sim = Simulation(service, selected(2, first=[1 if call is FETCH else 0]))
    sim.run()
    times = sim.times(call, 0)
    tried = sim.of(e.AttemptFailed, 0)
    rng = random.Random(1)  # noqa: S311  # a test's own
    first = retry.decide(call, problem(kind), Tried(), max_attempts=4, rng=rng)
    if not isinstance(first, Fail):
        first = replace(first, after_s=2 if first.after_s >= 2 else 0)
    paused = retry.decide(call, problem(kind), Tried(paused=True), max_attempts=4, rng=rng)
    link = retry.decide(call, problem(kind), Tried(links_refused=1), max_attempts=4, rng=rng)
    often = retry.decide(call, problem(kind), Tried(unsent_times=99), max_attempts=4, rng=rng)
    secret = retry.decide(call, problem(kind), Tried(refused=True), max_attempts=4, rng=rng)
    counts = [isinstance(one, Again) and one.counts for one in (first, link, often)]
    minute = retry.decide(call, problem(kind), Tried(lost_s=60), max_attempts=4, rng=rng)
    return Story(
        end=sim.state.servers[0].phase,
        other=sim.state.servers[1].phase,
        calls=len(times),
        tries=tuple((event.attempt, event.doubtful, event.anew) for event in tried),
        minutes=any(gap >= 60 for gap in gaps(times)),
        first=first,
        waits_in_a_pause=isinstance(first, Fail) and not isinstance(paused, Fail),
        link_counts=counts[:2] == [False, True],
        counts_in_the_end=counts[::2] == [False, True],
        minute=isinstance(minute, Anew) and not isinstance(first, Anew),
        with_its_secret=secret == Fail(credential=True),
    )


@pytest.mark.parametrize(("call", "kind"), EXPECTED)
def test_each_problem_is_followed_by_what_its_row_says(call: Call, kind: ProblemKind) -> None:
    expected, told = told_by(call)[EXPECTED[call, kind]], story(call, kind)
    if kind is P.THROTTLED:  # how long is waited is a matter of pacing
        told = replace(told, minutes=expected.minutes)
    assert told == expected


def test_the_table_has_a_row_for_every_problem_of_every_call() -> None:
    assert retry.TABLE.keys() == EXPECTED.keys() == {(call, kind) for call in Call for kind in P}


@pytest.mark.parametrize("call", Call)
def test_no_row_can_be_changed_unnoticed(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    unnoticed = []
    true = dict(retry.TABLE)
    for row, rule in true.items():
        for other in set(Rule) - {rule} if row[0] is call else ():
            monkeypatch.setattr(retry, "TABLE", true | {row: other})
            if story(*row) == told_by(call)[EXPECTED[row]]:
                unnoticed.append((*row, other.name))
    assert unnoticed == []


@pytest.mark.parametrize("attempts", range(20))
def test_a_back_off_is_any_time_up_to_a_bound_that_doubles_to_a_minute(attempts: int) -> None:
    rng = random.Random(attempts)  # noqa: S311  # a test's own
    bound_s = min(60, 2**attempts)
    waits = [retry.back_off_s(attempts, rng) for _ in range(400)]
    assert 0 <= min(waits) < 0.05 * bound_s
    assert 0.95 * bound_s < max(waits) <= bound_s


def test_a_server_that_is_not_ready_is_asked_after_seconds_then_minutes_for_an_hour() -> None:
    sim = Simulation(
        Service(script={(0, POST): [problem(P.NOT_READY)] * 500}), selected(1), latency_s=0.001
    ).run()
    times = sim.times(POST)
    waits = gaps(times)
    assert all(2 <= wait < 10.1 for wait in waits[:4])
    assert all(60 <= wait < 180.1 for wait in waits[4:])
    assert 3600 <= times[-1] < 3600 + 180
    assert not sim.of(e.AttemptFailed)
    assert sim.state.servers[0].phase is Phase.FAILED


def test_an_hour_of_not_ready_begins_anew_after_another_answer() -> None:
    not_ready: list[Outcome] = [problem(P.NOT_READY)] * 30
    running: Outcome = ExportSaid("x1", ExportState.RUNNING, "Running")
    service = Service(script={(0, ASK): [*not_ready, running, *not_ready]})
    sim = Simulation(service, selected(1)).run()
    times = sim.times(ASK)
    assert times[-1] - times[0] > 3600 - 180
    first_waits = gaps(times)[31:35]
    assert all(2 <= wait < 10.1 for wait in first_waits)


@pytest.mark.parametrize("max_attempts", [1, 10])
@pytest.mark.parametrize("kind", [P.CUT, P.UNREADABLE])
def test_a_post_in_doubt_is_made_once_more_whatever_max_attempts_says(
    kind: ProblemKind, max_attempts: int
) -> None:
    doubts: list[Outcome] = [problem(kind)] * 3
    ceilings = Ceilings(max_attempts=max_attempts)
    sim = Simulation(Service(script={(0, POST): doubts}), selected(1), ceilings).run()
    assert len(sim.times(POST)) == 2
    assert sim.state.servers[0].phase is Phase.FAILED
    once = Simulation(Service(script={(0, POST): doubts[:1]}), selected(1), ceilings).run()
    assert once.state.servers[0].phase is Phase.COLLECTED


@pytest.mark.parametrize("max_attempts", [1, 2, 7])
def test_a_step_is_tried_max_attempts_times(max_attempts: int) -> None:
    for call in Call:
        service = Service(script={(0, call): [problem(P.SERVICE_FAILED)] * 20})
        sim = Simulation(service, selected(1), Ceilings(max_attempts=max_attempts)).run()
        assert len(sim.times(call)) == max_attempts
        failure = sim.state.servers[0].failure
        assert failure is not None
        assert failure.attempts == max_attempts


def test_attempts_of_one_step_are_not_held_against_the_next() -> None:
    failures: list[Outcome] = [problem(P.SERVICE_FAILED)] * 3
    service = Service(script={(0, call): list(failures) for call in Call})
    sim = Simulation(service, selected(1)).run()
    assert sim.state.servers[0].phase is Phase.COLLECTED
    assert [len(sim.times(call)) >= 4 for call in Call] == [True] * 3


def test_status_calls_that_failed_are_forgiven_once_one_is_answered() -> None:
    running: Outcome = ExportSaid("x1", ExportState.RUNNING, "Running")
    failures: list[Outcome] = [problem(P.SERVICE_FAILED)] * 3
    service = Service(script={(0, ASK): [*failures, running, *failures, running, *failures]})
    assert Simulation(service, selected(1)).run().state.collected == 1


def test_a_new_export_is_started_once_however_the_first_came_to_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retry, "LAG_FOR_S", 0.0)
    for first, second in ((P.FORGOTTEN, P.EXPORT_FAILED), (P.EXPORT_FAILED, P.FORGOTTEN)):
        service = Service(script={(0, ASK): [problem(first), problem(second)]})
        sim = Simulation(service, selected(1), Ceilings(max_attempts=10)).run()
        assert service.exports[0] == 2
        row = sim.state.servers[0]
        assert (row.phase, row.posts, row.renewals) == (Phase.FAILED, 2, 1)


def test_attempts_of_an_export_that_came_to_nothing_are_not_held_against_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retry, "LAG_FOR_S", 0.0)
    failures: list[Outcome] = [problem(P.SERVICE_FAILED)] * 3
    started: Outcome = ExportSaid("x0", ExportState.RUNNING, "Running")
    script = {(0, POST): [started, *failures], (0, ASK): [*failures, problem(P.FORGOTTEN)]}
    assert Simulation(Service(script=script), selected(1)).run().state.collected == 1


def test_the_stage_of_a_failure_says_where_on_its_way_a_server_met_it() -> None:
    stages = {
        (POST, P.FORBIDDEN): "export",
        (ASK, P.FORBIDDEN): "status",
        (ASK, P.EXPORT_FAILED): "export",
        (FETCH, P.FORBIDDEN): "download",
        (FETCH, P.INVALID_ARCHIVE): "verify",
        (FETCH, P.DISK): "store",
    }
    for (call, kind), stage in stages.items():
        sim = Simulation(Service(script={(0, call): [problem(kind)] * 9}), selected(1)).run()
        failure = sim.state.servers[0].failure
        assert failure is not None
        assert failure.stage == stage


def test_a_failure_keeps_the_facts_of_its_problem_and_says_what_to_do() -> None:
    facts = {"code": "iMetal.0004", "request_id": "q1", "hint": "fix the policy"}
    service = Service(script={(0, POST): [problem(P.FORBIDDEN, **facts)]})
    service.script[1, POST] = [problem(P.FORBIDDEN)]
    sim = Simulation(service, selected(2)).run()
    told, plain = (row.failure for row in sim.state.servers)
    assert told is not None
    assert plain is not None
    assert (told.code, told.http_status, told.request_id) == ("iMetal.0004", 403, "q1")
    assert (told.message, told.hint) == ("it is forbidden", "fix the policy")
    assert plain.hint


@pytest.mark.parametrize("slept", [True, False])
def test_a_download_that_took_long_because_this_machine_slept_is_tried_again(
    *, slept: bool
) -> None:
    rng = random.Random(0)  # noqa: S311  # keeps no secret
    tried = retry.Tried(down=slept)
    decision = retry.decide(FETCH, problem(P.TOO_SLOW), tried, max_attempts=1, rng=rng)
    assert decision == (retry.Again(0.0, counts=False) if slept else retry.Fail())


# What is asked again because replicas lag


@pytest.mark.parametrize("kind", [P.FORGOTTEN, P.UNKNOWN_SERVER])
@pytest.mark.parametrize("call", [ASK, FETCH])
def test_an_export_that_replicas_do_not_know_yet_is_asked_for_again(
    call: Call, kind: ProblemKind
) -> None:
    service = Service(script={(0, call): [problem(kind)] * 4})
    sim = Simulation(service, selected(1), latency_s=0.001).run()
    waits = gaps(sim.times(call))[:4]
    assert all(0.4 * 2**times <= wait <= 0.6 * 2**times for times, wait in enumerate(waits))
    assert not sim.of(e.AttemptFailed)
    assert (sim.state.collected, service.exports[0]) == (1, 1)


@pytest.mark.parametrize("kind", [P.FORGOTTEN, P.UNKNOWN_SERVER])
@pytest.mark.parametrize("call", [ASK, FETCH])
def test_an_export_that_stays_unknown_for_a_minute_is_started_anew_and_then_decides(
    call: Call, kind: ProblemKind
) -> None:
    service = Service(script={(0, call): [problem(kind)] * 50})
    sim = Simulation(service, selected(1), latency_s=0.001).run()
    times = sim.times(call)
    posts = sim.times(POST)
    assert 60 <= posts[1] - times[0] <= 62
    assert [(event.attempt, event.anew) for event in sim.of(e.AttemptFailed)] == [(1, True)]
    assert (len(posts), sim.state.servers[0].phase) == (2, Phase.FAILED)

    service = Service(script={(0, call): [problem(kind)] * 9})
    service.script[0, POST] = [ExportSaid("x0", ExportState.RUNNING, ""), problem(P.UNKNOWN_SERVER)]
    row = Simulation(service, selected(1)).run().state.servers[0]
    assert row.failure is not None
    assert (row.failure.kind, row.failure.stage) == ("unknown_server", "export")


def test_a_minute_of_not_being_known_begins_anew_after_another_answer() -> None:
    lost: list[Outcome] = [problem(P.FORGOTTEN)] * 7
    running: Outcome = ExportSaid("x1", ExportState.RUNNING, "Running")
    service = Service(script={(0, ASK): [*lost, running, *lost]})
    sim = Simulation(service, selected(1), latency_s=0.001).run()
    assert sim.times(ASK)[-1] - sim.times(ASK)[0] > 60
    assert (sim.state.collected, service.exports[0]) == (1, 1)


def test_a_server_whose_export_is_not_known_is_not_blamed_for_its_id() -> None:
    hints = []
    for call in (POST, ASK):
        service = Service(script={(0, call): [problem(P.UNKNOWN_SERVER)] * 50})
        failure = Simulation(service, selected(1)).run().state.servers[0].failure
        assert failure is not None
        hints.append(failure.hint)
    assert "id in the inventory" in hints[0]
    assert "id in the inventory" not in hints[1]


def test_an_old_export_that_is_forgotten_is_started_anew_at_once() -> None:
    rng = random.Random(0)  # noqa: S311  # keeps no secret
    old = Tried(export_age_s=3600.0)
    assert isinstance(retry.decide(ASK, problem(P.FORGOTTEN), old, max_attempts=4, rng=rng), Anew)


# What the service says itself


@pytest.mark.parametrize(
    "kind", [P.UNREADABLE, P.SERVICE_FAILED, P.NOT_READY, P.CUT, P.EXPORT_FAILED]
)
@pytest.mark.parametrize("call", Call)
def test_nothing_is_tried_again_before_the_service_says(call: Call, kind: ProblemKind) -> None:
    later = problem(kind, retry_after_s=100.0)
    service = Service(script={(0, call): [later]})
    sim = Simulation(service, selected(1)).run()
    assert sim.times(call)[0] + 100 <= next(
        at_s for at_s in sorted(sim.times(POST) + sim.times(call)) if at_s > sim.times(call)[0]
    )
    assert sim.state.collected == 1


def test_the_endpoints_return_does_not_shorten_what_the_service_asked_for() -> None:
    later = problem(P.UNREADABLE, retry_after_s=400.0)
    service = Service(script={(server, POST): [later] for server in range(5)})
    sim = Simulation(service, selected(12)).run()
    assert sim.state.collected == 12
    for server in range(5):
        assert all(gap >= 400 for gap in gaps(sim.times(POST, server)))


def test_a_wait_that_cannot_be_meant_is_not_believed_and_that_is_said_once() -> None:
    later = problem(P.SERVICE_FAILED, retry_after_s=7200.0)
    service = Service(script={(0, POST): [later] * 2, (0, ASK): [later]})
    sim = Simulation(service, selected(1)).run()
    assert 60 <= gaps(sim.times(POST))[0] < 62
    assert [event.message for event in sim.of(e.HintDisbelieved)] == [
        "Retry-After of 7200 s is taken as 60 s"
    ]


@pytest.mark.parametrize("max_attempts", [1, 3])
def test_a_post_that_was_refused_on_the_way_is_in_no_doubt(max_attempts: int) -> None:
    pages: list[Outcome] = [problem(P.UNREADABLE, blocked=True)] * 9
    sim = Simulation(
        Service(script={(0, POST): pages}), selected(1), Ceilings(max_attempts=max_attempts)
    ).run()
    assert len(sim.times(POST)) == max_attempts
    assert not any(event.doubtful for event in sim.of(e.AttemptFailed))
