"""The mechanisms of the controller, and what takes the place of each when it is switched off."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from benchmarks.pacing.switches import (
    Function,
    Mechanism,
    Switch,
    constant,
    found_nothing,
    method,
    never,
    nothing,
)  # fmt: skip
from collector.engine.pacing import (
    belief,
    concurrency,
    estimated_limit,
    inference,
    kind_test,
    latency,
    ownership,
    pauses,
    sliding_window,
    slow_start,
    statements,
    told_limit,
    utilization,
)  # fmt: skip
from collector.engine.pacing.attribution import Attribution
from collector.engine.pacing.belief import Belief
from collector.engine.pacing.concurrency import ExportsLimit
from collector.engine.pacing.estimated_limit import EstimatedLimit
from collector.engine.pacing.latency import Latency
from collector.engine.pacing.ownership import Ownership
from collector.engine.pacing.pacer import Pacer
from collector.engine.pacing.pauses import Pauses
from collector.engine.pacing.scope import ScopePace
from collector.engine.pacing.sliding_window import Window
from collector.engine.pacing.slow_start import SlowStart
from collector.engine.pacing.told_limit import ToldLimit
from collector.engine.pacing.utilization import Utilization
from collector.engine.polling import durations, scouts, timing
from collector.engine.polling.durations import ExportDurations
from collector.engine.polling.statuses import Statuses
from collector.engine.polling.timing import Pressure
from collector.engine.queueing import fair_queue
from collector.engine.queueing.dispatch import Dispatcher
from collector.engine.queueing.fair_queue import FairQueue
from collector.model.answers import Call

if TYPE_CHECKING:
    from collections.abc import Callable


def _back_off_in_bursts(self: Any, level: float, now_s: float) -> None:
    paced = self.window.paced
    _BACK_OFF(self, level, now_s)
    self.window.paced = paced


def _undo_always(self: Any, _now_s: float) -> None:
    self._raised_s = -math.inf
    self._believe(self._floor)


def _probe_singly(self: Any, step: float, now_s: float) -> None:
    _PROBE(self, min(step, max(1.0, 0.02 * self.limit)), now_s)


def _revert_wholly(self: Any, _count: float, now_s: float) -> None:
    _REVERT(self, 0.0, now_s)


def _whole(self: Any, limit: float) -> None:
    self._probing_s = None
    vars(Utilization)["_believe"](self, limit)


def _reordered_only(self: Any, _sent_s: float) -> None:
    self._reordered_calls = self._calls
    self.window.reordered()


def _passed_unless_calm(self: Any) -> None:
    if self.jitter_dominated:
        _PASSED(self)


def _dominated_at_once(self: Any) -> None:
    self._was_dominated = True
    _PASSED(self)


def _margin_of_jitter(self: Any) -> float:
    return float(min(self._latency.jitter_s + sliding_window.LEAST_MARGIN_S, self.window_s))


def _look_first(self: Any, project: int, now_s: float) -> None:
    self._look_first(self._lanes[project, Call.ASK_STATUS], now_s)


_BACK_OFF: Callable[..., None] = vars(Utilization)["_back_off"]
_PROBE: Callable[..., None] = vars(EstimatedLimit)["_probe"]
_REVERT: Callable[..., None] = vars(EstimatedLimit)["_revert"]
_PASSED: Callable[..., None] = vars(Window)["passed"]
_KIND: Callable[..., object] = vars(FairQueue)["_kind"]
_PRESSURE: Callable[..., Pressure] = vars(Statuses)["_pressure"]
_DOMINATED = (Window, "jitter_dominated", bool)
_POINTED = (Ownership, "pointed_at", bool)


def _without(name: str, pressure: Pressure) -> Mechanism:
    def of(self: Any, lane: Any) -> Pressure:
        found = _PRESSURE(self, lane)
        return Pressure.USUAL if found is pressure else found

    where = Function(Statuses, "_pressure", lambda found: found is pressure)
    return Mechanism(name, (Switch(Statuses, "_pressure", of),), (where,))


def _at(name: str, owner: type, member: str, value: object, *where: tuple[Any, ...]) -> Mechanism:
    """Return a mechanism that is met elsewhere than in what takes its place."""
    return Mechanism(name, (Switch(owner, member, value),), tuple(Function(*one) for one in where))


BEGINNING = (
    Mechanism(
        "slow start",
        (Switch(Pacer, "start_slowly", nothing), Switch(ScopePace, "start_slowly", nothing)),
        (Function(SlowStart, "sent"),),
    ),
    constant("slow start: 256 calls first", slow_start, {"CAREFUL_CALLS": 0},
             (SlowStart, "passed")),
    constant("slow start: 6 calls a second over a long way", slow_start, {"PER_SECOND": 0.0},
             (SlowStart, "passed")),
    constant("slow start: two at once over 50 ms", slow_start, {"FEWEST": 1},
             (SlowStart, "passed")),
    method("slow start: ended for all of an account", Ownership, "end_starts",
           lambda _self, _track, pace: pace.end_start()),
    method("slow start: of others of a kind", Ownership, "start_others", nothing),
    constant("pauses after refusals in a row", pauses, {"SHORTEST_PAUSE_S": 0.0},
             (Pauses, "refused")),
    constant("test: wait before it", belief, {"ROOM_BEFORE_A_TEST": 0.0, "SHORT_BURST": 0.0},
             (Belief, "estimate")),
    constant("test: wait longer after a burst", belief, {"SHORT_BURST": 0.0},
             (Belief, "estimate")),
)  # fmt: skip
STATED = (
    constant("headers: disbelieved for a while", statements, {"IGNORED_S": 0.0}, (Belief, "told")),
    method("headers: what is left", Belief, "_heed_others", nothing),
    method("stated: probe", ToldLimit, "doubt", nothing),
    constant("stated: probe sooner after lowering", told_limit,
             {"PROBE_AFTER_LOWERING": told_limit.PROBE_AFTER_CALLS}, (ToldLimit, "doubt")),
)  # fmt: skip
OTHERS = (
    constant("others: expected to leave soon", utilization, {"EXPECTED_FAILURES": 0},
             (Utilization, "_fail")),
    constant("others: expected to stay as long", utilization, {"LONGEST_STAY_S": 0.0},
             (Utilization, "_back_off")),
    constant("others: tries farther apart", utilization, {"EQUAL_WAITS": 1000},
             (Utilization, "_fail")),
    constant("others: tries farther apart from the fifth on", utilization, {"EQUAL_WAITS": 0},
             (Utilization, "_fail")),
    constant("others: expected back for 2 min", utilization, {"CONTESTED_FOR_S": 0.0},
             (Utilization, "_back_off")),
    method("others: calls paced once they came", Utilization, "_back_off", _back_off_in_bursts),
    constant("others: failures lower an estimate", estimated_limit,
             {"FAILURES_BELIEVED": 10**9}, (EstimatedLimit, "_fail")),
)  # fmt: skip
ESTIMATED = (
    method("probe", EstimatedLimit, "_probe", nothing),
    constant("probe: first after 10 s at most", estimated_limit, {"FIRST_PROBE_S": math.inf},
             (EstimatedLimit, "__init__")),
    constant("probe: ever farther apart", estimated_limit,
             {"MOST_CALLS_BEFORE_PROBE": estimated_limit.CALLS_BEFORE_PROBE},
             (EstimatedLimit, "_revert")),
    method("probe: twice as much more each time", EstimatedLimit, "_probe", _probe_singly),
    method("probe: what was let through counts", EstimatedLimit, "_revert", _revert_wholly),
    method("raise: undone when refused soon", EstimatedLimit, "_is_fresh", never),
    method("raise: back off if more than saved", EstimatedLimit, "_undo_raise", _undo_always),
    constant("reordered often: lowered", estimated_limit, {"CALLS_BETWEEN_REORDERINGS": 0},
             (EstimatedLimit, "_reordered")),
    method("reordered: lowered at all", EstimatedLimit, "_reordered", _reordered_only),
    method("an estimate need not be whole", EstimatedLimit, "_believe", _whole),
    method("refused together: one less", EstimatedLimit, "counted_one_less", nothing),
    constant("near: a refusal is no surprise", utilization, {"NEAR": 10.0},
             (Utilization, "_is_near", bool)),
)  # fmt: skip
JITTER = (
    method("margin", Window, "margin_s", lambda _self: sliding_window.LEAST_MARGIN_S),
    _at("margin: grows with refusals", Window, "margin_s", property(_margin_of_jitter),
        (Window, "reordered")),
    _at("margin: shrinks again", Window, "passed", _passed_unless_calm, (Window, "reordered")),
    method("jitter-dominated", Window, "jitter_dominated", never),
    constant("jitter-dominated: 2 % in place of 1.5", sliding_window, {"REFUSED": 0.02},
             _DOMINATED),
    constant("jitter-dominated: 1.2 % in place of 1.5", sliding_window, {"REFUSED": 0.012},
             _DOMINATED),
    _at("jitter-dominated: begins with a small margin", Window, "passed", _dominated_at_once,
        _DOMINATED),
    constant("jitter-dominated: probe after 120 quiet calls", estimated_limit,
             {"QUIET_CALLS": math.inf}, (EstimatedLimit, "_reordered")),
    method("refusals that are no news count", Belief, "refused_too", nothing),
    constant("a pause is made up for", sliding_window, {"SLACK_S": 0.0}, (Window, "sent")),
    constant("latency: late answers left out", latency, {"MOST_LATE": 0.0}, (Latency, "hangs")),
    constant("latency: hundredfold patience", latency,
             {"SHORTEST_TOO_LONG_S": 10.0, "LONGEST_TOO_LONG_S": 100.0}, (Latency, "hangs")),
)  # fmt: skip
OWNERS = (
    method("owner: others of its kind have one too", Ownership, "like_others", found_nothing),
    method("owner: kind of call, once tried", Ownership, "_by_call", found_nothing),
    method("owner: narrower scopes at all", Ownership, "pointed_at", found_nothing),
    constant("owner: pairs", ownership, {"PAIRS": 10**9}, _POINTED),
    constant("owner: two pairs, not one", ownership, {"PAIRS": 1}, _POINTED),
    method("owner: coincidence", Ownership, "_is_no_coincidence", never),
    constant("owner: tried at once where few", ownership, {"FEW": 0}, (Ownership, "tried_first")),
    constant("owner: trial ends when more is let through", ownership, {"TOO_MANY": math.inf},
             (Ownership, "fails_trial")),
    constant("guess: no long window of few calls", inference,
             {"FEWEST": dict.fromkeys(inference.FEWEST, 1)}, (inference, "explained")),
    constant("guess: tolerance of 15 %", inference, {"TOLERANCE": 0.0}, (inference, "_at_most")),
    constant("guess: 4 refusals in place of 8", inference, {"REFUSALS_KEPT": 4},
             (Attribution, "_conclude")),
    constant("guess: 16 refusals in place of 8", inference, {"REFUSALS_KEPT": 16},
             (Attribution, "_conclude")),
    constant("guess: windows of 10 s", inference, {"WINDOWS_S": (1.0, 60.0)},
             (inference, "infer")),
    constant("guess: a wait tells the window", inference, {"ROUNDED_UP_S": 10**9},
             (Attribution, "_conclude")),
    method("kinds: tested", Attribution, "_is_to_be_tested", never),
    constant("kinds: confirmed twice", kind_test, {"CONFIRMATIONS": 1},
             (Attribution, "test_passed")),
    method("kinds: a status is hurried", Dispatcher, "_hurry_a_test", nothing),
    method("kinds: the test goes first", FairQueue, "_kind",
           lambda self, lanes, _due_first: _KIND(self, lanes, due_first=False)),
    constant("exports: probe after 64 starts", concurrency, {"STARTS_BETWEEN_PROBES": 10**9},
             (ExportsLimit, "started")),
    constant("exports: probes farther apart", concurrency,
             {"MOST_STARTS_BETWEEN_PROBES": concurrency.STARTS_BETWEEN_PROBES},
             (ExportsLimit, "refused")),
)  # fmt: skip
STATUSES = (
    method("scouts", ExportDurations, "begins", never),
    constant("scouts: may take others' calls", timing, {"FIRST_ASK_S": 1e6}, (timing, "ask_at")),
    constant("scouts: doubt of the guess", scouts, {"DOUBT": 1e6}, (scouts.Reports, "add")),
    _without("statuses: sooner where places are wanted", Pressure.PLACES),
    _without("statuses: sooner for the last", Pressure.LAST),
    _without("statuses: likely is enough under a deadline", Pressure.DEADLINE),
    constant("statuses: later while few end", timing, {"WIDEST_AT_FIRST": 1.0},
             (timing, "_by_duration")),
    constant("statuses: no gap over 15.5 %", timing, {"WIDEST": 10.0}, (timing, "_by_duration")),
    method("statuses: planned anew when shorter", Statuses, "heard", _look_first),
    method("statuses: first look corrected", ExportDurations, "answered_first", nothing),
    method("statuses: certainty corrected", ExportDurations, "answered_certain", nothing),
    constant("statuses: later first look with percentages", durations,
             {"VERY_UNLIKELY": durations.UNLIKELY}, (ExportDurations, "percentage_seen")),
    method("statuses: percentages doubted", ExportDurations, "percentages_kept", nothing),
    method("statuses: percentages", ExportDurations, "are_percentages_believed", never),
    Mechanism("statuses: once more before a deadline",
              (Switch(timing, "before_deadline", lambda *_: math.inf),),
              (Function(timing, "before_deadline", math.isfinite),)),
    constant("statuses: early where percentages are far", timing, {"FINE": 0},
             (timing, "_by_percentage")),
    constant("turns: one in eight for what is due", fair_queue, {"TURNS_FOR_EXPORTS": 10**9},
             (FairQueue, "_kind")),
    constant("turns: one in eight, not every other", fair_queue, {"TURNS_FOR_EXPORTS": 1},
             (FairQueue, "_kind")),
)  # fmt: skip

MECHANISMS: tuple[Mechanism, ...] = (
    *BEGINNING, *STATED, *OTHERS, *ESTIMATED, *JITTER, *OWNERS, *STATUSES,
)  # fmt: skip
