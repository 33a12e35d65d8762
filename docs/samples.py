# ruff: noqa: INP001  # a script, not a package
"""Writes the samples of output that the documentation shows, as the command prints them today.

    python docs/samples.py           # records them anew, and rewrites the pages that are stale

A sample stands between `<!-- begin: sample NAME -->` and `<!-- end: sample NAME -->`. It comes from
a real run of the installed command beside the emulator. Two that differ in numbers, times and
identifiers alone are the same: a page is rewritten only where words have changed.
"""

from __future__ import annotations

import getpass
import gzip
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from anyio.from_thread import start_blocking_portal

from collector.emulator import Emulator, Scenario, Throttle, demo_fleet, fleet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from collector.emulator import ServerSpec

HERE = Path(__file__).resolve().parent
COLLECTOR = str(Path(sys.executable).with_name("collector"))
TOKEN = "emulator-token"  # noqa: S105  # no secret: it opens the emulator alone
PATIENCE_S = 60.0
SECTION = re.compile(
    r"(?P<begin><!-- begin: sample (?P<name>[^>]+) -->\n).*?"
    r"(?P<end><!-- end: sample (?P=name) -->)",
    re.DOTALL,
)
AS_A_DEMO = """
from pathlib import Path
from msgspec.structs import replace
from collector.cli.rendering.summary import summed_up
from collector.rundir.standing import standing
here = Path.cwd()
(here / "collected").rename("demo")
summary = standing((here / "demo" / "latest").resolve()).summary()
run = replace(summary.run, argv=["collector", "demo"])
print(*summed_up(replace(summary, run=run)), sep="\\n")
(here / "demo").rename("collected")
"""
"""Shows a run as the demo does, which has no service to go on with."""
_VARIABLE = re.compile(
    r"\d{8}T\d{6}Z-\w{4}|\b(?=[0-9a-f-]*\d)[0-9a-f]{4,}(?:-[0-9a-f]{2,})*\b"
    r"|\d+ (?:h|min|s)\b(?: \d+ (?:min|s)\b)*|[\d.]+(?: [kMG]?B\b)?"
)
"""Names of runs, hashes, ids, times, numbers and sizes."""


class Place:
    """A directory in which the command is run, and what it is run with."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.lower().endswith("_proxy") and name not in ("COLUMNS", "NO_COLOR")
        } | {"CLOUDDC_TOKEN": TOKEN, "XDG_STATE_HOME": str(home / "state")}
        # What a person pastes is `collector`, as is where it was installed.
        path = f"{Path(COLLECTOR).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        self.environment["PATH"] = path

    @contextmanager
    def start(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Start the command; it is gone when the context is left."""
        with subprocess.Popen(  # noqa: S603  # our own command
            [COLLECTOR, *arguments], cwd=self.home, env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                process.kill()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=PATIENCE_S)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


@contextmanager
def beside(scenario: Scenario, place: Place) -> Iterator[Emulator]:
    """Serve an emulator whose fleet is in `fleet.json`."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Emulator(scenario)) as emulator,
    ):
        (place.home / "fleet.json").write_text(json.dumps(emulator.inventory()))
        yield emulator


# Each of these records some samples in a directory of its own.


def a_finished_run(place: Place) -> Iterator[tuple[str, str]]:
    """The demo's fleet, with nothing in it that takes time: the faults that last remain."""
    scenario = demo_fleet.scenario()
    projects = tuple(
        replace(one, servers=tuple(map(_lasting, one.servers))) for one in scenario.projects
    )
    scenario = replace(scenario, projects=projects, throttles=(), export_duration_s=0.0)
    with beside(scenario, place):
        ended = place.run("collect", "fleet.json", "--log-format", "json", "--progress", "none")
        one = ("--select", "name=bms-006", "--progress", "none", "--out", "another")
        short = place.run("collect", "fleet.json", *one).stderr.splitlines()
    yield "short line", next(line for line in short if "Insufficient" in line)
    demo = [sys.executable, "-c", AS_A_DEMO]
    shown = subprocess.run(  # noqa: S603  # our own program
        demo, cwd=place.home, env=place.environment, capture_output=True, text=True, check=True
    )  # fmt: skip
    yield "demo", shown.stdout
    yield "failed", textwrap.dedent(_in(ended.stdout, r"(^  [^\n]*Insufficient.*?)^  \S"))
    logs = [json.loads(line) for line in ended.stderr.splitlines() if line.startswith("{")]
    log = next(line for line in logs if line.get("code") == "iMetal.0004")
    yield "log line", "\n ".join(textwrap.wrap(json.dumps(log), 100, break_on_hyphens=False))
    run = next(one for one in (place.home / "collected").iterdir() if one.name.startswith("20"))
    yield "verified", place.run("verify").stdout
    with gzip.open(run / "members.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield "member", min(line for line in lines if '"name":"var/log/messages"' in line)
    journal = json.loads((run / "manifest.json").read_bytes())["run"]["journal"]
    chain = _in(_page("how-to/verify.md"), r"^```python\n(.*?)^```")
    checked = subprocess.run(  # noqa: S603  # the page's own program
        [sys.executable, "-c", chain, str(run / "journal.jsonl")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    yield "chain", f"{checked.stdout}{journal['lines']} {journal['head']}\n"
    altered = place.home / "altered"
    shutil.copytree(run, altered)
    archives = sorted(altered.glob("*/*/*.tar.gz"))
    archives[0].unlink()
    content = bytearray(archives[1].read_bytes())
    content[-6] ^= 1  # in the checksum at the end of the gzip
    archives[1].write_bytes(content)
    (altered / "extra").write_text("anything\n")
    yield "mismatches", place.run("verify", "altered").stdout


def _lasting(server: ServerSpec) -> ServerSpec:
    return replace(server, faults=tuple(fault for fault in server.faults if not fault.times))


def a_run_that_met_its_deadline(place: Place) -> Iterator[tuple[str, str]]:
    """Six servers are quick, and the others are not."""
    ready = fleet(servers=30, projects=1, archive_bytes=20_000, export_duration_s=3600.0)
    (project,) = ready.projects
    quick = [replace(server, export_duration_s=0.0) for server in project.servers[:6]]
    servers = (*quick, *project.servers[6:])
    with beside(replace(ready, projects=(replace(project, servers=servers),)), place):
        yield "deadline", place.run("collect", "fleet.json", "--deadline", "12s").stdout


def a_run_that_was_killed(place: Place) -> Iterator[tuple[str, str]]:
    """One server is quick, and the process is killed when that is here."""
    ready = fleet(servers=30, projects=1, archive_bytes=20_000, export_duration_s=3600.0)
    (project,) = ready.projects
    first = replace(project.servers[0], export_duration_s=0.0)
    servers = (first, *project.servers[1:])
    with beside(replace(ready, projects=(replace(project, servers=servers),)), place) as emulator:
        with place.start("collect", "fleet.json") as process:
            _wait(lambda: " 1/30 " in place.run("runs").stdout)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        del emulator
    yield "runs", place.run("runs").stdout
    stranger = Place(place.home)
    stranger.environment["XDG_STATE_HOME"] = str(place.home / "another user's")
    yield "untrusted", stranger.run("collect", "--resume", "latest").stderr


def what_was_learned(place: Place) -> Iterator[tuple[str, str]]:
    """A service that tells its limit."""
    scenario = fleet(
        servers=24, projects=1, archive_bytes=10_000, export_duration_s=0.3,
        throttles=(Throttle("user", 12, 1.0),),
    )  # fmt: skip
    with beside(scenario, place):
        place.run("collect", "fleet.json")
    shown = place.run("status", "-v").stdout.partition("Learned:\n")
    yield "learned", shown[1] + shown[2].partition("\n\n")[0]


def an_endpoint_that_is_down(place: Place) -> Iterator[tuple[str, str]]:
    """`status`, while nobody listens where the fleet is said to be."""
    with beside(fleet(servers=4, projects=1), place):
        pass
    with place.start("collect", "fleet.json") as process:
        _wait(lambda: "(UTC), for" in " ".join(place.run("status").stdout.split()))
        shown = place.run("status").stdout
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)
    yield "down", shown


def inventories(place: Place) -> Iterator[tuple[str, str]]:
    """The quick start's inventory, and one that is wrong in three places."""
    shown = re.search(
        r"^```yaml\n(version: 1.*?)^```", _page("quickstart.md"), re.MULTILINE | re.DOTALL
    )
    good = shown[1] if shown else ""
    (place.home / "fleet.yaml").write_text(good)
    yield "checked", place.run("inventory", "check", "fleet.yaml").stdout
    bad = good.replace("version: 1", "version: 2").replace("cn-east-3", "cn-east-9")
    (place.home / "bad.yaml").write_text(bad.replace("servers:", "servrs:"))
    mistakes = place.run("inventory", "check", "bad.yaml").stderr
    yield "mistakes", mistakes
    (region,) = (line for line in mistakes.splitlines() if "region" in line)
    yield "mistake", region.replace("bad.yaml", "fleet.yaml")
    near = place.run("plan", "fleet.yaml", "--first", "name=bms-0O1")
    yield "near", near.stderr.partition("warning: ")[2]


def the_emulator(place: Place) -> Iterator[tuple[str, str]]:
    """What it says to a person, and to a program."""
    arguments = ("emulator", "--listen", "127.0.0.1:0", "--inventory", "fleet.json")
    with place.start(*arguments) as process:
        assert process.stderr is not None  # noqa: S101  # a pipe was asked for
        yield "emulator", "".join(itertools.takewhile(str.strip, process.stderr))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
    with place.start(*arguments, "--json") as process:
        assert process.stdout is not None  # noqa: S101  # as above
        yield "emulator json", process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)


RECORDINGS: Sequence[Callable[[Place], Iterator[tuple[str, str]]]] = (
    a_finished_run,
    a_run_that_met_its_deadline,
    a_run_that_was_killed,
    an_endpoint_that_is_down,
    what_was_learned,
    inventories,
    the_emulator,
)


def recorded() -> dict[str, str]:
    """Record every sample, side by side: most of the time they wait."""
    with TemporaryDirectory() as root, ThreadPoolExecutor(len(RECORDINGS)) as pool:

        def record(recording: Callable[[Place], Iterator[tuple[str, str]]]) -> dict[str, str]:
            home = Path(root, recording.__name__)
            home.mkdir()
            return {name: _shown(text, home) for name, text in recording(Place(home))}

        return {name: text for one in pool.map(record, RECORDINGS) for name, text in one.items()}


def alike(one: str, other: str) -> bool:
    """Whether two samples say the same, numbers, times and identifiers aside."""
    return _words(one) == _words(other)


def with_samples(text: str, samples: Mapping[str, str]) -> str:
    """Return a page's text with its samples as they are now.

    Raises:
        LookupError: a sample's name is none that is recorded.
    """

    def fresh(section: re.Match[str]) -> str:
        if section["name"] not in samples:
            raise LookupError(f"no sample {section['name']!r}; there are {', '.join(samples)}")
        language = "json" if samples[section["name"]].startswith("{") else "text"
        sample = f"```{language}\n{samples[section['name']]}```\n"
        made = f"{section['begin']}{sample}{section['end']}"
        return section[0] if alike(section[0], made) else made

    return SECTION.sub(fresh, text)


def pages() -> Iterator[Path]:
    """Yield every page that may show a sample."""
    yield HERE.parent / "README.md"
    yield from sorted(HERE.rglob("*.md"))


def _words(text: str) -> list[str]:
    # A line may break elsewhere where a number is longer.
    return _VARIABLE.sub("N", text).replace("-> ", "").split()


def _shown(text: str, home: Path) -> str:
    """A sample as a reader's own machine would print it."""
    text = text.replace(str(home), "/home/ops")
    text = text.replace(f" by {getpass.getuser()}@{socket.gethostname()}", " by ops@bastion")
    text = re.sub(r"127\.0\.0\.1(:| port )\d+", r"127.0.0.1\g<1>18080", text)
    return f"{text.rstrip()}\n"


def _page(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _in(text: str, pattern: str) -> str:
    found = re.search(pattern, text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise LookupError(f"nothing looks like {pattern!r} in {text!r}")
    return found[1]


def _wait(until: Callable[[], Any]) -> None:
    give_up_s = time.monotonic() + PATIENCE_S
    while not until():
        if time.monotonic() > give_up_s:
            raise TimeoutError("what was to be recorded does not come")
        time.sleep(0.05)


def main() -> None:
    """Record the samples, and rewrite the pages that show others."""
    samples = recorded()
    for page in pages():
        text = page.read_text(encoding="utf-8")
        fresh = with_samples(text, samples)
        if fresh != text:
            page.write_text(fresh, encoding="utf-8")
            sys.stdout.write(f"{page.relative_to(HERE.parent)} was rewritten\n")


if __name__ == "__main__":
    main()
