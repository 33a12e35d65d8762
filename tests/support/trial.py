"""Servers that misbehave beside healthy ones, collected by the installed command in one run."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from anyio.from_thread import start_blocking_portal

from tests.support.answers import archive_of, sane
from tests.support.command import Command
from tests.support.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from tests.support.wire import Script

WELL: Final = tuple(f"well-{number}" for number in range(8))
"""The healthy servers that stand among the others."""
AT_ONCE: Final = 5
"""Runs that go on side by side: mostly they wait."""
PATIENCE_S: Final = 45.0
"""A run that has not ended by then does not end, as far as a test can tell."""
_SAFE_NAME = r"(?!\.)[^/\\<>:\"|?*]{1,230}(?<!\.part)"
_MESSAGE_MAX = 600


@dataclass(frozen=True)
class Home:
    """It is collected: its archive is here, byte for byte.

    Attributes:
        posts: how many it takes.
        name: a pattern for the archive's name.
        content: the archive; None for the server's own.
        calls: how many calls of the kinds named it takes.
    """

    posts: int = 1
    name: str = _SAFE_NAME
    content: bytes | None = None
    calls: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Failed:
    """It has failed, after its tries and with its own reason.

    Attributes:
        stage, attempts: of the manifest's error; no number where any is right.
        kind: of the problem, or several of which any is right, as a pattern.
        saying: a pattern that the message holds.
        posts: how many it takes; where they are tried again, one more may not count, as long as
            it seems that nobody is answered. None where any number is right.
        advice: a pattern that the hint holds.
    """

    stage: str
    kind: str
    saying: str = ""
    posts: int | None = 1
    attempts: int | None = 2
    advice: str = ""


@dataclass(frozen=True)
class Member:
    """One server of a kind: how it misbehaves, and what becomes of it."""

    script: Script
    becomes: Home | Failed


Table = dict[str, Member]
Plan = partial["Trial"]
"""What makes a run, given a directory: `PLANS` of a module names those that its tests look at."""


@dataclass
class Trial:
    """A run that is over, and what the service saw of it.

    Attributes:
        code: the command's exit code; None where it did not end and was killed.
        out, err: what it printed; what is no UTF-8 as surrogates.
    """

    command: Command
    wire: Wire
    code: int | None
    out: str
    err: str

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["id"]: row for row in self.command.manifest()["projects"][0]["servers"]}

    @property
    def states(self) -> dict[str, str]:
        return {server: row["state"] for server, row in self.rows.items()}

    @property
    def problems(self) -> dict[str, str]:
        """The kind of problem that each failed server ended with."""
        lines = (self.command.latest / "journal.jsonl").read_text().splitlines()
        events = [event for event in map(json.loads, lines) if event["event"] == "ServerFailed"]
        return {self.wire.servers[event["server"]]: event["kind"] for event in events}

    def archive(self, server: str) -> bytes:
        path: str = self.rows[server]["archive"]["path"]
        return (self.command.latest / path).read_bytes()


@contextlib.contextmanager
def wired(wire: Wire, home: Path) -> Iterator[Command]:
    """The command beside a service of raw bytes, whose servers are in `fleet.json`."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(wire):
        (home / "fleet.json").write_text(json.dumps(wire.inventory()))
        yield Command(home, wire.token)


def collected(wire: Wire, home: Path, *arguments: str, patience_s: float = PATIENCE_S) -> Trial:
    """Collect all of it."""
    with (
        wired(wire, home) as command,
        command.start("collect", "fleet.json", *arguments, errors="surrogateescape") as process,
    ):
        try:
            out, err = process.communicate(timeout=patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            return Trial(command, wire, None, out, err)
        return Trial(command, wire, process.returncode, out, err)


def tried(table: Table, home: Path, *, most: int = 2, patience_s: float = PATIENCE_S) -> Trial:
    """Collect the servers of a table, and healthy ones among them: the first is a bad one.

    Args:
        table: how servers misbehave.
        home: where the command is run.
        most: tries of one step of one server.
        patience_s: as for `collected`.
    """
    scripts = {server: member.script for server, member in table.items()}
    wire = Wire(tuple(among(tuple(table), WELL)), sane, scripts)
    limits = ("--max-attempts", f"{most}", "--stall-timeout", "2s")
    return collected(wire, home, "-vv", *limits, patience_s=patience_s)


class Trials:
    """Runs that go on side by side while tests look at those that are over.

    Args:
        home: where each gets a directory of its own.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._runs: dict[str, Future[Trial]] = {}

    def begin(self, plans: Mapping[str, Plan]) -> None:
        """Begin runs, the most patient ones first.

        Args:
            plans: what makes each run, in a directory of its own.
        """
        for name in sorted(plans, key=lambda name: -plans[name].keywords.get("patience_s", 0.0)):
            (self._home / name).mkdir()
            self._runs[name] = self._pool.submit(plans[name], self._home / name)

    def __getitem__(self, name: str) -> Trial:
        """Return a run when it is over."""
        return self._runs[name].result()

    def close(self) -> None:
        """Begin no other, and wait for those under way."""
        self._pool.shutdown(cancel_futures=True)


def among(bad: Sequence[str], well: Sequence[str]) -> Iterator[str]:
    """Spread some servers evenly among others."""
    for at, server in enumerate(bad):
        yield server
        yield from well[at * len(well) // len(bad) : (at + 1) * len(well) // len(bad)]


def assert_became(trial: Trial, server: str, expected: Home | Failed) -> None:
    """What was to become of a server has become of it."""
    row = trial.rows[server]
    if isinstance(expected, Home):
        assert row["state"] == "collected", (row["error"], row["waiting"])
        whole = archive_of(server) if expected.content is None else expected.content
        assert trial.archive(server) == whole
        name = row["archive"]["file_name"]
        assert re.fullmatch(expected.name, name), ascii(name)
        assert name.isprintable(), ascii(name)
        for kind, count in expected.calls.items():
            assert len(trial.wire.called(server, kind)) == count, kind  # type: ignore[arg-type]
    else:
        assert row["state"] == "failed", row["waiting"]
        told = row["error"]
        assert re.fullmatch(expected.stage, told["stage"]), told
        assert re.fullmatch(expected.kind, trial.problems[server]), (trial.problems[server], told)
        assert re.search(expected.saying, told["message"]), told["message"]
        assert re.search(expected.advice, told["hint"]), told["hint"]
        # Tries do not count that fail while the endpoint seems to answer nobody.
        fewest = expected.attempts or 1
        assert fewest <= told["attempts"] <= fewest + 2 or expected.attempts is None, told
        assert told["message"].isprintable()
        assert 0 < len(told["message"]) <= _MESSAGE_MAX
    posts, least = trial.wire.posts(server), expected.posts
    if least is not None:
        most = least + (isinstance(expected, Failed) and least > 1)
        assert least <= posts <= most, f"{posts} POSTs, not {least}: {row['error']}"


def assert_in_order(trial: Trial) -> None:
    """The run ended by itself, said so by its exit code, and printed nothing raw."""
    assert trial.code is not None, f"it does not end: {trial.states}"
    states = set(trial.states.values())
    expected = 0 if states == {"collected"} else 3 if "collected" in states else 4
    assert trial.code == expected, trial.err[-2000:]
    assert_printable(trial.out)
    assert_printable(trial.err)
    assert "Traceback" not in trial.err
    assert {path.name for path in trial.command.home.iterdir()} <= {
        "fleet.json", "collected", "state",
    }  # fmt: skip
    assert trial.command.verify()["ok"]


def assert_printable(text: str) -> None:
    """No control character, no escape and no odd byte reaches whoever reads it."""
    raw = [line for line in text.split("\n") if not line.isprintable()]
    assert not raw, [ascii(line) for line in raw[:3]]


def assert_the_others_are_home(trial: Trial, servers: Sequence[str] = WELL) -> None:
    """Each of them at the first try."""
    for server in servers:
        assert_became(trial, server, Home())
