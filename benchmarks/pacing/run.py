"""All scenarios with all seeds, in processes, and the table of the worst."""

from __future__ import annotations

import argparse
import dataclasses
import fnmatch
import json
import multiprocessing
import os
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.pacing import baselines, promises, scenarios
from benchmarks.pacing.simulate import Result, simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.pacing.scenarios import Scenario

HEAD = (
    f"{'scenario':<34}{'class':<12}{'ratio':>7}{'limit':>6}{'throttled':>15}{'limit':>7}"
    f"{'home s':>8}{'of':>7}{'half':>5}{'calls':>8}{'polls':>6}{'late':>8}"
    f"{'fixed':>7}{'twice':>7}{'backoff':>8}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trialled:
    """What one scenario and seed came to.

    Attributes:
        reference_s: the makespan that ours is compared with.
        reference_home_s: the mean time home that ours is compared with; None where it is not.
        others: each baseline's makespan as a ratio to the bound; none where it was not run.
    """

    scenario: str
    seed: int
    kind: str
    bound_s: float
    bound_home_s: float
    reference_s: float
    reference_home_s: float | None
    ours: Result
    took_s: float
    others: dict[str, float | None] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Ours to what it is compared with."""
        return self.ours.makespan_s / self.reference_s

    @property
    def home_ratio(self) -> float:
        """The same of the mean time home; 1 where it is not compared."""
        return (
            1.0 if self.reference_home_s is None else self.ours.mean_home_s / self.reference_home_s
        )

    @property
    def bound_ratio(self) -> float:
        """Ours to the bound."""
        return self.ours.makespan_s / self.bound_s


def trialled(scenario: Scenario, seed: int, *, with_baselines: bool) -> Trialled:
    """Run one scenario with one seed."""
    began_s = time.perf_counter()
    trial = scenarios.Trial(scenario, seed)
    kind = scenario.kind if scenario.kind in scenarios.SPECIAL else trial.kind
    ours = simulate(trial)
    reference_s, reference_home_s = trial.bound.makespan_s, None
    if scenario.kind == "jitter":
        reference_s = baselines.best_fixed_rate(trial).makespan_s
    if scenario.kind == "unnamed":
        named = simulate(scenarios.Trial(scenario.named, seed))
        reference_s, reference_home_s = named.makespan_s, named.mean_home_s
    bound_s = trial.bound.makespan_s
    return Trialled(
        scenario=scenario.name,
        seed=seed,
        kind=kind,
        bound_s=bound_s,
        bound_home_s=sum(trial.bound.homes_s) / len(trial.bound.homes_s),
        reference_s=reference_s,
        reference_home_s=reference_home_s,
        ours=ours,
        took_s=time.perf_counter() - began_s,
        others=_others(trial) if with_baselines else {},
    )


def _others(trial: scenarios.Trial) -> dict[str, float | None]:
    rate = baselines.right_rate(trial)
    bound_s = trial.bound.makespan_s
    others: dict[str, float | None] = {"fixed": None, "twice": None}
    if rate is not None:
        others["fixed"] = baselines.fixed_rate(trial, rate).makespan_s / bound_s
        others["twice"] = baselines.fixed_rate(trial, 2 * rate).makespan_s / bound_s
    others["backoff"] = baselines.back_off(trial).makespan_s / bound_s
    return others


class Broken(NamedTuple):
    """A promise that was not kept: which, and by how much, to be compared with other seeds'."""

    what: str
    value: float
    limit: float

    def __str__(self) -> str:
        if self.value == self.limit:
            return self.what
        return f"{self.what}: {self.value:.4g}, limit {self.limit:.4g}"


def wrongs(scenario: Scenario, trial: Trialled) -> list[Broken]:
    """Return which promises are broken."""
    ours = trial.ours
    wrong = [Broken(ours.wrong, 0, 0)] if ours.wrong else []
    if trial.kind != scenario.kind:
        wrong.append(Broken(f"its class is {trial.kind}", 0, 0))
    if ours.home == 1 and trial.bound_ratio < promises.ORACLE_LEAST:
        wrong.append(
            Broken("the bound is none: beaten by", 1 - trial.bound_ratio, 1 - promises.ORACLE_LEAST)
        )
    measured = _measured(scenario, trial)
    return wrong + [broken for broken in measured if broken.value > broken.limit]


def _measured(scenario: Scenario, trial: Trialled) -> Iterator[Broken]:
    """Yield everything that has a limit, whether or not it is kept."""
    ours, promise = trial.ours, promises.promise(scenario)
    reference = {"jitter": "best fixed rate", "unnamed": "named"}.get(scenario.kind, "bound")
    yield Broken(f"mean time home to the {reference}'s", trial.home_ratio, promise.ratio)
    yield Broken(f"makespan to the {reference}'s", trial.ratio, promise.ratio)
    most = promise.throttled_most(ours.calls, ours.gates)
    yield Broken("calls throttled", ours.throttled, most)
    if scenario.even:
        yield Broken("ends of two projects differ by", ours.finish_gap, promises.GAP_MOST)
        yield Broken("shares of two projects differ by", ours.share_gap, promises.GAP_MOST)
    if scenario.kind == "noticing":
        yield Broken("noticed late, to what is allowed, by", ours.late_to_allowed_p95, 1.0)
        yield Broken("not home", 1 - ours.home, 1 - promises.HOME_LEAST)
    if scenario.polling:
        polling = promises.polling_promise(scenario.percents)
        yield Broken("noticed late by", ours.late_p95, polling.late_p95)
        yield Broken("polls", ours.polls, polling.polls)


def row(scenario: Scenario, trials: Sequence[Trialled]) -> str:
    """Return a scenario's line: the worst of each, means of what has no worst."""
    promise = promises.promise(scenario)

    def worst(value: Callable[[Trialled], float]) -> float:
        return max(value(trial) for trial in trials)

    def mean(value: Callable[[Trialled], float]) -> float:
        return sum(value(trial) for trial in trials) / len(trials)

    throttled = max(trials, key=lambda trial: trial.ours.throttled_share).ours
    others = trials[0].others
    beside = "".join(
        f"{'-' if (ratio := others.get(name)) is None else f'{ratio:.2f}':>{width}}"
        for name, width in (("fixed", 7), ("twice", 7), ("backoff", 8))
    )
    return (
        f"{scenario.name:<34}{scenario.kind:<12}{worst(lambda t: t.ratio):>7.3f}"
        f"{promise.ratio:>6.2f}{f'{throttled.throttled} = {throttled.throttled_share:.2%}':>15}"
        f"{promise.throttled_most(throttled.calls, throttled.gates):>7.0f}"
        f"{mean(lambda t: t.ours.mean_home_s):>8.0f}{mean(lambda t: t.bound_home_s):>7.0f}"
        f"{mean(lambda t: t.ours.home_at_half):>5.0%}{mean(lambda t: t.ours.calls):>8.0f}"
        f"{mean(lambda t: t.ours.polls):>6.2f}{worst(lambda t: t.ours.late_p95):>8.0%}{beside}"
    )


def notes(scenario: Scenario, trials: Sequence[Trialled]) -> list[str]:
    """Return what else is worth telling of a scenario, whether or not it is as promised."""
    told = []
    if scenario.even:
        ends = max(trial.ours.finish_gap for trial in trials)
        shares = max(trial.ours.share_gap for trial in trials)
        told.append(
            f"two projects: ends differ by {ends:.1%}, shares by {shares:.1%}, "
            f"limit {promises.GAP_MOST:.0%}"
        )
    if scenario.polling:
        limit = promises.polling_promise(scenario.percents)
        late = max(trial.ours.late_p95 for trial in trials)
        polls = max(trial.ours.polls for trial in trials)
        told.append(
            f"polling: {late:.1%} late, limit {limit.late_p95:.1%}; "
            f"{polls:.2f} polls, limit {limit.polls:g}"
        )
    if scenario.kind == "noticing":
        late_s = max(trial.ours.late_s_p95 for trial in trials)
        allowed = max(trial.ours.late_to_allowed_p95 for trial in trials)
        polls = max(trial.ours.polls for trial in trials)
        home = min(trial.ours.home for trial in trials)
        told.append(
            f"noticing: {late_s:.2f} s late, {allowed:.2f} of what is allowed; {polls:.2f} polls; "
            f"{home:.0%} home"
        )
    if scenario.kind == "unnamed":
        ratios = [trial.reference_s / trial.bound_s for trial in trials]
        home = max(trial.home_ratio for trial in trials)
        told.append(f"mean time home: {home:.3f}; named: up to {max(ratios):.2f} times the bound")
    if scenario.kind == "jitter":
        ratios = [trial.reference_s / trial.bound_s for trial in trials]
        told.append(f"best fixed rate: up to {max(ratios):.2f} times the bound")
    return told


def main(arguments: list[str]) -> int:
    """Run what was asked for; return 1 if a promise is broken."""
    options = _options(arguments)
    chosen = [
        scenario
        for scenario in scenarios.load()
        if fnmatch.fnmatch(scenario.name, options.only) and options.kind in (None, scenario.kind)
    ]
    tasks = [
        (scenario, scenario.seed + number, options.baselines and number == 0)
        for scenario in chosen
        for number in range(options.seeds)
    ]
    done: dict[str, list[Trialled]] = defaultdict(list)
    failed = 0
    began_s = time.perf_counter()
    print(HEAD)
    with multiprocessing.Pool(options.jobs) as pool:
        for trial in pool.imap(_task, tasks):
            done[trial.scenario].append(trial)
            if len(done[trial.scenario]) == options.seeds:
                scenario = next(s for s in chosen if s.name == trial.scenario)
                failed += _tell(scenario, done[trial.scenario])
    print(
        f"{len(chosen)} scenarios, {options.seeds} seeds each, the worst of them; {failed} fail; "
        f"{time.perf_counter() - began_s:.0f} s"
    )
    if options.json is not None:
        rows = [dataclasses.asdict(trial) for trials in done.values() for trial in trials]
        options.json.write_text(json.dumps(rows, indent=1))
    return 1 if failed or not chosen else 0


def _task(task: tuple[Scenario, int, bool]) -> Trialled:
    scenario, seed, with_baselines = task
    return trialled(scenario, seed, with_baselines=with_baselines)


def _tell(scenario: Scenario, trials: Sequence[Trialled]) -> bool:
    """Print a scenario's line and what is wrong; return whether anything is."""
    print(row(scenario, trials), flush=True)
    for note in notes(scenario, trials):
        print(f"    {note}")
    told: dict[str, list[tuple[Broken, int]]] = defaultdict(list)
    for trial in trials:
        for broken in wrongs(scenario, trial):
            told[broken.what].append((broken, trial.seed))
    for all_of_it in told.values():
        worst = max((broken for broken, _ in all_of_it), key=lambda broken: broken.value)
        seeds = ", ".join(str(seed) for _, seed in all_of_it)
        print(f"    {worst} (seed {seeds})", flush=True)
    return bool(told)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pacing", description=__doc__)
    parser.add_argument("--only", default="*", metavar="GLOB", help="scenarios of that name")
    parser.add_argument("--class", dest="kind", metavar="CLASS", help="scenarios of that class")
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="of each (10)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="processes")
    parser.add_argument(
        "--baselines", action=argparse.BooleanOptionalAction, default=True,
        help="run what others do beside it, with the first seed",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every result there")
    return parser.parse_args(arguments)
