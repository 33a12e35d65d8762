"""Progress: a live display on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, Self

import anyio

from collector.engine.state import Phase
from collector.sizes import size

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import RenderableType
    from rich.live import Live

    from collector.engine.state import RunState

LIVE_EVERY_S = 0.25
PLAIN_EVERY_S = 5.0
_TROUBLES = 3
_LIVE_PROJECTS = 12
"""Projects that the live display has a line for; those with most to do come first."""


class Display(Protocol):
    """Shows a run until it ends."""

    async def show(self) -> None:
        """Go on showing until cancelled."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was found."""


def choose(kind: str, state: RunState) -> Display | None:
    """Return the display of a kind: `auto`, `live`, `plain`, or `none`, for which it is None."""
    if kind == "none":
        return None
    if kind == "live" or (kind == "auto" and sys.stderr.isatty()):
        return LiveDisplay(state)
    return PlainDisplay(state)


def counts(state: RunState, project: int | None = None) -> Counter[str]:
    """Count a run's servers, or a project's, by phase."""
    return Counter(row.phase for row in state.servers if project is None or row.project == project)


def trouble(state: RunState) -> str:
    """Say what holds a run up, in words that follow its counts; nothing where nothing does."""
    now = datetime.now(UTC).isoformat()
    held = [f"{one.endpoint} is down since {_clock(one.at)}" for one in state.down.values()]
    held += ["downloads wait for the disk"] if state.paused else []
    waits = [asked.until for asked in state.waits.values() if asked.until > now]
    held += [f"asked to wait until {_clock(max(waits))}"] if waits else []
    return "".join(f"; {one}" for one in held[:_TROUBLES])


def _clock(at: str) -> str:
    """Return the hours and minutes of a time that the journal tells."""
    return f"{at[11:16]} (UTC)"


class PlainDisplay:
    """A line every few seconds, and only where something has changed."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._last = ""
        self._began_s = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._write()

    async def show(self) -> None:
        """Write a line, wait, and again."""
        while True:
            await anyio.sleep(PLAIN_EVERY_S)
            self._write()

    def _write(self) -> None:
        line = self._line()
        if line == self._last:
            return
        self._last = line
        elapsed_s = time.monotonic() - self._began_s
        try:
            print(f"{elapsed_s:6.0f} s  {line}", file=sys.stderr, flush=True)  # noqa: T201
        except (BrokenPipeError, ValueError):
            return  # nobody reads it any more, and the run goes on

    def _line(self) -> str:
        state = self._state
        by_phase = counts(state)
        exporting = by_phase[Phase.REQUESTED] + by_phase[Phase.EXPORTING]
        parts = [
            f"{state.collected}/{len(state.servers)} collected",
            f"{by_phase[Phase.QUEUED]} waiting",
            f"{exporting} exporting",
            f"{by_phase[Phase.READY]} to download",
            f"{state.failed} failed",
            size(state.bytes),
        ]
        return ", ".join(parts) + trouble(state)


class LiveDisplay:
    """A table that a terminal shows in place: a line a project, and one for all."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._began_s = time.monotonic()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        from rich.console import Console  # noqa: PLC0415  # rich costs time that pipes need not pay
        from rich.live import Live  # noqa: PLC0415  # as above

        self._live = Live(
            self._table(), console=Console(stderr=True), auto_refresh=False, transient=False
        )
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.update(self._table(), refresh=True)
            self._live.__exit__(kind, error, traceback)

    async def show(self) -> None:
        """Draw the table, wait, and again."""
        while True:
            await anyio.sleep(LIVE_EVERY_S)
            if self._live is not None:
                self._live.update(self._table(), refresh=True)

    def _table(self) -> RenderableType:
        from rich.table import Table  # noqa: PLC0415  # as above

        state = self._state
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("project", overflow="ellipsis", no_wrap=True, max_width=24)
        for heading in ("servers", "waiting", "exporting", "download", "failed", "collected"):
            table.add_column(heading, justify="right", no_wrap=True)
        by_project: dict[int, Counter[str]] = {row.project: Counter() for row in state.projects}
        for row in state.servers:
            by_project[row.project][row.phase] += 1
        busiest = sorted(by_project, key=lambda project: -_open(by_project[project]))
        shown = sorted(busiest[:_LIVE_PROJECTS])
        if len(by_project) > 1:
            for project in shown:
                table.add_row(*_cells(state.projects[project].name, by_project[project]))
        hidden = len(by_project) - len(shown)
        name = f"all ({hidden} more)" if hidden else "all"
        total = sum(by_project.values(), Counter[str]())
        table.add_row(*_cells(name, total), style="bold")
        elapsed_s = time.monotonic() - self._began_s
        table.caption = f"{elapsed_s:.0f} s, {size(state.bytes)}" + trouble(state)
        table.caption_justify = "left"
        return table


def _open(phases: Counter[str]) -> int:
    return phases.total() - phases[Phase.COLLECTED] - phases[Phase.FAILED]


def _cells(name: str, phases: Counter[str]) -> list[str]:
    exporting = phases[Phase.REQUESTED] + phases[Phase.EXPORTING]
    numbers = (
        phases.total(), phases[Phase.QUEUED], exporting, phases[Phase.READY],
        phases[Phase.FAILED], phases[Phase.COLLECTED],
    )  # fmt: skip
    return [name, *map(str, numbers)]
