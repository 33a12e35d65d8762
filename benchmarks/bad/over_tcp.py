"""A fleet of which some servers misbehave, emulated in one process and collected by another."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COLLECTOR = (sys.executable, "-m", "collector")
PROJECTS = 3
SHORTEST_S, LONGEST_S = 0.3, 3.0
"""Of exports."""
OPTIONS = (
    "--stall-timeout", "5s", "--phase-timeout", "export=90s", "--max-attempts", "2",
    "--max-unpacked", "50MB", "--max-members", "1000", "--deadline", "180s",
)  # fmt: skip
"""So that whoever hangs, or fails for long, ends within a minute or two."""

COLLECTED = "collected"
WAITS = "waits"


class Way(NamedTuple):
    """One way to misbehave.

    Attributes:
        fault: the emulator's.
        ends: what becomes of the server: `COLLECTED`, the kinds of problem with which it may fail,
            or these and `WAITS`, where it is asked again for longer than this run lasts.
    """

    name: str
    fault: dict[str, Any]
    ends: tuple[str, ...]


def _ways() -> Iterator[Way]:
    quick: dict[str, tuple[str, ...]] = {
        "reset_before": ("cut",),
        "html": ("unreadable",),
        "bad_gateway": ("unreadable",),
        "unavailable": ("service_failed", "unreadable"),
        "error_500": ("service_failed",),
        "timeout_408": ("unreadable", "cut"),
        "no_content": ("unreadable",),
        "bad_redirect": ("unreadable", "bad_request", "link_refused", "cut"),
        "two_lengths": ("unreadable",),
        "length_and_chunks": ("unreadable",),
        "silent": ("cut",),
    }
    for call in ("export", "status", "download"):
        for name, ends in quick.items():
            yield Way(f"{call} {name}", {"name": name, "calls": [call]}, ends)
        for status in (401, 403, 404):
            fault = {"name": "html", "calls": [call], "status": status}
            yield Way(f"{call} page {status}", fault, ("unreadable",))
        yield Way(f"{call} late", {"name": "late", "calls": [call], "for_s": 2.0}, (COLLECTED,))
    for call in ("export", "status"):
        yield Way(f"{call} drip", {"name": "drip", "calls": [call]}, ("cut",))
    for name, ends in {
        "reset_after": ("cut",),
        "no_export_id": ("unreadable",),
        "expired_token": ("unauthenticated",),
        "no_permission": ("forbidden",),
        "unknown_id": ("unknown_server",),
        "bad_parameter": ("bad_request",),
        "not_ready": ("not_ready", WAITS),
        "conflict": ("not_ready", WAITS),
        "locked": ("not_ready", WAITS),
        "failed_export": ("export_failed",),
        "forgotten_export": ("forgotten", WAITS),
        "stuck_export": ("export_failed",),
        "many_headers": (COLLECTED,),
        "gzip_json": (COLLECTED,),
        "gbk_name": (COLLECTED,),
        "nul_name": (COLLECTED,),
        "huge_parameter": (COLLECTED,),
        "odd_charset": (COLLECTED,),
        "truncated": ("cut",),
        "truncated_chunked": ("cut", "invalid_archive"),
        "corrupt": ("invalid_archive",),
        "html_archive": ("unreadable", "invalid_archive"),
        "zip_archive": ("unreadable", "invalid_archive"),
        "plain_tar": ("invalid_archive",),
        "no_bytes": ("invalid_archive", "cut", "unreadable"),
        "empty": (COLLECTED, "invalid_archive"),
        "trailing_garbage": ("invalid_archive",),
        "bomb": ("too_large",),
        "huge_length": ("too_large", "cut"),
        "stalled": ("cut",),
    }.items():
        yield Way(name, {"name": name}, ends)
    yield Way("replica_lag", {"name": "replica_lag", "for_s": 2.0}, (COLLECTED,))
    yield Way("slow", {"name": "slow", "bytes_per_s": 500.0}, (COLLECTED,))
    many = {"name": "many_members", "count": 5000}
    yield Way("many_members", many, ("too_large",))


WAYS = tuple(_ways())


@dataclass(slots=True)
class Ended:
    """What a run came to, as its journal tells it, by the servers' ids.

    Attributes:
        homes_s: when each server was collected, since the run began.
        failed: with which kind of problem each other one failed.
        downs: what was said of endpoints that went down.
        code: with which the command ended.
    """

    homes_s: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    downs: list[str] = field(default_factory=list)
    code: int = 0


def chosen(servers: int, part: float, seed: int) -> list[int]:
    """Return which servers misbehave."""
    chance = random.Random(f"chosen {seed}")  # noqa: S311  # a simulation
    return sorted(chance.sample(range(servers), max(1, round(part * servers))))


def scenario(servers: Sequence[int], ways: dict[int, Way], seed: int) -> dict[str, Any]:
    """Return a scenario of the emulator, with these servers of a fleet."""
    chance = random.Random(f"durations {seed}")  # noqa: S311  # a simulation
    durations_s = [chance.uniform(SHORTEST_S, LONGEST_S) for _ in range(max(servers) + 1)]
    projects: list[dict[str, Any]] = [
        {"id": f"{project:032x}", "name": f"p{project}", "servers": []}
        for project in range(PROJECTS)
    ]
    for server in servers:
        row: dict[str, Any] = {"id": f"s{server}", "export_duration_s": durations_s[server]}
        if server in ways:
            row["faults"] = [ways[server].fault]
        projects[server % PROJECTS]["servers"].append(row)
    return {"seed": seed, "latency_s": 0.02, "projects": projects}


@contextmanager
def emulated(scene: dict[str, Any], home: Path) -> Iterator[None]:
    """Emulate a fleet, whose inventory is `fleet.json` in `home`."""
    (home / "scenario.json").write_text(json.dumps(scene))
    with subprocess.Popen(
        [*COLLECTOR, "emulator", "--scenario", "scenario.json", "--listen", "127.0.0.1:0",
         "--inventory", "fleet.json", "--json", "--quiet"],
        cwd=home, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stdout is not None  # noqa: S101  # it is a pipe
        process.stdout.readline()
        try:
            yield
        finally:
            process.terminate()
            process.stdout.read()


def collected(scene: dict[str, Any], *options: str) -> Ended:
    """Emulate a fleet, collect it with the command, and return what its journal tells."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        with emulated(scene, home):
            environ = os.environ | {
                "CLOUDDC_TOKEN": "emulator-token",
                "XDG_STATE_HOME": str(home / "state"),
            }
            code = subprocess.run(
                [*COLLECTOR, "collect", "fleet.json", "--progress", "none", "--quiet",
                 *OPTIONS, *options],
                cwd=home, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                check=False,
            ).returncode  # fmt: skip
        return told(home / "collected" / "latest" / "journal.jsonl", code)


def told(journal: Path, code: int) -> Ended:
    """Return what a journal tells of its run."""
    ended = Ended(code=code)
    ids: dict[int, str] = {}
    began_s = 0.0
    for line in journal.read_text().splitlines():
        event = json.loads(line)
        match event["event"]:
            case "SelectionEnded":
                began_s = _unix_s(event["at"])
            case "ServerSelected":
                ids[event["server"]] = event["id"]
            case "ArchiveStored":
                ended.homes_s[ids[event["server"]]] = _unix_s(event["at"]) - began_s
            case "ServerFailed":
                ended.failed[ids[event["server"]]] = event["kind"]
            case "EndpointWentDown":
                ended.downs.append(event["message"])
    return ended


def _unix_s(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
