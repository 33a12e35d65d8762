"""How long 100,000 servers take to load, as a multiple of `json.loads` of the same file.

Both are measured in this process, by turns, five times; the medians are compared. Ends with 1 over
the limit.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from collector.inventory import load

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECTS = 100
SERVERS_PER_PROJECT = 1000
ROUNDS = 5
LIMIT = 8.0


def main() -> int:
    """Measure, print one line, and tell whether the limit holds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "fleet.json")
        path.write_text(json.dumps(_fleet()), encoding="utf-8")
        plain_s: list[float] = []
        load_s: list[float] = []
        for _ in range(ROUNDS):
            plain_s.append(_seconds(lambda: json.loads(path.read_bytes())))
            load_s.append(_seconds(lambda: load(path, environ={"CLOUDDC_TOKEN": "x"})))
    plain, ours = statistics.median(plain_s), statistics.median(load_s)
    print(
        f"inventory: {PROJECTS * SERVERS_PER_PROJECT:,} servers in {ours:.2f} s, "
        f"json.loads {plain:.2f} s: {ours / plain:.1f}x, at most {LIMIT:g}x"
    )
    return 0 if ours <= LIMIT * plain else 1


def _fleet() -> dict[str, object]:
    return {
        "version": 1,
        "projects": [
            {"id": f"{project:032x}", "region": "cn-east-3", "servers": _servers(project)}
            for project in range(PROJECTS)
        ],
    }


def _servers(project: int) -> list[dict[str, object]]:
    return [
        {
            "id": f"7d9c1e0e-0000-4000-8000-{project:04x}{number:08x}",
            "name": f"bms-{project:03}-{number:04}",
            "tags": {"role": "db", "rack": f"r{number % 40:02}"},
        }
        for number in range(SERVERS_PER_PROJECT)
    ]


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
