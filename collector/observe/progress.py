"""Progress: a live display on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import os
import re
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, Self

import anyio

from collector.model.state import Phase
from collector.observe.streams import Stream
from collector.printable import one_line
from collector.sizes import size

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.text import Text

    from collector.model.state import RunState

LIVE_EVERY_S = 0.25
PLAIN_EVERY_S = 5.0
_TROUBLES = 3
_SIZE = re.compile("[1-9][0-9]{0,2}")
"""Valid values of COLUMNS and LINES."""
_LIVE_PROJECTS = 12
"""Projects shown in the live display, those with most to do first."""


class Display(Protocol):
    """Shows a run until it ends."""

    async def show(self) -> None:
        """Show it until cancelled."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Restore the terminal."""


def choose(kind: str, state: RunState) -> Display | None:
    """Return a display of this kind, or None for no display.

    Args:
        kind: `auto`, `live`, `plain` or `none`. `live` becomes `plain` if stderr is not a terminal
            that can be drawn on, or is JSON. With `--quiet`, `auto` becomes `none`.
        state: of the run.
    """
    stderr = sys.stderr if isinstance(sys.stderr, Stream) else Stream(sys.stderr)
    if kind == "none" or (kind == "auto" and stderr.quiet):
        return None
    if kind != "plain" and stderr.can_draw and not stderr.as_json:
        return LiveDisplay(state, stderr)
    return PlainDisplay(state, stderr)


def counts(state: RunState, project: int | None = None) -> Counter[str]:
    """Count a run's servers, or a project's, by phase."""
    return Counter(row.phase for row in state.servers if project is None or row.project == project)


def trouble(state: RunState) -> str:
    """Return what holds a run up, to be appended to its counts; empty if nothing does."""
    now = datetime.now(UTC).isoformat()
    held = [f"{one.endpoint} has been down since {_clock(one.at)}" for one in state.down.values()]
    held += ["downloads wait for the disk"] if state.paused else []
    waits = [asked.until for asked in state.waits.values() if asked.until > now]
    held += [f"asked to wait until {_clock(max(waits))}"] if waits else []
    return "".join(f"; {one}" for one in held[:_TROUBLES])


def _clock(at: str) -> str:
    """Return the hours and minutes of a journal's time."""
    return f"{at[11:16]} (UTC)"


class PlainDisplay:
    """A line every few seconds, if something has changed."""

    def __init__(self, state: RunState, stderr: Stream) -> None:
        self._state = state
        self._stderr = stderr
        self._last: tuple[dict[str, int], str] = ({}, "")
        self._began_s = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._write()

    async def show(self) -> None:
        """Write a line every few seconds until cancelled."""
        while True:
            await anyio.sleep(PLAIN_EVERY_S)
            self._write()

    def _write(self) -> None:
        now, held_up = self._counted(), trouble(self._state)
        if (now, held_up) == self._last:
            return
        self._last = now, held_up
        elapsed_s = time.monotonic() - self._began_s
        if self._stderr.as_json:
            held = {"held_up": held_up.removeprefix("; ")} if held_up else {}
            facts = {"elapsed_s": round(elapsed_s, 1), **now, **held}
            self._stderr.write_line("progress", "info", facts)
        else:
            self._stderr.write_line(f"{elapsed_s:6.0f} s  {_line(now)}{held_up}", "info")

    def _counted(self) -> dict[str, int]:
        state = self._state
        by_phase = counts(state)
        return {
            "servers": len(state.servers),
            "collected": state.collected,
            "waiting": by_phase[Phase.QUEUED],
            "exporting": by_phase[Phase.REQUESTED] + by_phase[Phase.EXPORTING],
            "to_download": by_phase[Phase.READY],
            "failed": state.failed,
            "bytes": state.bytes,
        }


def _line(now: Mapping[str, int]) -> str:
    return (
        f"{now['collected']}/{now['servers']} collected, {now['waiting']} waiting, "
        f"{now['exporting']} exporting, {now['to_download']} to download, "
        f"{now['failed']} failed, {size(now['bytes'])}"
    )


class _Screen:
    """The terminal for rich to draw on, bypassing the redirection of `Stream`."""

    def __init__(self, stderr: Stream) -> None:
        self._stderr = stderr
        self.encoding = stderr.file_encoding

    def write(self, text: str) -> int:
        """Draw."""
        self._stderr.draw(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""

    def isatty(self) -> bool:
        """Return true: otherwise there would be no live display."""
        return True


class LiveDisplay:
    """A table drawn in place: a row per project, and one for all."""

    def __init__(self, state: RunState, stderr: Stream) -> None:
        self._state = state
        self._stderr = stderr
        self._began_s = time.monotonic()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        from rich.live import Live  # noqa: PLC0415  # rich costs time that pipes need not pay

        self._live = Live(
            self._table(),
            console=_console(self._stderr),
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.__enter__()
        self._stderr.above = self._write_above
        return self

    def _write_above(self, line: str, _is_cut: bool) -> None:
        """Write a line above the display."""
        from rich.text import Text  # noqa: PLC0415  # as above

        if self._live is not None:
            self._live.console.print(Text.from_ansi(line))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stderr.flush()
        self._stderr.above = None
        if self._live is not None:
            self._live.update(self._table(), refresh=True)
            self._live.__exit__(kind, error, traceback)

    async def show(self) -> None:
        """Redraw the table several times a second until cancelled."""
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
        table.caption = _text(f"{elapsed_s:.0f} s, {size(state.bytes)}{trouble(state)}")
        table.caption_justify = "left"
        return table


def _open(phases: Counter[str]) -> int:
    return phases.total() - phases[Phase.COLLECTED] - phases[Phase.FAILED]


def _console(stderr: Stream) -> Console:
    """Return a console that ignores impossible sizes from the environment."""
    from rich.console import Console  # noqa: PLC0415  # as above

    environ = {name: os.environ.get(name, "") for name in ("TERM", "COLORTERM")}
    for name in ("COLUMNS", "LINES"):
        given = os.environ.get(name, "")
        if _SIZE.fullmatch(given):
            environ[name] = given
    return Console(
        file=_Screen(stderr),  # type: ignore[arg-type]  # writes and flushes: enough
        color_system="auto" if stderr.has_colours else None,
        force_terminal=True,
        force_interactive=True,
        force_jupyter=False,
        markup=False,
        emoji=False,
        highlight=False,
        _environ=environ,
    )


def _text(text: str) -> Text:
    """Return text for rich, without markup or control characters taking effect."""
    from rich.text import Text  # noqa: PLC0415  # as above

    return Text(one_line(text))


def _cells(name: str, phases: Counter[str]) -> list[Text]:
    exporting = phases[Phase.REQUESTED] + phases[Phase.EXPORTING]
    numbers = (
        phases.total(), phases[Phase.QUEUED], exporting, phases[Phase.READY],
        phases[Phase.FAILED], phases[Phase.COLLECTED],
    )  # fmt: skip
    return [_text(name), *(_text(str(number)) for number in numbers)]
