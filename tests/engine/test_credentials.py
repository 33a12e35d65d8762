from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from collector.model import events as e
from collector.model.actions import GiveUp
from collector.model.answers import (
    Call,
    ExportSaid,
    ExportState,
    LimitTold,
    Outcome,
    Problem,
    ProblemKind,
    ResponseMetadata,
    ScopeKind,
)
from collector.model.ceilings import Ceilings
from collector.model.state import Phase
from tests.support.simulation import HiddenLimit, Service, Simulation, problem, selected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from collector.model.actions import Action, Request
    from collector.model.answers import Scope

P = ProblemKind
POST, ASK, FETCH = Call


def refused(**facts: object) -> Problem:
    return problem(P.UNAUTHENTICATED, **facts)


def cannot_sign_in(retry_after_s: float | None = None) -> Problem:
    return Problem(
        P.UNAUTHENTICATED, "IAM is down", http_status=503, sign_in=True,
        retry_after_s=retry_after_s,
    )  # fmt: skip


@dataclass
class Refusing(Service):
    """A service that refuses some projects, or credentials, at some times.

    Attributes:
        refuses: what is answered to a call, by the names of project and credential, and when.
    """

    refuses: Callable[[str, str, float], Problem | None] = lambda _project, _name, _at_s: None

    def answer(self, action: Request, scopes: tuple[Scope, ...], now_s: float) -> Outcome:
        names = {scope.kind: scope.name for scope in scopes}
        refusal = self.refuses(names[ScopeKind.PROJECT], names[ScopeKind.APP], now_s)
        return refusal or super().answer(action, scopes, now_s)


@dataclass
class Token:
    """A token, and what came of the calls that carried it.

    Attributes:
        issued_s: from when on calls carry it.
        calls: how many of them have arrived.
        left: calls that left with it before the first one was answered.
        answered_s: when that was.
    """

    issued_s: float
    calls: int = 0
    left: int = 0
    answered_s: float = math.inf


@dataclass
class Dying(Service):
    """A service whose tokens die after so many calls.

    Attributes:
        life: calls.
        own: each project has tokens of its own.
        tokens: all that were issued, by whose they are.
    """

    life: int = 100
    own: bool = False
    tokens: dict[str, list[Token]] = field(default_factory=dict)

    def answer(self, action: Request, scopes: tuple[Scope, ...], now_s: float) -> Outcome:
        token = self.carried(action, scopes)
        token.calls += 1
        if token.calls <= self.life:
            return super().answer(action, scopes, now_s)
        return refused(renewed=True)

    def carried(self, action: Request, scopes: tuple[Scope, ...]) -> Token:
        """Return the token that a call carries: the latest when it left."""
        tokens = self.of(scopes)
        return next(one for one in reversed(tokens) if one.issued_s <= action.sent_s)

    def of(self, scopes: tuple[Scope, ...]) -> list[Token]:
        names = {scope.kind: scope.name for scope in scopes}
        whose = names[ScopeKind.PROJECT if self.own else ScopeKind.APP]
        return self.tokens.setdefault(whose, [Token(-math.inf)])


@dataclass
class Renewing(Simulation):
    """A run whose provider renews a token that is refused, before it answers."""

    service: Dying

    def begin(self, action: Action) -> None:
        super().begin(action)
        if not isinstance(action, GiveUp):
            token = self.service.carried(action, self._scopes_of(action))
            token.left += token.answered_s == math.inf

    def _hear(self, action: Request, answer: Outcome) -> None:
        scopes = self._scopes_of(action)
        token, tokens = self.service.carried(action, scopes), self.service.of(scopes)
        token.answered_s = min(token.answered_s, self.now_s)
        if isinstance(answer, Problem) and answer.renewed and token is tokens[-1]:
            tokens.append(Token(self.now_s))
        super()._hear(action, answer)

    def _scopes_of(self, action: Request) -> tuple[Scope, ...]:
        return self.scopes(self.state.servers[action.server].project, action.call)


def failures(sim: Simulation, project: int) -> Iterable[e.ServerFailed]:
    return [row.failure for row in sim.state.servers if row.project == project and row.failure]


def ends(sim: Simulation, project: int) -> set[Phase]:
    return {row.phase for row in sim.state.servers if row.project == project}


# Tokens that die


@pytest.mark.parametrize("max_attempts", [1, 4])
@pytest.mark.parametrize(("projects", "own"), [(1, False), (3, False), (3, True)])
def test_tokens_that_die_in_mid_run_fail_no_server_and_are_renewed_once_a_death(
    projects: int, max_attempts: int, *, own: bool
) -> None:
    service = Dying([HiddenLimit(ScopeKind.USER, 20)], life=100, own=own)
    sim = Renewing(
        service, selected(150, projects=projects), Ceilings(max_attempts=max_attempts),
        own_secrets=own,
    ).run()  # fmt: skip
    assert sim.state.collected == 150
    assert not sim.of(e.AttemptFailed)
    for tokens in service.tokens.values():
        calls = sum(token.calls for token in tokens)
        assert calls // 110 <= len(tokens) - 1 <= calls // 100
        assert all(token.left == 1 for token in tokens)


def test_a_secret_that_dies_with_many_calls_in_flight_is_refused_once() -> None:
    service = Dying(life=100)
    sim = Renewing(service, selected(400), latency_s=1.0).run()
    assert sim.state.collected == 400
    assert sim.most[POST] > 30
    assert all(token.left == 1 for token in service.tokens["ops"])


@pytest.mark.parametrize("own", [False, True])
def test_secret_that_is_renewed_each_time_and_never_accepted_is_tried_three_times(
    *, own: bool
) -> None:
    service = Refusing(refuses=lambda *_: refused(renewed=True))
    sim = Simulation(service, selected(50), own_secrets=own).run()
    assert len(sim.sent) == 3
    assert sim.state.failed == 50


def test_a_server_that_is_refused_whatever_is_renewed_fails_alone() -> None:
    service = Service(script={(3, ASK): [refused(renewed=True)] * 1000})
    sim = Simulation(service, selected(30)).run()
    assert (sim.state.collected, sim.state.failed) == (29, 1)
    assert len(sim.times(ASK, 3)) < 10


def test_a_secret_that_is_renewed_in_vain_for_a_moment_is_not_given_up() -> None:
    service = Refusing(
        refuses=lambda _project, _name, at_s: refused(renewed=True) if 1 < at_s < 3 else None
    )
    sim = Simulation(service, selected(100)).run()
    assert sim.state.collected == 100


# Whose refusal it is


def test_a_credential_that_is_refused_is_named_and_others_go_on() -> None:
    service = Refusing(refuses=lambda _project, name, _at_s: refused() if name == "a" else None)
    sim = Simulation(service, selected(40, projects=2, credentials=["a", "b"])).run()
    assert (ends(sim, 0), ends(sim, 1)) == ({Phase.FAILED}, {Phase.COLLECTED})
    assert {one.message for one in failures(sim, 0)} == {
        "credential 'a' is refused: it is unauthenticated"
    }
    assert {one.hint for one in failures(sim, 0)} == {
        "get a new token or key for credential 'a', then --resume the run with --retry-failed"
    }


def test_a_token_for_one_project_is_not_lost_because_another_came_first() -> None:
    service = Refusing(refuses=lambda project, *_: refused() if project == "p0" else None)
    sim = Simulation(service, selected(40, projects=2, first=[0])).run()
    assert (ends(sim, 0), ends(sim, 1)) == ({Phase.FAILED}, {Phase.COLLECTED})
    assert [sent.project for sent in sim.sent[:2]] == [0, 1]
    assert sum(sent.project == 0 for sent in sim.sent) == 1
    (message,) = {one.message for one in failures(sim, 0)}
    assert message.startswith("this project refuses credential 'ops', and others accept it: ")


def test_a_project_that_was_refused_tries_again_with_a_secret_that_another_had_renewed() -> None:
    first = {"p0": [refused()], "p1": [refused(renewed=True)]}

    def refuses(project: str, _name: str, _at_s: float) -> Problem | None:
        return first[project].pop() if first[project] else None

    sim = Simulation(Refusing(refuses=refuses), selected(40, projects=2, first=[0, 2])).run()
    assert sim.state.collected == 40
    assert sim.now_s < 60


def test_a_project_that_alone_is_refused_costs_two_calls_and_no_other_server() -> None:
    service = Refusing(refuses=lambda project, _name, _at_s: refused() if project == "p1" else None)
    sim = Simulation(service, selected(100, projects=2, first=[0])).run()
    assert (ends(sim, 0), ends(sim, 1)) == ({Phase.COLLECTED}, {Phase.FAILED})
    assert sum(sent.project == 1 for sent in sim.sent) == 2


def test_a_project_that_nobody_was_accepted_for_sends_one_call_alone() -> None:
    plenty = ResponseMetadata(limits=(LimitTold(ScopeKind.USER, 1000, 1.0),))
    first = ExportSaid("x0", ExportState.RUNNING, "Running", metadata=plenty)
    service = Service(script={(0, POST): [first]})
    sim = Simulation(service, selected(100, projects=2, first=[0]), latency_s=1.0)
    sim.run(until_s=4.0)
    early = [sent for sent in sim.sent if sent.project == 1 and sent.at_s < 1.8]
    assert len(early) == 1
    assert sum(sent.project == 1 and sent.action.call is POST for sent in sim.sent) == 50


def test_a_credential_is_refused_by_three_projects_at_most() -> None:
    sim = Simulation(Refusing(refuses=lambda *_: refused()), selected(40, projects=10)).run()
    assert Counter(sent.project for sent in sim.sent) == {0: 1, 1: 1, 2: 1}
    assert sim.state.failed == 40


def test_a_secret_that_is_no_good_anywhere_costs_one_call() -> None:
    service = Refusing(refuses=lambda *_: refused(everywhere=True))
    sim = Simulation(service, selected(40, projects=10)).run()
    assert (len(sim.sent), sim.state.failed) == (1, 40)


def test_a_project_with_a_secret_of_its_own_is_refused_alone() -> None:
    service = Refusing(refuses=lambda project, *_: refused() if project == "p0" else None)
    sim = Simulation(service, selected(40, projects=4), own_secrets=True).run()
    assert ends(sim, 0) == {Phase.FAILED}
    assert sim.state.collected == 30
    assert sum(sent.project == 0 for sent in sim.sent) == 1
    (message,) = {one.message for one in failures(sim, 0)}
    assert message == "this project refuses credential 'ops': it is unauthenticated"


def test_where_no_other_project_can_be_asked_one_refusal_is_final() -> None:
    service = Refusing(
        refuses=lambda *_: refused(), unreachable=lambda endpoint, _at_s: endpoint == "b"
    )
    sim = Simulation(service, selected(20, projects=2, endpoints=["a", "b"])).run()
    assert sum(sent.project == 0 for sent in sim.sent) == 1
    assert ends(sim, 0) == {Phase.FAILED}


@pytest.mark.parametrize(("latency_s", "most"), [(1.0, 1), (3.0, 3), (6.0, 4)])
def test_few_calls_carry_a_secret_that_nobody_knows_however_slow_the_answers(
    latency_s: float, most: int
) -> None:
    service = Refusing(refuses=lambda *_: refused(everywhere=True))
    sim = Simulation(service, selected(40), latency_s=latency_s).run()
    assert len(sim.sent) <= most
    assert sim.state.failed == 40


def test_a_credential_that_is_given_up_is_told_once_with_its_servers_before_they_fail() -> None:
    service = Refusing(refuses=lambda _project, name, _at_s: refused() if name == "a" else None)
    sim = Simulation(service, selected(40, projects=2, credentials=["a", "b"])).run()
    (stopped,) = sim.of(e.CredentialStopped)
    assert (stopped.credential, stopped.project, stopped.servers) == ("a", None, 20)
    assert sim.events.index(stopped) < min(map(sim.events.index, sim.of(e.ServerFailed)))


def test_a_project_that_is_given_up_alone_is_told_as_such() -> None:
    service = Refusing(refuses=lambda project, *_: refused() if project == "p1" else None)
    for own in (False, True):
        sim = Simulation(service, selected(40, projects=4), own_secrets=own).run()
        (stopped,) = sim.of(e.CredentialStopped)
        assert (stopped.project, stopped.servers) == (1, 10)


# Signing in


@pytest.mark.parametrize("projects", [1, 20])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize(("retry_after_s", "tries"), [(0.0, 4), (50.0, 3), (500.0, 1)])
def test_a_sign_in_service_that_is_down_ends_in_a_few_tries(
    projects: int, retry_after_s: float, tries: int, *, own: bool
) -> None:
    def refuses(_project: str, name: str, _at_s: float) -> Problem | None:
        return cannot_sign_in(retry_after_s) if name == "iam" else None

    names = ["iam"] * projects + ["other"]
    fleet = selected(100, projects=len(names), credentials=names)
    sim = Simulation(Refusing(refuses=refuses), fleet, own_secrets=own).run()
    others = {row.server for row in sim.state.servers if row.project == projects}
    assert sum(sent.action.server not in others for sent in sim.sent) == tries
    assert sum(row.requests for row in sim.state.projects[:projects]) == 0
    assert {sim.state.servers[one].phase for one in others} == {Phase.COLLECTED}
    assert sim.state.failed == 100 - len(others)
    assert {one.message for one in failures(sim, 0)} == {
        "cannot sign in with credential 'iam': IAM is down"
    }
    assert not sim.of(e.EndpointWentDown)
    assert not sim.of(e.WaitAsked)


def test_a_call_that_waited_for_a_renewal_is_made_again_once_another_was_accepted() -> None:
    waited = Problem(P.UNAUTHENTICATED, "renewed", sign_in=True, renewed=True)
    script: dict[tuple[int, Call], list[Outcome]] = {
        (server, POST): [waited] for server in range(5, 10)
    }
    sim = Simulation(Service(script=script), selected(30), Ceilings(max_attempts=1)).run()
    assert sim.state.collected == 30
    assert sum(row.requests for row in sim.state.projects) == len(sim.sent) - 5


def test_a_secret_that_is_another_one_whenever_it_is_looked_at_ends_after_a_few() -> None:
    waited = Problem(P.UNAUTHENTICATED, "renewed", sign_in=True, renewed=True)
    sim = Simulation(Refusing(refuses=lambda *_: waited), selected(30)).run()
    assert (len(sim.sent), sim.state.failed) == (3, 30)


def test_a_sign_in_that_is_refused_for_good_is_tried_once() -> None:
    sim = Simulation(Refusing(refuses=lambda *_: cannot_sign_in()), selected(20, projects=2)).run()
    assert (len(sim.sent), sim.state.failed) == (1, 20)
    assert not any(row.requests for row in sim.state.projects)


@pytest.mark.parametrize(("minutes", "collected"), [(10, 60), (20, 0)])
@pytest.mark.parametrize("own", [False, True])
def test_a_credential_that_once_worked_waits_a_quarter_of_an_hour_for_its_sign_in(
    minutes: int, collected: int, *, own: bool
) -> None:
    def refuses(_project: str, _name: str, at_s: float) -> Problem | None:
        return cannot_sign_in(1.0) if 3.0 < at_s < 3.0 + 60 * minutes else None

    service = Refusing(refuses=refuses, duration_s=lambda _server: 20.0)
    sim = Simulation(
        service, selected(60, projects=2), Ceilings(max_attempts=1), own_secrets=own
    ).run()
    assert (sim.state.collected, sim.state.failed) == (collected, 60 - collected)
    assert len([at_s for at_s in sim.times() if at_s > 3.0]) < 60 * 3 + 60


def test_calls_that_waited_for_the_same_sign_in_are_one_try() -> None:
    def refuses(_project: str, _name: str, at_s: float) -> Problem | None:
        return cannot_sign_in(0.0) if 8.0 < at_s < 12.0 else None

    service = Refusing(refuses=refuses, duration_s=lambda _server: 2.0)
    sim = Simulation(service, selected(200), latency_s=1.0).run()
    assert sim.state.collected == 200
    assert min(at_s for at_s in sim.times() if at_s > 12.0) < 17.0


def test_a_sign_in_that_waits_and_works_again_is_told_once_each() -> None:
    service = Refusing(refuses=lambda *_: cannot_sign_in(1.0) if _[2] < 5.0 else None)
    sim = Simulation(service, selected(10)).run()
    assert sim.state.collected == 10
    (paused,) = sim.of(e.SignInPaused)
    assert (paused.credential, paused.message) == ("ops", "IAM is down")
    assert len(sim.of(e.SignInWentOn)) == 1
    assert not sim.state.sign_ins


def test_who_waits_for_a_sign_in_is_not_told_to_resume() -> None:
    down = replace(
        cannot_sign_in(1.0), hint="see whether IAM works; then --resume the run with --retry-failed"
    )
    service = Refusing(refuses=lambda *_: down if _[2] < 5.0 else None)
    sim = Simulation(service, selected(10)).run()
    (paused,) = sim.of(e.SignInPaused)
    assert paused.hint == "see whether IAM works"


def test_a_sign_in_that_waits_when_the_run_ends_is_still_known() -> None:
    service = Refusing(refuses=lambda *_: cannot_sign_in(20.0))
    sim = Simulation(service, selected(10), Ceilings(deadline_s=30.0)).run()
    sim.record(sim.scheduler.observed(sim.now_s))
    assert sim.state.sign_ins["ops"].message == "IAM is down"


def test_where_projects_sign_in_by_themselves_those_that_have_go_on() -> None:
    def refuses(project: str, _name: str, at_s: float) -> Problem | None:
        return cannot_sign_in(1.0) if project == "p1" and at_s < 300 else None

    sim = Simulation(
        Refusing(refuses=refuses), selected(40, projects=2, first=[0]), own_secrets=True
    ).run()
    assert sim.state.collected == 40
    assert max(sent.at_s for sent in sim.sent if sent.project == 0) < 60


def test_a_deadline_ends_a_wait_for_a_sign_in_in_order() -> None:
    sim = Simulation(
        Refusing(refuses=lambda *_: cannot_sign_in(20.0)), selected(20), Ceilings(deadline_s=30.0)
    ).run()
    assert sim.now_s < 32.0
    assert sim.state.pending == 20
    assert sim.scheduler.ending(sim.now_s).reason == "deadline"
