"""What does the report of 100,000 servers cost to make, and to look at?

A run of as many servers, none or 5,000 of them failed, is made up. Its report is made from its
journal and, as at a run's end, from its state, each in a process of its own: size, time, CPU, and
the process's peak of memory. Chromium, without a GPU, opens it from disk: time from navigation
until the table is drawn, and until all is; sorting, filtering, and what the heap then holds.

With `--against VENV`, which has pytest and pytest-html (`python -m venv VENV; VENV/bin/pip install
pytest pytest-html`), the same is asked of a report of pytest-html with as many rows, and with a
tenth and a hundredth of them. Ends with 1 where one of ours is over its limit.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

SERVERS, FAILED = 100_000, 5_000
LARGEST_BYTES = 12 * 10**6
MADE_S = 5.0
PEAK_MIB = 300.0
SHOWN_S = 1.5
HEAP_MB = 150.0
ROUNDS = 3
GIVEN_UP_S = 120.0
"""How long another report may take before it is given up."""
WAYS = ("journal", "state")
CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser")
ROOT = Path(__file__).parents[1]

_TESTS = """
import pytest

@pytest.mark.parametrize("number", range({rows}))
def test_server(number):
    assert number % {one_in}, "the service refused: Insufficient permissions."
"""
_TIMED = """async (act) => {
  const began = performance.now();
  %s;
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return (performance.now() - began) / 1000;
}"""
"""Do something, and wait until the browser has drawn what comes of it."""
_SORT = """const order = document.getElementById("order");
  order.value = "%s"; order.dispatchEvent(new Event("change"))"""
_FILTER = """const search = document.getElementById("search");
  search.value = "%s"; search.dispatchEvent(new Event("input"))"""


@dataclass(frozen=True, slots=True)
class Made:
    """A report that was made in a process of its own."""

    bytes: int
    took_s: float
    cpu_s: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Looked:
    """What a person who opens a report waits for."""

    table_s: float
    all_s: float
    sort_s: float
    filter_s: float
    heap_mb: float


def main() -> int:
    """Measure, print tables, and tell whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=SERVERS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--against", type=Path, help="a venv that has pytest-html")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        _child(*arguments.child)
        return 0
    holds = True
    with tempfile.TemporaryDirectory() as name:
        for failed in (0, arguments.servers * FAILED // SERVERS):
            directory = _run(Path(name) / str(failed), arguments.servers, failed)
            print(f"\n{arguments.servers:,} servers, {failed:,} failed")
            for way in WAYS:
                holds &= _print_made(way, _best(way, directory, arguments.rounds))
            holds &= _print_looked(_looked(directory / "report.html", arguments.rounds))
        if arguments.against:
            for part in (100, 10, 1):
                _against(arguments.against, Path(name), arguments.servers // part)
    return int(not holds)


def _run(out: Path, servers: int, failed: int) -> Path:
    options = {"servers": servers, "failed": failed}
    made = subprocess.run(
        [
            *(sys.executable, "-m", "tests.support.big_run", "--out", str(out)),
            *(word for name, value in options.items() for word in (f"--{name}", str(value))),
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return Path(made.stdout.strip())


def _child(way: str, name: str) -> None:
    """Make a report in this process, and print what it cost."""
    from collector.report.series import Follower  # noqa: PLC0415  # what it loads is of its time
    from collector.rundir import report_file  # noqa: PLC0415  # as above
    from collector.rundir.standing import standing  # noqa: PLC0415  # as above

    directory, at = Path(name), "2026-11-24T08:41:03.000Z"
    if way == "journal":
        began, cpu = time.perf_counter(), time.process_time()
        _, file = report_file.report_of(directory, at=at)
    else:
        follower = Follower()
        found = standing(directory, follower.follow)
        began, cpu = time.perf_counter(), time.process_time()
        page = report_file.made(
            found.state, found.report, follower.series(), directory,
            at=at, manifest_sha256=found.manifest_sha256,
        )  # fmt: skip
        file = report_file.written(page, directory)
    made = {
        "bytes": file.bytes,
        "took_s": time.perf_counter() - began,
        "cpu_s": time.process_time() - cpu,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(made))


def _best(way: str, directory: Path, rounds: int) -> Made:
    """Make the report some times; return the quickest."""
    command = [sys.executable, "-m", "benchmarks.report", "--child", way, str(directory)]
    answers = (
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        for _ in range(rounds)
    )
    return min((Made(**json.loads(one.stdout)) for one in answers), key=lambda one: one.took_s)


def _print_made(way: str, made: Made) -> bool:
    print(
        f"  from its {way:8} {made.bytes / 1e6:5.1f} MB (at most {LARGEST_BYTES / 1e6:.0f}), "
        f"{made.took_s:5.2f} s ({MADE_S:.0f}; {made.cpu_s:.2f} s of CPU), "
        f"{made.peak_mib:4.0f} MiB ({PEAK_MIB:.0f})"
    )
    return made.bytes <= LARGEST_BYTES and made.took_s <= MADE_S and made.peak_mib <= PEAK_MIB


def _looked(report: Path, rounds: int) -> Looked:
    """Open a report some times; return the quickest."""
    with _browser() as browsers:
        return min(
            (_look(browser, report) for browser in (next(browsers) for _ in range(rounds))),
            key=lambda one: one.table_s,
        )


class _browser:  # noqa: N801  # a context manager, as `contextlib` makes them
    """Browsers, one after the other, each of which has seen nothing yet."""

    def __enter__(self) -> Iterator[Browser]:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415  # for this alone

        self._playing = sync_playwright().start()
        return self._all()

    def __exit__(self, *_: object) -> None:
        self._playing.stop()

    def _all(self) -> Iterator[Browser]:
        path = next(one for one in CHROMIUM if Path(one).exists())
        while True:
            browser = self._playing.chromium.launch(
                executable_path=path,
                args=["--no-sandbox", "--disable-gpu", "--disable-background-networking",
                      "--disable-component-update", "--no-first-run"],
            )  # fmt: skip
            yield browser
            browser.close()


def _look(browser: Browser, report: Path) -> Looked:
    tab = browser.new_context(viewport={"width": 1366, "height": 768}, offline=True).new_page()
    tab.goto(report.as_uri(), wait_until="commit")
    tab.wait_for_selector("html[data-ready=all]", timeout=GIVEN_UP_S * 1000)
    marks = tab.evaluate(
        "() => ['collector-table', 'collector-all'].map("
        "(name) => performance.getEntriesByName(name)[0].startTime / 1000)"
    )
    columns = tab.evaluate("() => [...document.getElementById('order').options].map(o => o.value)")
    sort_s = max(tab.evaluate(_TIMED % (_SORT % column)) for column in columns[:4])
    filter_s = max(tab.evaluate(_TIMED % (_FILTER % text)) for text in ("7", "bms-0999", "db"))
    return Looked(marks[0], marks[1], sort_s, filter_s, _heap_mb(tab))


def _heap_mb(tab: Tab) -> float:
    session = tab.context.new_cdp_session(tab)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float({one["name"]: one["value"] for one in metrics}["JSHeapUsedSize"]) / 1e6


def _print_looked(looked: Looked) -> bool:
    print(
        f"  in Chromium: table {looked.table_s:.2f} s ({SHOWN_S}), all {looked.all_s:.2f} s, "
        f"sorted {looked.sort_s:.2f} s, filtered {looked.filter_s:.2f} s ({SHOWN_S}), "
        f"heap {looked.heap_mb:.0f} MB ({HEAP_MB:.0f})"
    )
    slowest = max(looked.table_s, looked.sort_s, looked.filter_s)
    return slowest <= SHOWN_S and looked.heap_mb <= HEAP_MB


def _against(venv: Path, home: Path, rows: int) -> None:
    """Have pytest-html write a report of so many tests, and open it."""
    (home / "test_rows.py").write_text(_TESTS.format(rows=rows, one_in=SERVERS // FAILED))
    report = home / "pytest.html"
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    began = time.perf_counter()
    subprocess.run(
        [
            *(str(venv / "bin" / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("--tb=line", f"--html={report}", "--self-contained-html", "test_rows.py"),
        ],
        cwd=home,
        env=environ,
        check=False,
        capture_output=True,
    )
    made_s = time.perf_counter() - began
    print(
        f"\npytest-html, {rows:,} rows: {report.stat().st_size / 1e6:.1f} MB, tests and all in "
        f"{made_s:.0f} s"
    )
    with _browser() as browsers:
        print(f"  in Chromium: {_opened(next(browsers), report)}")


def _opened(browser: Browser, report: Path) -> str:
    from playwright.sync_api import Error  # noqa: PLC0415  # as above

    tab = browser.new_context(viewport={"width": 1366, "height": 768}, offline=True).new_page()
    tab.set_default_timeout(GIVEN_UP_S * 1000)
    try:
        began = time.perf_counter()
        tab.goto(report.as_uri(), wait_until="load")
        rows: Any = tab.evaluate(
            """async () => {
              const drawn = () => document.querySelectorAll("tbody.results-table-row").length;
              for (let before = -1; before !== drawn() || !drawn(); before = drawn())
                await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
              return drawn();
            }"""
        )
        drawn_s = time.perf_counter() - began
        sort_s = tab.evaluate(_TIMED % 'document.querySelector("th.sortable").click()')
        filter_s = tab.evaluate(
            _TIMED % "document.querySelector('input[data-test-result=passed]').click()"
        )
        heap = _heap_mb(tab)
    except Error as error:
        return f"given up after {GIVEN_UP_S:.0f} s ({str(error).splitlines()[0]})"
    return (
        f"{rows:,} rows {drawn_s:.1f} s, sorted {sort_s:.1f} s, filtered {filter_s:.1f} s, "
        f"heap {heap:.0f} MB"
    )


if __name__ == "__main__":
    sys.exit(main())
