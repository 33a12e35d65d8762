"""What does the live view cost? Part of a core that looking and drawing take.

A run is made up, by events: up to a hundred and twenty of them a second start, complete and store
exports, or fail. Each second it is looked at and drawn on a real terminal (200x50), as during a
collect, which draws less often what takes long. Counted is the processor time of these two, and of
what is told of failures. Ends with 1 over the limit.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import random
import statistics
import struct
import sys
import termios
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from collector.model import events as e
from collector.model.state import Phase, RunState, apply
from collector.observe import logs
from collector.observe.narration import Narrator
from collector.observe.progress import every_s
from collector.observe.screen import Screen
from collector.observe.streams import Stream
from collector.observe.terminal_text import TerminalText
from collector.observe.view import drawn
from collector.report.glance import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.model.rows import ServerRow

LIMIT = 0.02
SECONDS = 60
EVENTS = 120
COLUMNS, LINES = 200, 50
BEGAN = datetime(2026, 11, 29, 21, 40, tzinfo=UTC)
MESSAGES = ("Insufficient permissions.", "the gzip is damaged", "the BMC does not answer")


def main() -> int:
    """Measure, print a table, and tell whether the limit holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="that are played")
    arguments = parser.parse_args()
    os.environ["TERM"] = "xterm-256color"
    print(f"display: the live view at {COLUMNS}x{LINES}, what it takes")
    print(
        f"{'servers':>8}  {'projects':>8}  {'look':>8}  {'draw':>8}  {'of a core':>9}  {'worst':>8}"
    )
    rows = [
        measure(servers, projects, arguments.seconds)
        for servers, projects in ((1_000, 10), (10_000, 1), (10_000, 40), (10_000, 2_000))
    ]
    rows.append(measure(100_000, 400, arguments.seconds))
    return int(max(rows[:4]) > LIMIT)


def measure(servers: int, projects: int, seconds: int) -> float:
    """Play a run; return the part of a core that showing it takes."""
    with _Terminal() as stderr:
        state = RunState()
        run = _Run(state, servers, projects)
        narrator, watch = Narrator(state), Watch(state)
        terminal = TerminalText("utf-8")
        screen = Screen(stderr, terminal)
        stderr.above = lambda line, is_cut: screen.above(line, is_cut=is_cut)
        looks_s: list[float] = []
        draws_s: list[float] = []
        for second in range(1, seconds + 1):
            events = list(run.a_second(second))
            began_s = time.thread_time()
            for event in events:
                if isinstance(event, e.ServerFailed):
                    narrator.log(event)
            glance = watch.glance(run.now, arrived=state.bytes)
            looked_s = time.thread_time()
            screen.draw(drawn(glance, COLUMNS, LINES - 1 - LINES // 6, terminal))
            looks_s.append(looked_s - began_s)
            draws_s.append(time.thread_time() - looked_s)
    whole = [look + draw for look, draw in zip(looks_s, draws_s, strict=True)]
    part = sum(whole[1:]) / sum(map(every_s, whole[1:]))
    print(
        f"{servers:8,}  {projects:8,}  {_ms(looks_s)}  {_ms(draws_s)}  {part:9.2%}  "
        f"{max(whole[1:]) * 1000:5.1f} ms" + ("  OVER" if part > LIMIT else ""),
        flush=True,
    )
    return part


class _Run:
    """A run that goes on by events."""

    def __init__(self, state: RunState, servers: int, projects: int) -> None:
        self.now = BEGAN
        self._state = state
        self._chance = random.Random(servers)  # noqa: S311  # no secret
        self._apply(
            e.RunStarted(
                at=self._at, schema_version=1, run_id="r", collector_version="1", host="h",
                user="u", pid=1, argv=(), inventory_path="-", inventory_sha256="0" * 64, select=(),
                downloads=8, bytes_per_second=None,
            )
        )  # fmt: skip
        for number in range(projects):
            self._apply(
                e.ProjectSelected(
                    at=self._at, project=number, id=f"p{number}", name=f"project-{number}",
                    endpoint="https://bms.example", credential="ops", directory=f"p{number}",
                    requests_per_second=None, exports_in_flight=None, share=0.95,
                )
            )  # fmt: skip
        for number in range(servers):
            self._apply(
                e.ServerSelected(
                    at=self._at, server=number, project=number % projects, id=f"id-{number}",
                    name=f"bms-{number}", tags={}, directory=f"d/{number}", first=False,
                )
            )  # fmt: skip
        self._apply(e.SelectionEnded(at=self._at, servers=servers))
        self._busy: list[int] = []
        self._next = 0

    @property
    def _at(self) -> str:
        return self.now.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _apply(self, event: e.Event) -> e.Event:
        apply(self._state, event)
        return event

    def a_second(self, second: int) -> Iterator[e.Event]:
        """Let a second pass; yield what happened."""
        self.now = BEGAN + timedelta(seconds=second)
        for _ in range(min(EVENTS, len(self._state.servers) * 3 // SECONDS)):
            if self._state.pending:
                yield self._apply(self._event())
        for project in range(len(self._state.projects)):
            if project % 5 == second % 5:
                yield self._apply(
                    e.CallsCounted(at=self._at, project=project, calls=3, throttled=0)
                )

    def _event(self) -> e.Event:
        rows = self._state.servers
        if self._next < len(rows) and len(self._busy) < max(len(rows) // 4, 1):
            self._busy.append(self._next)
            self._next += 1
            return e.ExportRequested(at=self._at, server=self._busy[-1])
        place = self._chance.randrange(len(self._busy))
        row = rows[self._busy[place]]
        if row.phase.ended:
            self._busy[place] = self._busy[-1]
            self._busy.pop()
            return self._event()
        return self._step(row)

    def _step(self, row: ServerRow) -> e.Event:
        server, at = row.server, self._at
        if row.phase is Phase.REQUESTED:
            return e.ExportStarted(at=at, server=server, export_id=f"x{server}")
        if row.phase is Phase.EXPORTING and self._chance.random() < 0.1:
            return e.ServerFailed(
                at=at, server=server, stage="export", kind="forbidden", code=None,
                http_status=403, message=self._chance.choice(MESSAGES), request_id=None,
                attempts=1, hint="", polls=1,
            )  # fmt: skip
        if row.phase is Phase.EXPORTING:
            return e.ExportCompleted(at=at, server=server, polls=1)
        return e.ArchiveStored(
            at=at, server=server, path=f"d/{server}/a.tar.gz", file_name="a.tar.gz",
            bytes=1_000_000, sha256="0" * 64, members=10, covers_from=None, covers_to=None,
        )  # fmt: skip


class _Terminal:
    """A terminal that somebody reads, and a stream to it for stderr."""

    def __enter__(self) -> Stream:
        self._ours, self._theirs = pty.openpty()
        size = struct.pack("HHHH", LINES, COLUMNS, 0, 0)
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, size)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._file = open(self._theirs, "w", encoding="utf-8")  # noqa: PTH123  # of a descriptor
        self._stream = Stream(self._file)
        self._before, sys.stderr = sys.stderr, self._stream
        logs.set_up(verbosity=0, as_json=False)
        return self._stream

    def __exit__(self, *_error: object) -> None:
        sys.stderr = self._before
        self._file.close()

    def _read(self) -> None:
        try:
            while os.read(self._ours, 65536):
                pass
        except OSError:  # the other end is closed
            os.close(self._ours)


def _ms(times_s: list[float]) -> str:
    return f"{statistics.mean(times_s[1:]) * 1000:5.1f} ms"


if __name__ == "__main__":
    sys.exit(main())
