# ruff: noqa: INP001  # a script, not a package
"""Makes the pictures of the README: the demo on a terminal, and its report in a browser.

    python docs/pictures.py

Both come from one run of `collector demo`, which takes about a minute. It needs Chromium. Each run
has its own numbers, so no test compares the pictures: make them anew when what they show changes.
"""

from __future__ import annotations

import contextlib
import copy
import fcntl
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import pyte
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE: Final = Path(__file__).resolve().parent
TERMINAL: Final = HERE / "pictures" / "terminal.svg"
REPORT: Final = HERE / "pictures" / "report.png"
COLLECTOR: Final = str(Path(sys.executable).with_name("collector"))
LINES, COLUMNS = 26, 100
TAKEN_AFTER_S: Final = 11.0
"""When the terminal's picture is taken: in the middle, when there is much to see."""
VIEW: Final = {"width": 1280, "height": 1690}
THEME: Final = TerminalTheme(
    (18, 22, 27),
    (230, 234, 239),
    [(60, 71, 83), (255, 143, 92), (85, 197, 154), (224, 187, 76),
     (125, 178, 255), (196, 167, 255), (110, 200, 215), (230, 234, 239)],
    [(120, 133, 148), (255, 143, 92), (85, 197, 154), (224, 187, 76),
     (125, 178, 255), (196, 167, 255), (110, 200, 215), (255, 255, 255)],
)  # fmt: skip
FRAME: Final = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font: {char_height}px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  line-height: {line_height}px; font-variant-east-asian: full-width;
}}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""
"""As rich draws it, but with the reader's own font: a picture loads nothing."""
NAMES: Final = {"brown": "yellow", "default": None}
"""Colours that rich calls by another name than pyte."""


def main() -> None:
    """Run the demo, and make both pictures of it."""
    with TemporaryDirectory() as temporary:
        here = Path(temporary) / "night"
        here.mkdir()
        picture = _on_terminal(here)
        TERMINAL.write_text(_svg(picture), encoding="utf-8")
        _in_browser(here / "demo" / "latest" / "report.html")


def _on_terminal(here: Path) -> Any:  # noqa: ANN401  # a screen of pyte, which has no types
    """Run the demo, and return its screen as it was in the middle."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    environment = {
        **os.environ, "TERM": "xterm-256color", "LOGNAME": "oncall", "XDG_STATE_HOME": str(here),
    }  # fmt: skip
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    taken = None
    began_s = time.monotonic()
    with subprocess.Popen(  # noqa: S603  # the installed command
        [COLLECTOR, "demo", "--progress", "live"], cwd=here, env=environment,
        stdout=theirs, stderr=theirs,
    ):  # fmt: skip
        os.close(theirs)
        with contextlib.suppress(OSError):  # how Linux ends a terminal that nobody writes to
            while piece := os.read(ours, 65536):
                stream.feed(piece)
                if taken is None and time.monotonic() - began_s > TAKEN_AFTER_S:
                    taken = copy.deepcopy(screen.buffer)
    os.close(ours)
    return taken


def _svg(buffer: Any) -> str:  # noqa: ANN401  # of pyte
    """Draw a screen."""
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    lines = [_line(buffer[row]) for row in range(LINES)]
    while lines and not lines[-1].plain.strip():
        lines.pop()
    for line in lines:
        console.print(line, no_wrap=True, crop=True)
    title = "collector demo"
    return console.export_svg(title=title, theme=THEME, code_format=FRAME, unique_id="terminal")


def _line(row: Any) -> Text:  # noqa: ANN401  # of pyte
    line = Text()
    for piece, style in _pieces(row):
        line.append(piece, style)
    line.rstrip()
    return line


def _pieces(row: Any) -> Iterator[tuple[str, Style]]:  # noqa: ANN401  # of pyte
    for at in range(COLUMNS):
        char = row[at]
        yield char.data, Style(
            color=_colour(char.fg), bgcolor=_colour(char.bg), bold=char.bold or None,
            italic=char.italics or None, reverse=char.reverse or None,
        )  # fmt: skip


def _colour(name: str) -> str | None:
    """A colour of pyte, as rich calls it."""
    if len(name) == 6 and all(digit in "0123456789abcdef" for digit in name):  # noqa: PLR2004
        return f"#{name}"
    name = NAMES.get(name, name) or ""
    return name.replace("bright", "bright_") or None


def _in_browser(report: Path) -> None:
    """Take a picture of the report, from its verdict to the timeline."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # a second to load

    path = shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        context = browser.new_context(viewport=VIEW, offline=True)  # type: ignore[arg-type]
        tab = context.new_page()
        tab.goto(report.resolve().as_uri())
        tab.wait_for_selector("html[data-ready=all]")
        tab.wait_for_timeout(500)
        tab.screenshot(path=REPORT)
        browser.close()


if __name__ == "__main__":
    main()
