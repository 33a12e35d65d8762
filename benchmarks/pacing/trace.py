"""One run over time, as CSV: what was sent and refused, what is believed, and what is true.

python -m benchmarks.pacing.trace NAME [--seed N] [--every SECONDS]

A line is a stretch of time; rates are calls a second. `believed` is the last limit learned of the
scope that the scenario limits, `true` what the gateway allows; both of the first project's account.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.pacing import scenarios
from benchmarks.pacing.simulate import Measured, is_throttled
from collector.model import events as e
from collector.model.answers import Call

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.pacing.scenarios import Trial
    from collector.model.actions import Request
    from collector.model.answers import Outcome


@dataclass(frozen=True, slots=True)
class Stretch:
    """What happened from `at_s` on for a while; the rates at its end."""

    at_s: float
    posts: int
    statuses: int
    downloads: int
    throttled: int
    believed: float | None
    true: float | None


class _Traced(Measured):
    """A run whose calls and beliefs are written down by stretch of time."""

    def __init__(self, trial: Trial, every_s: float) -> None:
        super().__init__(trial)
        self._every_s = every_s
        self._calls: dict[int, Counter[Call | str]] = {}
        self._learned: list[tuple[float, float]] = []
        limits = trial.scenario.limits
        self._kind = limits[0].kind if limits else None
        self._name = next(
            (s.name for s in trial.scenario.scopes(0, Call.START_EXPORT) if s.kind is self._kind),
            "",
        )

    def asked(self, action: Request, at_s: float) -> Outcome:
        """Return the service's answer, and count it."""
        answer = super().asked(action, at_s)
        counts = self._calls.setdefault(int(at_s // self._every_s), Counter())
        counts[action.call] += 1
        counts["throttled"] += is_throttled(answer)
        return answer

    def record(self, events: Iterable[e.Event]) -> None:
        """Make events part of the state, and keep what is learned of the limit."""
        events = list(events)
        super().record(events)
        for event in events:
            if isinstance(event, e.LimitLearned) and self._limits(event):
                self._learned.append((float(event.at), event.limit / event.window_s))

    def stretches(self) -> list[Stretch]:
        """Return the run, stretch by stretch."""
        limits = self.trial.limits
        told = []
        for number in range(max(self._calls, default=-1) + 1):
            counts, ends_s = self._calls.get(number, Counter()), (number + 1) * self._every_s
            believed = [rate for at_s, rate in self._learned if at_s < ends_s]
            told.append(
                Stretch(
                    number * self._every_s, counts[Call.START_EXPORT], counts[Call.ASK_STATUS],
                    counts[Call.FETCH_ARCHIVE], counts["throttled"],
                    believed[-1] if believed else None,
                    limits[0].limit_at(ends_s) / limits[0].window_s if limits else None,
                )
            )  # fmt: skip
        return told

    def _limits(self, event: e.LimitLearned) -> bool:
        return event.scope == self._kind and event.name == self._name


def trace(trial: Trial, every_s: float) -> tuple[list[Stretch], str]:
    """Return a run over time, and why it did not end well; empty where it did."""
    run = _Traced(trial, every_s)
    run.go()
    return run.stretches(), run.failure


def main(arguments: list[str]) -> int:
    """Print the CSV; return 1 for a run that did not end well."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pacing.trace", description=__doc__)
    parser.add_argument("name", help="of a scenario")
    parser.add_argument("--seed", type=int, help="(the scenario's first)")
    parser.add_argument("--every", type=float, default=10.0, help="seconds a line (10)")
    options = parser.parse_args(arguments)
    scenario = next((s for s in scenarios.load() if s.name == options.name), None)
    if scenario is None:
        parser.error(f"no scenario is named {options.name}")
    seed = scenario.seed if options.seed is None else options.seed
    stretches, wrong = trace(scenarios.Trial(scenario, seed), options.every)
    table = csv.writer(sys.stdout)
    table.writerow(["at_s", "posts", "statuses", "downloads", "throttled", "believed", "true"])
    for each in stretches:
        table.writerow(
            [each.at_s, each.posts, each.statuses, each.downloads, each.throttled, each.believed,
             each.true]
        )  # fmt: skip
    if wrong:
        print(wrong, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
