"""What does the manifest of 100,000 servers cost, against one made of plain dictionaries?

A run's state, nine servers in ten of it collected, is written as a manifest row by row, as a run
does it: once from the typed report, once from dictionaries by the standard library's `json`, as the
program did it before there were types. Rounds are pairs in turn; processor time and the peak of
memory above the state's are compared, and both must be the same file. Ends with 1 where the types
cost more.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import statistics
import sys
import tempfile
import time
import tracemalloc
from itertools import islice
from operator import truediv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from collector.model import events as e
from collector.model.state import RunState, apply
from collector.report.building import Report
from collector.rundir import manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collector.model.rows import ServerRow

SERVERS = 100_000
PROJECTS = 10
HEAD = "0" * 64
AT = "2026-11-23T08:41:03Z"
SPARE_BYTES = 256 << 10
"""By so much two peaks of memory differ that are the same."""
_text = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def folded(servers: int) -> RunState:
    """Return the state of a run that has ended: of 20 servers one failed, and one is pending."""
    state = RunState()
    for event in _history(servers):
        apply(state, event)
    return state


def _history(servers: int) -> Iterator[e.Event]:
    yield e.RunStarted(
        at=AT, schema_version=1, run_id="20261123T084103Z-7f3a", collector_version="0.1.0",
        host="ops-1", user="oncall", pid=1, argv=("collector", "collect", "fleet.yaml"),
        inventory_path="fleet.yaml", inventory_sha256=HEAD, select=(), downloads=8,
        bytes_per_second=None,
    )  # fmt: skip
    for project in range(PROJECTS):
        yield e.ProjectSelected(
            at=AT, project=project, id=f"{project:032x}", name=f"project-{project}",
            endpoint="https://clouddc.example.com", credential="ops",
            directory=f"project-{project}", requests_per_second=None, exports_in_flight=None,
            share=0.95,
        )  # fmt: skip
    for server in range(servers):
        project = server * PROJECTS // servers
        yield e.ServerSelected(
            at=AT, server=server, project=project, id=f"7d9c1e0e-0000-4000-8000-{server:012d}",
            name=f"bms-{server}", tags={"role": "db", "rack": f"r{server % 100}"},
            directory=f"project-{project}/bms-{server}", first=False,
        )  # fmt: skip
    for server in range(servers):
        if server % 20:
            yield from _collected(server, f"project-{server * PROJECTS // servers}/bms-{server}")
        elif server % 40:
            yield e.ServerFailed(
                at=AT, server=server, stage="export", kind="unknown_server", code="iMetal.0100",
                http_status=404, message="the API does not know this server", request_id="r-1",
                attempts=1, hint="check the server's id", polls=0,
            )  # fmt: skip
    yield e.RunEnded(at=AT, reason="stopped")


def _collected(server: int, directory: str) -> Iterator[e.Event]:
    yield e.ExportRequested(at=AT, server=server)
    yield e.ExportStarted(at=AT, server=server, export_id=f"x{server}")
    yield e.ExportCompleted(at=AT, server=server, polls=3)
    name = f"SN{server}-dump.tar.gz"
    yield e.ArchiveStored(
        at=AT, server=server, path=f"{directory}/{name}", file_name=name, bytes=3_300_000,
        sha256=f"{server:064x}", members=17, covers_from=AT, covers_to=AT,
    )  # fmt: skip


def as_dictionaries(state: RunState, directory: Path) -> str:
    """Write the same manifest from dictionaries; return its hash."""
    digest = hashlib.sha256()
    with (directory / "dictionaries.json").open("wb") as file:
        pieces = _pieces(state.copied())
        while block := "".join(islice(pieces, 100)).encode():
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _pieces(state: RunState) -> Iterator[str]:
    report = Report(state, lines=1, head=HEAD)
    head, projects = report.head.as_json(), report.projects
    del report
    rows: list[list[ServerRow]] = [[] for _ in state.projects]
    for row in state.servers:
        rows[row.project].append(row)
    yield "{"
    for name, value in head.items():
        yield f"{_text(name)}: {_text(value)},\n "
    yield '"projects": ['
    comma = ""
    for number, project in enumerate(projects):
        yield f'{comma}\n  {_text(project.as_json())[:-1]}, "servers": ['
        comma = ""
        for row in rows[number]:
            yield f"{comma}\n    {_text(_row(row))}"
            comma = ","
        yield "]}"
        comma = ","
    yield "]}\n"


def _row(row: ServerRow) -> dict[str, Any]:
    export, archive, failure = row.export, row.archive, row.failure
    return {
        "id": row.id,
        "name": row.name,
        "tags": dict(row.tags),
        "state": row.phase.value if row.phase.ended else "pending",
        "export": export and {
            "id": export.id, "requested_at": export.requested_at,
            "completed_at": export.completed_at, "polls": row.polls, "attempts": row.posts,
            "source": "started", "run": None, "age_s": None,
        },
        "archive": archive and {
            "path": archive.path, "file_name": archive.file_name, "bytes": archive.bytes,
            "sha256": archive.sha256, "members": archive.members,
            "covers": {"from": archive.covers_from, "to": archive.covers_to},
            "finished_at": archive.at, "resumed": archive.resumed,
        },
        "error": failure and {
            "stage": failure.stage, "code": failure.code, "http_status": failure.http_status,
            "message": failure.message, "request_id": failure.request_id,
            "attempts": failure.attempts, "hint": failure.hint,
        },
        "waiting": None if row.phase.ended else {
            "phase": "queued", "since": row.since, "reason": "stopped", "last_error": None,
        },
    }  # fmt: skip


def as_types(state: RunState, directory: Path) -> str:
    """Write the manifest as a run does, SHA256SUMS included; return its hash."""
    return manifest.write(state.copied(), directory, lines=1, head=HEAD)


SIDES: dict[str, Callable[[RunState, Path], str]] = {
    "types": as_types, "dictionaries": as_dictionaries,
}  # fmt: skip


def main() -> int:
    """Print both sides and their ratio; return 1 where the types cost more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=SERVERS)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    state = folded(arguments.servers)
    gc.collect()
    took_s: dict[str, list[float]] = {side: [] for side in SIDES}
    peak: dict[str, int] = {}
    hashes = set()
    with tempfile.TemporaryDirectory() as name:
        for number in range(arguments.rounds):
            for side in sorted(SIDES, reverse=bool(number % 2)):
                began_s = time.process_time()
                hashes.add(SIDES[side](state, Path(name)))
                took_s[side].append(time.process_time() - began_s)
        for side, write in SIDES.items():
            tracemalloc.start()
            write(state, Path(name))
            peak[side] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    for side in SIDES:
        print(
            f"{side:12}  {statistics.median(took_s[side]):.2f} CPU seconds, "
            f"{peak[side] / 2**20:.2f} MiB at most"
        )
    ratio = statistics.median(map(truediv, took_s["types"], took_s["dictionaries"]))
    print(
        f"{arguments.servers:,} servers: {ratio:.2f}x the time, "
        f"{peak['types'] / peak['dictionaries']:.2f}x the memory; at most 1.00x"
    )
    if len(hashes) > 1:
        print("the two files differ")
    more = peak["types"] > peak["dictionaries"] + SPARE_BYTES
    return int(ratio > 1 or more or len(hashes) > 1)


if __name__ == "__main__":
    sys.exit(main())
