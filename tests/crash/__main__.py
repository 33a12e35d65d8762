"""Every crash and every refusal: `python -m tests.crash`, some ten minutes."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import anyio
import pytest

from collector.emulator import Emulator
from tests.crash.rehearsal import make_impatient, small_fleet
from tests.crash.test_crashes import crashed
from tests.crash.test_refusals import all_refused, damaged_one


async def main(home: Path, patch: pytest.MonkeyPatch) -> None:
    print(await crashed(home, patch, None))  # noqa: T201
    async with Emulator(small_fleet()) as api:
        left = await damaged_one(api, home / "recorded")
        print("runs on a disk that refuses:", await all_refused(api, home / "home", {}))  # noqa: T201
        print("resumes on such a disk:", await all_refused(api, home / "home", left))  # noqa: T201


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as monkeypatch:
        logging.getLogger("collector").setLevel(logging.CRITICAL)
        make_impatient(monkeypatch)
        monkeypatch.setenv("XDG_STATE_HOME", name)
        anyio.run(main, Path(name), monkeypatch)
