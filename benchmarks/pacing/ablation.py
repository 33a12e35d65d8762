"""What each mechanism of the engine is good for: it is switched off, and the scenarios run again.

    python -m benchmarks.pacing.ablation --into FILE [--only GLOB] [--mechanism GLOB] [--seeds N]

Everything else stays as it is, the seeds as well. A mechanism is run only in scenarios that reach
it: the first run of each notes which functions were called. Results are kept in the file, and what
is there is not run again. `mechanisms.py` lists them.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import fnmatch
import json
import multiprocessing
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.pacing import scenarios
from benchmarks.pacing.mechanisms import MECHANISMS
from benchmarks.pacing.run import Trialled, trialled, wrongs
from benchmarks.pacing.scenarios import Trial
from benchmarks.pacing.simulate import Result, simulate
from benchmarks.pacing.switches import Mechanism, reached

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.pacing.scenarios import Scenario

ON = "all on"
WORTH = 0.02
"""What gains less than this, of the makespan or of the mean time home, gains nothing."""
WORTH_REFUSALS = 0.002
"""The same of refusals, as a part of all calls,"""
FEW_REFUSALS = 2
"""but no less than so many more of them in a run."""
WORTH_LATENESS = 0.02
"""The same of how late ends are noticed, as a part of what is allowed."""
SURELY = 0.05
"""The same of a single run, where one is enough."""


class Task(NamedTuple):
    """One scenario with one seed, and what is switched off."""

    mechanism: str
    scenario: Scenario
    seed: int

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it from all others."""
        return self.mechanism, self.scenario.name, self.seed


class Effect(NamedTuple):
    """What switching a mechanism off did to one scenario, on average over its seeds.

    Attributes:
        makespan, home: of the makespan and the mean time home, as parts of them; more is worse.
        refused: calls refused more than before, as a part of all calls.
        refusals: the same in calls.
        late: how much later ends are noticed, as a part of what is allowed.
        broken: promises that are broken now, and were not.
    """

    scenario: str
    makespan: float
    home: float
    refused: float
    refusals: float
    late: float
    broken: int

    @property
    def matters(self) -> bool:
        """Whether the scenario gains from the mechanism."""
        refused = self.refused > WORTH_REFUSALS and self.refusals >= FEW_REFUSALS
        return max(self.makespan, self.home) >= WORTH or refused or self.late >= WORTH_LATENESS


def main(arguments: list[str]) -> int:
    """Run what is missing, and print the table."""
    options = _options(arguments)
    chosen = [
        dataclasses.replace(scenario, servers=min(scenario.servers, options.servers))
        for scenario in scenarios.load()
        if _is_any(scenario.name, options.only or ["*"])
        and not _is_any(scenario.name, options.without)
    ]
    listed = mechanisms = [m for m in MECHANISMS if _is_any(m.name, options.mechanism or ["*"])]
    done = _read(options.into)
    with multiprocessing.Pool(options.jobs) as pool:
        tasks = [
            Task(ON, one, one.seed + number) for one in chosen for number in range(options.seeds)
        ]
        _run(pool, tasks, done, options.into)
        for task in sorted(tasks, key=lambda task: done[task.key]["took_s"]):  # cheap ones first
            reach = done[task.key]["reached"]
            off = [task._replace(mechanism=one.name) for one in mechanisms if one.name in reach]
            _run(pool, off, done, options.into)
            if options.brief:
                mechanisms = [one for one in mechanisms if not _matters(one, task, done)]
    for line in _table(chosen, listed, done, options.seeds):
        print(line)
    return 0


def _is_any(name: str, globs: Sequence[str]) -> bool:
    return any(fnmatch.fnmatch(name, one) for one in globs)


def _run(
    pool: multiprocessing.pool.Pool,
    tasks: Sequence[Task],
    done: dict[tuple[str, str, int], dict[str, Any]],
    into: Path,
) -> None:
    missing = [task for task in tasks if task.key not in done]
    with into.open("a") as file:
        for task, result in zip(missing, pool.imap(_outcome, missing), strict=True):
            done[task.key] = result
            file.write(json.dumps([*task.key, result]) + "\n")
            file.flush()


def _outcome(task: Task) -> dict[str, Any]:
    if task.mechanism == ON:
        with reached(MECHANISMS) as names:
            return dataclasses.asdict(trialled(task.scenario, task.seed, with_baselines=False)) | {
                "reached": sorted(names)
            }
    mechanism = next(one for one in MECHANISMS if one.name == task.mechanism)
    with mechanism.off():
        try:
            return dataclasses.asdict(simulate(Trial(task.scenario, task.seed)))
        except Exception as error:  # noqa: BLE001  # what cannot do without it says so
            return dataclasses.asdict(Result(wrong=f"{type(error).__name__}: {error}"))


def _matters(
    mechanism: Mechanism, task: Task, done: dict[tuple[str, str, int], dict[str, Any]]
) -> bool:
    """Whether one run without it was so much worse that no mean is needed."""
    if (mechanism.name, *task.key[1:]) not in done:
        return False
    pair = _pair(mechanism, task.scenario, task.seed, done)
    effect = _effect(task.scenario, [pair])
    return effect.broken > 0 or max(effect.makespan, effect.home) >= SURELY


def _read(file: Path) -> dict[tuple[str, str, int], dict[str, Any]]:
    if not file.exists():
        return {}
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return {(mechanism, scenario, seed): result for mechanism, scenario, seed, result in lines}


def effects(
    mechanism: Mechanism,
    chosen: Sequence[Scenario],
    done: dict[tuple[str, str, int], dict[str, Any]],
    seeds: int,
) -> Iterator[Effect]:
    """Yield what switching a mechanism off does, for each scenario that it does anything in."""
    for scenario in chosen:
        pairs = [
            _pair(mechanism, scenario, seed, done)
            for seed in range(scenario.seed, scenario.seed + seeds)
            if (ON, scenario.name, seed) in done
        ]
        if any(off != on.ours for on, off in pairs):
            yield _effect(scenario, pairs)


def _pair(
    mechanism: Mechanism,
    scenario: Scenario,
    seed: int,
    done: dict[tuple[str, str, int], dict[str, Any]],
) -> tuple[Trialled, Result]:
    """Return a run with all switched on, and the same without the mechanism."""
    told = dict(done[ON, scenario.name, seed])
    del told["reached"]
    on = Trialled(**told | {"ours": Result(**told["ours"])})
    result = done.get((mechanism.name, scenario.name, seed))
    return on, on.ours if result is None else Result(**result)


def _effect(scenario: Scenario, pairs: Sequence[tuple[Trialled, Result]]) -> Effect:
    def mean(value: Callable[[Result], float]) -> tuple[float, float]:
        return (
            sum(value(on.ours) for on, _ in pairs) / len(pairs),
            sum(value(off) for _, off in pairs) / len(pairs),
        )

    def more(value: Callable[[Result], float]) -> float:
        before, after = mean(value)
        return after - before

    def part(value: Callable[[Result], float]) -> float:
        before, after = mean(value)
        return after / before - 1

    broken = 0
    for on, off in pairs:
        before = collections.Counter(one.what for one in wrongs(scenario, on))
        after = collections.Counter(
            one.what for one in wrongs(scenario, dataclasses.replace(on, ours=off))
        )
        broken += sum((after - before).values())
    late = scenario.polling or scenario.kind == "noticing"
    return Effect(
        scenario.name,
        part(lambda result: result.makespan_s),
        part(lambda result: result.mean_home_s),
        more(lambda result: result.throttled_share),
        more(lambda result: result.throttled),
        more(lambda result: result.late_to_allowed_p95) if late else 0.0,
        broken,
    )


def _table(
    chosen: Sequence[Scenario],
    mechanisms: Sequence[Mechanism],
    done: dict[tuple[str, str, int], dict[str, Any]],
    seeds: int,
) -> Iterator[str]:
    yield (
        "Without it, the worst and the best scenario: makespan; mean time home; calls refused "
        "more, of all; lateness of what is allowed; promises broken more (of scenarios times "
        f"seeds); scenarios that gain from it. {seeds} seeds."
    )
    for mechanism in mechanisms:
        found = list(effects(mechanism, chosen, done, seeds))
        yield f"{mechanism.name:<52}{_line(found)}"
        worst = sorted((one for one in found if one.matters), key=_weight, reverse=True)
        for one in worst[:3]:
            yield (
                f"    {one.scenario}: {one.makespan:+.1%}; {one.home:+.1%}; {one.refused:+.2%} "
                f"= {one.refusals:+.1f}; {one.late:+.2f}; {one.broken}"
            )


def _weight(effect: Effect) -> float:
    return max(effect.makespan, effect.home, 10 * effect.refused, effect.late)


def _line(found: Sequence[Effect]) -> str:
    if not found:
        return "  no effect at all"
    values: dict[str, list[float]] = defaultdict(list)
    for effect in found:
        for name, value in zip(Effect._fields[1:], effect[1:], strict=True):
            values[name].append(value)
    return (
        f"{max(values['makespan']):>+8.1%}{min(values['makespan']):>+8.1%}"
        f"{max(values['home']):>+8.1%}{min(values['home']):>+8.1%}"
        f"{max(values['refused']):>+9.2%}{min(values['refused']):>+8.2%}"
        f"{max(values['late']):>+7.2f}{min(values['late']):>+7.2f}"
        f"{sum(values['broken']):>5.0f}{sum(one.matters for one in found):>4} of {len(found)}"
    )


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pacing.ablation")
    parser.add_argument("--only", default=[], action="append", metavar="GLOB", help="scenarios")
    parser.add_argument("--without", default=[], action="append", metavar="GLOB", help="not these")
    parser.add_argument("--servers", type=int, default=10**6, metavar="N", help="at most so many")
    parser.add_argument("--brief", action="store_true", help="stop where it is seen to matter")
    parser.add_argument("--mechanism", default=[], action="append", metavar="GLOB", help="these")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="of each scenario (3)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="processes")
    parser.add_argument("--into", type=Path, required=True, metavar="FILE", help="keep results")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
