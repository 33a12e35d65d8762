"""The mechanisms of the engine, and how each is switched off for a measurement.

A switch puts another value in place of a constant, or another function in place of a method, in
this process alone. Nothing of it is in the product.
"""

from __future__ import annotations

import contextlib
import functools
import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from collector.engine.pacing import (
    attribution,
    concurrency,
    estimated_limit,
    inference,
    latency,
    ownership,
    scope,
    sliding_window,
    slow_start,
    told_limit,
    utilization,
)  # fmt: skip
from collector.engine.pacing.attribution import Blame
from collector.engine.pacing.concurrency import ExportsLimit
from collector.engine.pacing.estimated_limit import EstimatedLimit
from collector.engine.pacing.latency import Latency
from collector.engine.pacing.ownership import Ownership
from collector.engine.pacing.pacer import Pacer
from collector.engine.pacing.scope import ScopePace
from collector.engine.pacing.sliding_window import Window
from collector.engine.pacing.slow_start import SlowStart
from collector.engine.pacing.told_limit import ToldLimit
from collector.engine.pacing.utilization import Steering
from collector.engine.polling import durations, scouts, timing
from collector.engine.polling.durations import ExportDurations
from collector.engine.polling.scouts import Scouts
from collector.engine.polling.statuses import Statuses
from collector.engine.polling.timing import Pressure
from collector.engine.queueing import fair_queue
from collector.engine.queueing.dispatch import Dispatcher
from collector.engine.queueing.fair_queue import FairQueue
from collector.model.answers import Call

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType


class Switch(NamedTuple):
    """A member of a class or a module, and what takes its place."""

    owner: Any
    member: str
    value: Any


def _whatever(_: object) -> bool:
    return True


class Function(NamedTuple):
    """A function by its place: who gets such a result from it meets the mechanism."""

    owner: Any
    member: str
    when: Callable[[Any], bool] = _whatever


class Mechanism(NamedTuple):
    """Something that can be switched off.

    Attributes:
        switches: how.
        where: functions in which it is; reached by who calls any of them.
    """

    name: str
    switches: tuple[Switch, ...]
    where: tuple[Function, ...]

    @contextlib.contextmanager
    def off(self) -> Iterator[None]:
        """Switch it off for a while."""
        with contextlib.ExitStack() as stack:
            for switch in self.switches:
                stack.enter_context(_put(switch))
            yield


@contextlib.contextmanager
def _put(switch: Switch) -> Iterator[None]:
    owner, member, value = switch
    old = vars(owner)[member]
    owners = [owner]
    if not isinstance(owner, type):  # a constant, which other modules have imported by name
        owners = [
            module
            for name, module in list(sys.modules.items())
            if name.startswith("collector.engine") and vars(module).get(member) is old
        ]
    for one in owners:
        setattr(one, member, value)
    try:
        yield
    finally:
        for one in owners:
            setattr(one, member, old)


@contextlib.contextmanager
def reached(mechanisms: Sequence[Mechanism]) -> Iterator[set[str]]:
    """Note which mechanisms are reached."""
    names: dict[Function, list[str]] = {}
    for mechanism in mechanisms:
        for place in mechanism.where:
            names.setdefault(place, []).append(mechanism.name)
    found: set[str] = set()
    with contextlib.ExitStack() as stack:
        for (owner, member, when), of_it in names.items():
            noted = _noted(vars(owner)[member], when, found, of_it)
            stack.enter_context(_put(Switch(owner, member, noted)))
        yield found


def _noted(old: Any, when: Callable[[Any], bool], found: set[str], names: list[str]) -> Any:
    if isinstance(old, property):
        return property(_noted(old.fget, when, found, names), old.fset)

    @functools.wraps(old)
    def noted(*arguments: Any, **named: Any) -> Any:
        result = old(*arguments, **named)
        if names and when(result):
            found.update(names)
            names.clear()
        return result

    return noted


def _constant(
    name: str, module: ModuleType, values: dict[str, Any], *where: tuple[Any, ...]
) -> Mechanism:
    """Return a mechanism that a constant switches off."""
    switches = tuple(Switch(module, member, value) for member, value in values.items())
    return Mechanism(name, switches, tuple(Function(*one) for one in where))


def _method(name: str, owner: type, member: str, function: Callable[..., Any]) -> Mechanism:
    """Return a mechanism that is a method: another one does nothing in its place, or less."""
    value: Any = function
    if isinstance(vars(owner)[member], property):
        value = property(function)
    when = bool if function is _never or function is _no else _whatever
    return Mechanism(name, (Switch(owner, member, value),), (Function(owner, member, when),))


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _never(*_: Any, **__: Any) -> bool:
    return False


def _no(*_: Any, **__: Any) -> None:
    """Return what was not found, in place of what may be."""


# --- Slow start

def _start_passed(self: Any, latency_s: float) -> None:  # noqa: ARG001
    self.answered()
    self._passed += 1
    if self._passed >= slow_start.CAREFUL_CALLS:
        self._most = slow_start.MOST


def _start_alone(old: Callable[..., None]) -> Callable[..., None]:
    def start_slowly(self: ScopePace, *, faster_than: float = 0.0) -> None:  # noqa: ARG001
        old(self)

    return start_slowly


STARTS = (
    Mechanism(
        "slow start",
        (Switch(Pacer, "start_slowly", _nothing), Switch(ScopePace, "start_slowly", _nothing)),
        (Function(SlowStart, "sent"),),
    ),
    _constant("slow start: 256 calls before the first doubling", slow_start,
              {"CAREFUL_CALLS": 0}, (SlowStart, "passed")),
    _method("slow start: doubling (then all at once)", SlowStart, "passed", _start_passed),
    _constant("slow start: 6 calls a second over a long way", slow_start,
              {"PER_SECOND": 0.0}, (SlowStart, "passed")),
    _constant("slow start: two at once over 50 ms", slow_start, {"FEWEST": 1}, (SlowStart, "passed")),
    Mechanism(
        "slow start: faster on trial",
        (Switch(ScopePace, "start_slowly", _start_alone(ScopePace.start_slowly)),),
        (Function(Ownership, "_try"),),
    ),
    _method("slow start: ended for all of an account", Ownership, "end_starts",
            lambda self, track, pace: pace.end_start()),
    _method("slow start: of others of a kind", Ownership, "start_others", _nothing),
)

# --- Pauses, waits and tests

def _pause(self: Any, now_s: float, *, explained: bool) -> None:
    self._pauses += 1
    self.in_doubt = not explained
    self.exports_next = False
    self._blocked_until_s = max(self._blocked_until_s, now_s)


WAITS = (
    _method("pause after refusals in a row", ScopePace, "pause", _pause),
    _constant("wait before a guess is tested", scope,
              {"ROOM_BEFORE_A_TEST": 0.0, "SHORT_BURST": 0.0}, (ScopePace, "estimate")),
    _constant("wait for the whole window after a short burst", scope,
              {"SHORT_BURST": 0.0}, (ScopePace, "estimate")),
    _method("refused together: one less", EstimatedLimit, "counted_one_less", _nothing),
    _constant("headers disbelieved for a while", scope, {"IGNORED_S": 0.0},
              (ScopePace, "told")),
    _method("what is left, by headers", ScopePace, "_heed_others", _nothing),
    _constant("few others are none", scope, {"FEW_OTHERS": 0.0}, (ScopePace, "_heed_others")),
    _method("told: probe", ToldLimit, "doubt", _nothing),
    _constant("told: probe sooner after lowering", told_limit,
              {"PROBE_AFTER_LOWERING": told_limit.PROBE_AFTER_CALLS}, (ToldLimit, "doubt")),
)

# --- Steering: others' use

def _regain(self: Any, now_s: float) -> None:
    if self.level <= self._contested and self._trying_s is not None:
        self._stay_s = self._trying_s - self._gave_way_s
    self._tries = 0
    self._use(self.full)


def _regain_linearly(self: Any, now_s: float) -> None:
    if self.level <= self._contested and self._trying_s is not None:
        self._stay_s = self._trying_s - self._gave_way_s
    self._tries = 0
    self._use(self.window.allowed)
    if self.level < self.full:
        self._try(max(1.0, 0.05 * self.full), now_s)


def _give_way_in_bursts(self: Any, level: float, now_s: float) -> None:
    even = self.window.even
    _GIVE_WAY(self, level, now_s)
    self.window.even = even


_GIVE_WAY: Callable[..., None] = vars(Steering)["_give_way"]
OTHERS = (
    _constant("others: tried soon when expected to leave", utilization,
              {"TRIES_WHEN_EXPECTED": 0}, (Steering, "_fail")),
    _constant("others: expected to stay as long", utilization, {"LONGEST_STAY_S": 0.0},
              (Steering, "_give_way")),
    _constant("others: tries farther apart", utilization, {"TRIES_BEFORE_DOUBLING": 1000},
              (Steering, "_fail")),
    _constant("others: tries farther apart only after 4", utilization,
              {"TRIES_BEFORE_DOUBLING": 0}, (Steering, "_fail")),
    _constant("others: expected back for 2 min", utilization, {"CONTESTED_FOR_S": 0.0},
              (Steering, "_give_way")),
    _method("others: half of what is missing (then all)", Steering, "_regain", _regain),
    _method("others: half of what is missing (then 5 %)", Steering, "_regain", _regain_linearly),
    _method("others: evenly once they came", Steering, "_give_way", _give_way_in_bursts),
)

# --- Estimates

def _use_all_of_whole(self: Any, limit: float) -> None:
    self._climbing_s = None
    Steering._believe(self, limit)  # noqa: SLF001


def _undo_always(self: Any, now_s: float) -> None:  # noqa: ARG001
    self._raised_s = -math.inf
    self._believe(self._floor)


def _climb_singly(self: Any, step: float, now_s: float) -> None:
    step = min(step, max(1.0, 0.02 * self.limit))
    self._climbing_s, self._step = now_s, step
    self.window.allowed = self.limit + step


def _fall(self: Any, count: float, now_s: float) -> None:
    _FALL(self, self.limit if count else count, now_s)


def _cross(self: Any, sent_s: float) -> None:  # noqa: ARG001
    self._crossed_calls = self._calls
    self.window.crossed()


def _refused_not_lengthened(self: Any, sent_s: float, now_s: float, *, again: int) -> bool:
    if again >= estimated_limit.SILENCE and self._long_s:
        self._lengthen()
    return bool(Steering.refused(self, sent_s, now_s, again=again))


_FALL: Callable[..., None] = vars(EstimatedLimit)["_fall"]
ESTIMATES = (
    _method("probing above an estimate", EstimatedLimit, "_climb", _nothing),
    _constant("probe: first after 10 s at most", estimated_limit, {"FIRST_CLIMB_S": math.inf},
              (EstimatedLimit, "__init__")),
    _constant("probe: ever farther apart", estimated_limit, {"CALLS_BETWEEN_CLIMBS": (80,)},
              (EstimatedLimit, "_fall")),
    _constant("probe: sooner at first", estimated_limit, {"CALLS_BETWEEN_CLIMBS": (250,)},
              (EstimatedLimit, "_fall")),
    _constant("probe: twice as many at first (80, 250)", estimated_limit,
              {"CALLS_BETWEEN_CLIMBS": (80, 250)}, (EstimatedLimit, "_fall")),
    _method("probe: twice as much more each time", EstimatedLimit, "_climb", _climb_singly),
    _method("probe: what was let through counts", EstimatedLimit, "_fall", _fall),
    _method("raise undone when refused soon", EstimatedLimit, "_is_fresh", _never),
    _method("raise undone: give way if more than saved", EstimatedLimit, "_undo_raise",
            _undo_always),
    _constant("crossing often: estimate lowered", estimated_limit,
              {"CALLS_BETWEEN_CROSSINGS": 0}, (EstimatedLimit, "_cross")),
    _method("crossing: estimate lowered at all", EstimatedLimit, "_cross", _cross),
    _constant("jitter: more is tried after 120 quiet calls", estimated_limit,
              {"QUIET_CALLS": math.inf}, (EstimatedLimit, "_cross")),
    _method("window shortened", EstimatedLimit, "_shorten", _nothing),
    _method("window lengthened again", EstimatedLimit, "_lengthen", _nothing),
    _method("window doubled where one call is too many", EstimatedLimit, "refused",
            _refused_not_lengthened),
    _constant("failed tries lower an estimate", estimated_limit,
              {"FAILURES_BELIEVED": 1000, "FAILURES_BELIEVED_SLIGHT": 1000},
              (EstimatedLimit, "_fail")),
    _constant("failed tries: sooner where slight", estimated_limit,
              {"FAILURES_BELIEVED_SLIGHT": estimated_limit.FAILURES_BELIEVED},
              (EstimatedLimit, "_fail")),
    _constant("doubts end an estimate", estimated_limit, {"DOUBTS": 10**9},
              (EstimatedLimit, "_doubt")),
    _method("an estimate need not be whole", EstimatedLimit, "_believe", _use_all_of_whole),
    _constant("near: a refusal is no surprise", utilization, {"NEAR": 10.0},
              (Steering, "_is_near", bool)),
)

# --- Jitter

def _decay_none(self: Any) -> None:
    if self.crowded:
        _PASSED(self)


def _grace_even(self: Any) -> float:
    return float(min(self._latency.uneven_s + sliding_window.LEAST_GRACE_S, self.window_s))


def _crossed_counts(self: Any) -> None:
    self._refused += 1


def _passed_at(self: Any, at_s: float) -> float:
    return float(self.count_at(at_s))


def _jitter_at_once(self: Any) -> None:
    self._was_crowded = True
    _PASSED(self)


_PASSED: Callable[..., None] = vars(Window)["passed"]
JITTER = (
    _method("margin: any", Window, "grace_s", lambda self: sliding_window.LEAST_GRACE_S),
    Mechanism("margin: grows with refusals", (Switch(Window, "grace_s", property(_grace_even)),),
              (Function(Window, "crossed"),)),
    Mechanism("margin: shrinks again (0.9999)", (Switch(Window, "passed", _decay_none),),
              (Function(Window, "crossed"),)),
    _method("jitter-dominated mode", Window, "crowded", _never),
    _constant("jitter-dominated: two targets (0.035, 0.012)", sliding_window,
              {"SPENDING": 0.0235, "SAVING": 0.0235}, (Window, "crowded", bool)),
    _constant("jitter-dominated: two targets, as tolerated", sliding_window,
              {"SPENDING": 0.026, "SAVING": 0.017}, (Window, "crowded", bool)),
    _constant("jitter-dominated: targets 0.03, 0.01", sliding_window,
              {"SPENDING": 0.03, "SAVING": 0.01}, (Window, "crowded", bool)),
    _constant("jitter-dominated: targets 0.05, 0.01", sliding_window,
              {"SPENDING": 0.05, "SAVING": 0.01}, (Window, "crowded", bool)),
    _constant("jitter-dominated: targets 0.035, 0.006", sliding_window,
              {"SPENDING": 0.035, "SAVING": 0.006}, (Window, "crowded", bool)),
    _constant("jitter-dominated: fewer of estimates", sliding_window,
              {"TOLERATED_OF_ESTIMATE": sliding_window.TOLERATED}, (Window, "crowded", bool)),
    Mechanism("jitter-dominated: begins with a small margin",
              (Switch(Window, "passed", _jitter_at_once),), (Function(Window, "crowded", bool),)),
    _constant("jitter-dominated: not below 5 % of a window", sliding_window,
              {"NOTICEABLE_GRACE": 0.0}, (Window, "passed")),
    _method("refusals that are no news count", ScopePace, "refused_too", _nothing),
    _method("jitter-dominated: counted over 3 round trips", Window, "passed_at", _passed_at),
    _constant("margin: at most a window", sliding_window, {"LARGEST_GRACE": 8.0}, (Window, "crossed")),
    _constant("a pause is made up for", sliding_window, {"SLACK_S": 0.0}, (Window, "sent")),
    _constant("latency: late answers left out", latency, {"MOST_LATE": 0.0}, (Latency, "hangs")),
    _constant("latency: guessed to vary at first", latency, {"_GUESSED": 0.0}, (Latency, "heard")),
    _constant("latency: hundredfold patience", latency,
              {"SHORTEST_TOO_LONG_S": 10.0, "LONGEST_TOO_LONG_S": 100.0}, (Latency, "hangs")),
)

# --- Whose limit it is

def _first_held(
    self: Any, track: Any, problem: Any, refusal: Any, candidates: Any,
) -> bool:
    del self, track, problem, refusal, candidates
    return False


def _pointed_at_without(**off: Any) -> tuple[Switch, ...]:
    return tuple(Switch(ownership, member, value) for member, value in off.items())


POINTED = (Function(Ownership, "pointed_at", bool),)
OWNERS = (
    _method("owner: others of its kind have one too", Ownership, "like_others", _no),
    _method("owner: kind of call, once tried", Ownership, "_by_call", _no),
    _method("owner: narrower scopes at all", Ownership, "pointed_at", _no),
    Mechanism("owner: pairs", _pointed_at_without(PAIRS=10**9), POINTED),
    Mechanism("owner: one pair is enough", _pointed_at_without(PAIRS=1), POINTED),
    Mechanism("owner: sharpness", _pointed_at_without(FEWEST_COMPARED=10**9), POINTED),
    _method("owner: coincidence", Ownership, "_is_no_coincidence", _never),
    _constant("owner: tried at once where few", ownership, {"FEW": 0}, (Ownership, "tried_first")),
    _constant("owner: trial ends when more is let through", ownership,
              {"TOO_MANY": math.inf}, (Ownership, "fails_trial")),
    Mechanism("guess: fixed windows", (Switch(inference, "_fixed", lambda *_: 0),),
              (Function(inference, "_fixed", bool),)),
    _constant("guess: fixed windows only after 3 refusals", inference,
              {"FEWEST_FOR_FIXED": 1}, (inference, "_fixed")),
    _constant("guess: no long window of few calls", inference,
              {"FEWEST": dict.fromkeys(inference.FEWEST, 1)}, (inference, "explained")),
    _constant("guess: tolerance 15 %", inference, {"TOLERANCE": 0.0}, (inference, "_at_most")),
    _constant("guess: last 8 refusals (then 4)", inference, {"REFUSALS_KEPT": 4},
              (Blame, "_conclude")),
    _constant("guess: last 8 refusals (then 16)", inference, {"REFUSALS_KEPT": 16},
              (Blame, "_conclude")),
    _constant("guess: windows of 1, 10, 60 s (no 10)", inference, {"WINDOWS_S": (1.0, 60.0)},
              (inference, "infer")),
    _constant("guess: a wait tells the window", inference, {"ROUNDED_UP_S": 10**9},
              (Blame, "_conclude")),
    _method("exports alone: tested by another kind", Blame, "_is_to_be_tested", _first_held),
    _constant("exports alone: confirmed twice", attribution, {"CONFIRMATIONS": 1},
              (Blame, "test_passed")),
    _method("exports alone: a status is hurried", Dispatcher, "_hurry_a_test", _nothing),
    _method("exports alone: the test goes first", Dispatcher, "_is_test_among", _never),
)

# --- Exports at once

def _started_singly(self: Any, running: int) -> bool:
    news = _STARTED(self, running)
    self._step = min(self._step, 1)
    return bool(news)


_STARTED: Callable[..., bool] = vars(ExportsLimit)["started"]
EXPORTS = (
    _constant("exports: more tried after 64", concurrency,
              {"STARTS_BETWEEN_TRIES": 10**9}, (ExportsLimit, "started")),
    _constant("exports: tries farther apart", concurrency,
              {"MOST_STARTS_BETWEEN_TRIES": concurrency.STARTS_BETWEEN_TRIES},
              (ExportsLimit, "refused")),
    _method("exports: twice as many more each time", ExportsLimit, "started", _started_singly),
    _constant("exports: tested until proven", concurrency, {"FIRST_TEST_S": math.inf},
              (ExportsLimit, "allows_at")),
    _constant("exports: near the limit explains", concurrency, {"NEAR": 1.0},
              (ExportsLimit, "refused")),
)

# --- Statuses

def _without(name: str, pressure: Pressure) -> Mechanism:
    def of(self: Any, lane: Any) -> Pressure:
        found = _PRESSURE(self, lane)
        return Pressure.USUAL if found is pressure else found

    where = Function(Statuses, "_pressure", lambda found: found is pressure)
    return Mechanism(name, (Switch(Statuses, "_pressure", of),), (where,))


def _no_scouts(self: Any, *, known: bool) -> tuple[float, bool]:  # noqa: ARG001
    return 0.0, False


_PRESSURE: Callable[..., Pressure] = vars(Statuses)["_pressure"]
STATUSES = (
    _method("scouts", Scouts, "next", _no_scouts),
    _constant("scouts: more than the first 12", scouts, {"MOST": 0}, (Scouts, "next")),
    _constant("scouts: the first 12 may take others' calls", timing, {"FIRST_ASK_S": 1e6},
              (timing, "ask_at")),
    _constant("scouts: doubt of the guess", scouts, {"DOUBT": 1e6}, (scouts.Reports, "add")),
    _constant("scouts: at different ages", scouts, {"_GOLDEN": 0.0}, (Scouts, "next")),
    _without("statuses: sooner where places are wanted", Pressure.PLACES),
    _without("statuses: sooner for the last", Pressure.LAST),
    _without("statuses: likely is enough under a deadline", Pressure.DEADLINE),
    _constant("statuses: later while few end", timing, {"WIDEST_AT_FIRST": 1.0},
              (timing, "_by_duration")),
    _constant("statuses: no gap over 15.5 %", timing, {"WIDEST": 10.0},
              (timing, "_by_duration")),
    _method("statuses: planned anew when shorter", Statuses, "heard",
            lambda self, project, now_s: self._look_first(
                self._lanes[project, Call.ASK_STATUS], now_s)),
    _method("statuses: first look corrected", ExportDurations, "answered_first", _nothing),
    _method("statuses: certainty corrected", ExportDurations, "answered_certain", _nothing),
    _constant("statuses: later first look with percentages", durations,
              {"VERY_UNLIKELY": durations.UNLIKELY}, (ExportDurations, "percentage_seen")),
    _constant("statuses: spread kept until 50", durations, {"ENOUGH_FOR_SHORTEST": 12},
              (ExportDurations, "_spread_seen")),
    _constant("statuses: guess let go", durations, {"GUESS_WEIGHT": 1e-9},
              (ExportDurations, "completed")),
    _method("statuses: percentages doubted", ExportDurations, "percentages_kept", _nothing),
    _method("statuses: percentages at all", ExportDurations, "are_percentages_believed", _never),
    Mechanism("statuses: once more before a deadline",
              (Switch(timing, "before_deadline", lambda *_: math.inf),),
              (Function(timing, "before_deadline", math.isfinite),)),
    _constant("statuses: early where percentages are far", timing, {"FINE": 0},
              (timing, "_by_percentage")),
    _method("statuses: none while archives wait", Dispatcher, "_hold_ready", _nothing),
    _constant("turns: one in eight for what is due", fair_queue, {"TURNS_FOR_EXPORTS": 10**9},
              (FairQueue, "_kind")),
    _constant("turns: one in eight (then every other)", fair_queue, {"TURNS_FOR_EXPORTS": 1},
              (FairQueue, "_kind")),
    _method("pace: as others' gap for what is not due", Pacer, "gap_s", lambda self, track: 0.0),
)

MECHANISMS: tuple[Mechanism, ...] = (
    *STARTS, *WAITS, *OTHERS, *ESTIMATES, *JITTER, *OWNERS, *EXPORTS, *STATUSES,
)  # fmt: skip
