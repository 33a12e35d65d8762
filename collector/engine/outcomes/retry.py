"""The one written policy: what a problem with a call means for the next step.

`TABLE` names the rule for each pair of call and problem, `decide` puts a rule into effect.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from collector.engine.pacing.findings import WORTH_TELLING_S, Asked, Disbelieved
from collector.engine.pacing.pauses import INSTEAD_OF_RETRY_AFTER_S, LONGEST_RETRY_AFTER_S
from collector.model.answers import Call, Problem, ProblemKind, Scope, ScopeKind

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping


class Rule(enum.StrEnum):
    """What is done about a problem; the text is what the documentation says of it."""

    WAIT = "again as soon as its scope lets it; no attempt is counted"
    LATER = (
        "again after seconds at first, minutes later, for an hour at most; no attempt is counted"
    )
    REACH = (
        "again after a back-off, once the endpoint can be reached; counted only after many tries "
        "while others are answered"
    )
    BACK_OFF = (
        "again after an exponential back-off with full jitter, --max-attempts tries in all; not "
        "counted while the endpoint answers nobody"
    )
    ONCE_MORE = (
        "once more after some seconds, whatever --max-attempts says: it may have been done; not "
        "counted while the endpoint answers nobody. As back_off where the answer says that it was "
        "not done"
    )
    LAG = (
        "again after half a second, then longer, for a minute in all: replicas lag; no attempt is "
        "counted; after that, and where the export is older than an hour, a new export, once"
    )
    ANEW = "a new export, once"
    NEW_LINK = "again at once with a new link; after that with a back-off, --max-attempts tries"
    PAUSE = "failed, and downloads pause; while they do, others wait and no attempt is counted"
    RENEW = (
        "again with a renewed secret, alone; no attempt is counted. After three refusals in a row "
        "(one, where it was never accepted and has not changed) all servers that need it fail. As "
        "back_off where others are accepted with it"
    )
    FAIL = "failed at once: it would not succeed"


_P = ProblemKind
_ALIKE: Mapping[ProblemKind, Rule] = {
    _P.NOT_SENT: Rule.REACH,
    _P.THROTTLED: Rule.WAIT,
    _P.NOT_READY: Rule.LATER,
    _P.UNKNOWN_SERVER: Rule.LAG,
    _P.FORGOTTEN: Rule.LAG,
    _P.EXPORT_FAILED: Rule.ANEW,
    _P.FORBIDDEN: Rule.FAIL,
    _P.UNAUTHENTICATED: Rule.RENEW,
    _P.BAD_REQUEST: Rule.FAIL,
    _P.SERVICE_FAILED: Rule.BACK_OFF,
    _P.UNREADABLE: Rule.BACK_OFF,
    _P.CUT: Rule.BACK_OFF,
    _P.INVALID_ARCHIVE: Rule.BACK_OFF,
    _P.TOO_LARGE: Rule.FAIL,
    _P.CHANGED: Rule.BACK_OFF,
    _P.TOO_SLOW: Rule.FAIL,
    _P.LINK_REFUSED: Rule.NEW_LINK,
    _P.FILE_REFUSED: Rule.FAIL,
    _P.DISK: Rule.PAUSE,
}
TABLE: Mapping[tuple[Call, ProblemKind], Rule] = {
    **{(call, kind): rule for call in Call for kind, rule in _ALIKE.items()},
    (Call.START_EXPORT, _P.UNKNOWN_SERVER): Rule.FAIL,
    (Call.START_EXPORT, _P.FORGOTTEN): Rule.FAIL,
    (Call.START_EXPORT, _P.UNREADABLE): Rule.ONCE_MORE,
    (Call.START_EXPORT, _P.CUT): Rule.ONCE_MORE,
}
"""A rule for every pair; the last four rows are where a POST differs."""

NO_ANSWER = frozenset({_P.NOT_SENT, _P.CUT, _P.UNREADABLE})
"""After these, nobody knows whether the service was there at all."""

BACK_OFF_BASE_S = 1.0
BACK_OFF_CAP_S = 60.0
ONCE_MORE_S = (2.0, 5.0)
"""Before the last try of a POST: if the endpoint is down, that is known by then."""
UNSENT_TIMES = 5
"""Calls that could not be sent in a row, though others could, and the next ones count."""
VERDICT_S = 2.5
"""How long a server waits at least while its endpoint seems to answer nobody: then it is known."""
NOT_READY_SOON_S = (2.0, 10.0)
NOT_READY_SOON_TIMES = 4
NOT_READY_LATE_S = (60.0, 180.0)
NOT_READY_FOR_S = 3600.0
LAG_FOR_S = 60.0
LAG_FIRST_S = 0.5
LAG_UNTIL_AGE_S = 3600.0
"""What every replica knows, after so long; an older export is one that the service has dropped."""


@dataclass(frozen=True, slots=True)
class Again:
    """Ask again after `after_s` seconds; `counts` as a failed attempt or not."""

    after_s: float
    counts: bool


@dataclass(frozen=True, slots=True)
class Anew:
    """Start a new export after `after_s` seconds."""

    after_s: float


@dataclass(frozen=True, slots=True)
class Fail:
    """Report it. With `credential`, nothing that needs the same secret is worth a call."""

    credential: bool = False


Decision = Again | Anew | Fail


@dataclass(frozen=True, slots=True)
class Tried:
    """How often a server, and the secret it needs, have met with problems before this one.

    Attributes:
        attempts: failed tries of this step.
        doubtful: POSTs among them that may have started an export.
        renewals: new exports started because an earlier one came to nothing.
        not_ready_times, not_ready_s: refusals as "not ready" in a row, and seconds since the first.
        lost_times, lost_s: the same for answers that do not know the export.
        export_age_s: seconds since the export began; where it has completed, since that.
        refused: nothing that needs this secret is worth a call any more.
        blamed: the secret is accepted, and this server is refused for a reason of its own.
        links_refused: refusals of links in a row, before this one.
        unsent_times: calls in a row that could not be sent, before this one.
        paused: downloads are paused already.
        down: the endpoint seems to answer nobody, or did while the call was in flight; or this
            machine slept.
    """

    attempts: int = 0
    doubtful: int = 0
    renewals: int = 0
    not_ready_times: int = 0
    not_ready_s: float = 0.0
    lost_times: int = 0
    lost_s: float = 0.0
    export_age_s: float = 0.0
    refused: bool = False
    blamed: bool = False
    links_refused: int = 0
    unsent_times: int = 0
    paused: bool = False
    down: bool = False


def rule_of(call: Call, problem: Problem) -> Rule:
    """Return the rule that is followed: a POST that was not acted on is in no doubt."""
    rule = TABLE[call, problem.kind]
    return Rule.BACK_OFF if rule is Rule.ONCE_MORE and problem.blocked else rule


def decide(
    call: Call, problem: Problem, tried: Tried, *, max_attempts: int, rng: random.Random
) -> Decision:
    """Return what follows from `problem`: by `rule_of`, and not before it says itself."""
    decision = _decide(call, problem, tried, max_attempts, rng)
    asked_s = believed_s(problem)
    if not isinstance(decision, Fail) and asked_s > decision.after_s:
        return replace(decision, after_s=asked_s)
    return decision


def believed_s(problem: Problem) -> float:
    """Return the seconds that a Retry-After makes its server wait; 0 where there is none.

    That of a 429 is for the scope that it is about: `pacing/pauses.py` sees to it. That of a
    sign-in is for its credential: `admission/sign_in.py` does.
    """
    asked_s = problem.retry_after_s
    if asked_s is None or problem.kind is ProblemKind.THROTTLED or problem.sign_in:
        return 0.0
    return INSTEAD_OF_RETRY_AFTER_S if is_beyond_belief(problem) else max(0.0, asked_s)


def is_beyond_belief(problem: Problem) -> bool:
    """Tell whether an answer asks its server to wait for longer than can be meant."""
    asked_s = problem.retry_after_s
    return (
        asked_s is not None
        and asked_s > LONGEST_RETRY_AFTER_S
        and problem.kind is not ProblemKind.THROTTLED
        and not problem.sign_in
    )


def said_of_wait(
    endpoint: str, server: int, problem: Problem, now_s: float
) -> list[Asked | Disbelieved]:
    """Return what is said of a wait that is asked of one server: it is long, or not believed."""
    scope, wait_s = Scope(ScopeKind.ENDPOINT, endpoint), believed_s(problem)
    if is_beyond_belief(problem):
        message = f"Retry-After of {problem.retry_after_s:g} s is taken as {wait_s:g} s"
        return [Disbelieved(scope, "wait", message)]
    return [Asked(scope, now_s + wait_s, server)] if wait_s >= WORTH_TELLING_S else []


def _decide(  # noqa: C901, PLR0911, PLR0912  # a case and a return a rule
    call: Call, problem: Problem, tried: Tried, max_attempts: int, rng: random.Random
) -> Decision:
    match rule_of(call, problem):
        case Rule.WAIT:
            return Again(0.0, counts=False)
        case Rule.REACH:
            if tried.down or tried.unsent_times < UNSENT_TIMES:
                return Again(back_off_s(min(1, tried.unsent_times), rng), counts=False)
            return _again_or_fail(tried, max_attempts, rng)
        case Rule.LATER:
            return _later(tried, rng)
        case Rule.BACK_OFF:
            if tried.down and problem.kind in NO_ANSWER:
                return Again(back_off_s(tried.attempts, rng), counts=False)
            return _again_or_fail(tried, max_attempts, rng)
        case Rule.ONCE_MORE:
            if tried.doubtful and not tried.down:
                return Fail()
            return Again(rng.uniform(*ONCE_MORE_S), counts=not tried.doubtful)
        case Rule.LAG:
            if tried.lost_s < LAG_FOR_S and tried.export_age_s < LAG_UNTIL_AGE_S:
                return _once_replicas_know(tried, rng)
            return _anew(tried, rng)
        case Rule.ANEW:
            return _anew(tried, rng)
        case Rule.NEW_LINK:
            if not tried.links_refused:
                return Again(0.0, counts=False)
            return _again_or_fail(tried, max_attempts, rng)
        case Rule.PAUSE:
            return Again(0.0, counts=False) if tried.paused else Fail()
        case Rule.RENEW:
            return _renew(tried, max_attempts, rng)
        case Rule.FAIL:
            if problem.kind is ProblemKind.TOO_SLOW and tried.down:
                return Again(0.0, counts=False)  # it was this machine that took the time
            return Fail()


def back_off_s(attempts: int, rng: random.Random) -> float:
    """Return seconds to wait after `attempts` failed tries and one more: any time up to a cap."""
    return rng.uniform(0.0, min(BACK_OFF_CAP_S, BACK_OFF_BASE_S * 2.0 ** min(attempts, 16)))


def _again_or_fail(tried: Tried, max_attempts: int, rng: random.Random) -> Decision:
    if tried.attempts + 1 >= max_attempts:
        return Fail()
    return Again(back_off_s(tried.attempts, rng), counts=True)


def _anew(tried: Tried, rng: random.Random) -> Decision:
    return Fail() if tried.renewals else Anew(back_off_s(tried.attempts, rng))


def _once_replicas_know(tried: Tried, rng: random.Random) -> Decision:
    after_s = LAG_FIRST_S * 2.0 ** min(tried.lost_times, 16) * rng.uniform(0.8, 1.0)
    return Again(min(after_s, LAG_FOR_S - tried.lost_s), counts=False)


def _later(tried: Tried, rng: random.Random) -> Decision:
    if tried.not_ready_s >= NOT_READY_FOR_S:
        return Fail()
    soon = tried.not_ready_times < NOT_READY_SOON_TIMES
    return Again(rng.uniform(*(NOT_READY_SOON_S if soon else NOT_READY_LATE_S)), counts=False)


def _renew(tried: Tried, max_attempts: int, rng: random.Random) -> Decision:
    if tried.refused:
        return Fail(credential=True)
    if tried.blamed:
        return _again_or_fail(tried, max_attempts, rng)
    return Again(0.0, counts=False)  # `admission/credential_health.py` bounds how often
