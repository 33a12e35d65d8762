"""Draws what is believed of a limit against what is true, for the documentation.

    python -m benchmarks.pacing.plot            # draws docs/pictures/limit-*.svg anew
    python -m benchmarks.pacing.plot --check    # changes nothing; exits 1 if one is stale

Each picture is the beginning of one run of the engine in virtual time: the same code draws the same
picture, to the byte.
"""

from __future__ import annotations

import math
import sys
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.pacing.chart import Area, Chart, Line
from benchmarks.pacing.gateway import Limit, Neighbour
from benchmarks.pacing.scenarios import Scenario, Trial
from benchmarks.pacing.simulate import Measured, is_throttled
from collector.model.answers import Call, ScopeKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.model.actions import Request
    from collector.model.answers import Outcome

PLACE = Path(__file__).resolve().parents[2] / "docs" / "pictures"
TOP_RATE = 15.0
"""The highest that is shown."""
STEPS = 400
"""Points of a smoothed line."""
TRUE, TAKEN = "#afb8c1", "#eaeef2"
BELIEVED, PASSED, REFUSED = "#bc4c00", "#0969da", "#cf222e"


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture: a limit of an account, and for how long the run is shown.

    Attributes:
        name: what it is about, in a word.
        title: what is seen in it.
        over_s: the calls let through are averaged over so long.
        shape: what a 429 says, as in `service`.
    """

    name: str
    title: str
    shape: str
    limit: Limit
    shown_s: float
    over_s: float

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"limit-{self.name}.svg"


PICTURES = (
    Picture(
        "told", "A 429 tells the limit: 10 calls in 1 s, halved, then doubled", "words",
        Limit(ScopeKind.USER, 10, 1.0, changes=((60.0, 5), (120.0, 10))),
        shown_s=180, over_s=3,
    ),
    Picture(
        "bare", "429s tell nothing; the limit is 100 calls in 10 s", "bare",
        Limit(ScopeKind.USER, 100, 10.0), shown_s=300, over_s=10,
    ),
    Picture(
        "changed", "429s tell nothing: 10 calls in 1 s, halved, then doubled", "bare",
        Limit(ScopeKind.USER, 10, 1.0, changes=((100.0, 5), (250.0, 10))),
        shown_s=400, over_s=5,
    ),
    Picture(
        "neighbour", "429s tell nothing; a neighbour takes half, ten seconds in twenty", "bare",
        Limit(ScopeKind.USER, 10, 1.0, neighbour=Neighbour()), shown_s=160, over_s=2,
    ),
)  # fmt: skip


@dataclass(slots=True)
class Seen:
    """What was seen of a run; times are those at which calls arrive.

    Attributes:
        believed: (time, calls a second) at each change; infinite while nothing is known.
    """

    passed_s: list[float] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)
    believed: list[tuple[float, float]] = field(default_factory=list)


class _Watched(Measured):
    """A run of which it is seen what the engine allows itself, and what becomes of it."""

    def __init__(self, trial: Trial) -> None:
        super().__init__(trial)
        self.seen = Seen()
        scopes = trial.scenario.scopes(0, Call.START_EXPORT)
        self._scope = next(one for one in scopes if one.kind is trial.limits[0].kind)

    def asked(self, action: Request, at_s: float) -> Outcome:
        """Return the service's answer, and write down what it is."""
        answer = super().asked(action, at_s)
        seen = self.seen
        (seen.refused_s if is_throttled(answer) else seen.passed_s).append(at_s)
        rate = self.scheduler._pacer.rate(self._scope)  # noqa: SLF001  # it is what is drawn
        if not seen.believed or seen.believed[-1][1] != rate:
            seen.believed.append((at_s, rate))
        return answer


def watch(picture: Picture) -> Seen:
    """Run the engine for as long as a picture shows."""
    servers = math.ceil(picture.limit.rate * picture.shown_s) + 200  # there is always one to start
    scenario = Scenario(
        name=picture.name, kind="shown", servers=servers, limits=(picture.limit,),
        shape=picture.shape,
    )  # fmt: skip
    run = _Watched(Trial(scenario, seed=1))
    run.run(picture.shown_s)
    return run.seen


def draw(picture: Picture) -> str:
    """Return a picture as SVG."""
    seen = watch(picture)
    chart = Chart(picture.title, picture.shown_s, TOP_RATE, "seconds", "calls a second")
    if picture.limit.neighbour is not None:
        chart.shade("taken by the neighbour", TAKEN, _taken(picture.limit, picture.shown_s))
    chart.add(Line("the limit", TRUE, _true(picture.limit), width=5, stepped=True))
    passed = _rates(picture, seen.passed_s)
    chart.add(Line(f"let through, over {picture.over_s:g} s", PASSED, passed))
    chart.add(Line("what collector allows itself", BELIEVED, seen.believed, stepped=True))
    calls = len(seen.refused_s) + len(seen.passed_s)
    chart.mark(f"refused: {len(seen.refused_s)} of {calls:,} calls", REFUSED, seen.refused_s)
    return chart.svg()


def _true(limit: Limit) -> list[tuple[float, float]]:
    times_s = [0.0, *(at_s for at_s, _ in limit.changes)]
    return [(at_s, limit.limit_at(at_s) / limit.window_s) for at_s in times_s]


def _taken(limit: Limit, shown_s: float) -> list[Area]:
    """Return what a neighbour takes, busy and idle in turn."""
    neighbour, areas, at_s = limit.neighbour, [], 0.0
    while neighbour is not None and at_s < shown_s:
        low = limit.rate * (1 - neighbour.part)
        areas.append(Area(at_s, at_s + neighbour.busy_s, low, limit.rate))
        at_s += neighbour.busy_s + neighbour.idle_s
    return areas


def _rates(picture: Picture, passed_s: Sequence[float]) -> list[tuple[float, float]]:
    """Return how many calls a second were let through in the stretch that ends at each time."""
    points = []
    for step in range(STEPS + 1):
        at_s = picture.shown_s * step / STEPS
        count = bisect_right(passed_s, at_s) - bisect_left(passed_s, at_s - picture.over_s)
        points.append((at_s, count / picture.over_s))
    return points


def main(arguments: Sequence[str]) -> int:
    """Write the pictures, or say which are stale; return the exit code."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: python -m benchmarks.pacing.plot [--check]", file=sys.stderr)
        return 2
    stale = 0
    for picture in PICTURES:
        path, svg = PLACE / picture.file, draw(picture)
        if not path.exists() or path.read_text(encoding="utf-8") != svg:
            stale += 1
            if not arguments:
                path.write_text(svg, encoding="utf-8")
            print(f"docs/pictures/{path.name} {'is stale' if arguments else 'was drawn anew'}")
    return 1 if stale and arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
