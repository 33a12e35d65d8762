"""A program that collects through the library, to a destination of its own.

    python -m tests.support.collecting '{"inventory": ..., "out": ..., "database": ...}'

With `resume`, the run in that directory is resumed. The summary is printed as JSON.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import anyio

import collector
from tests.support.second_destination import SqliteDestination


async def main(asked: dict[str, str]) -> dict[str, Any]:
    """Collect, or resume a run, to its end."""
    terms = collector.Terms(
        destination=partial(SqliteDestination, database=Path(asked["database"]))
    )
    if "resume" in asked:
        run = collector.resume(Path(asked["resume"]), trust_journal=True, terms=terms)
    else:
        selection = collector.load(Path(asked["inventory"])).select()
        run = collector.collect(selection, Path(asked["out"]), run_id="killed", terms=terms)
    async with run:
        async for _ in run:
            pass
    return run.summary.as_json()


if __name__ == "__main__":
    json.dump(anyio.run(main, json.loads(sys.argv[1])), sys.stdout)
