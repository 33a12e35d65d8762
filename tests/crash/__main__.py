"""Every crash and every refusal: `python -m tests.crash`, some three minutes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import anyio
import pytest

from tests.crash.rehearsal import make_impatient
from tests.crash.test_crashes import crashed
from tests.crash.test_refusals import all_refused, calls_of_a_run, refusals


async def main(home: Path, patch: pytest.MonkeyPatch) -> None:
    operations, disks, resumed = await crashed(home, patch, None)
    print(f"{operations} operations, {disks} disks checked, {resumed} resumed from")  # noqa: T201
    calls = await calls_of_a_run(home / "calls")
    ended = await all_refused(home / "refused", refusals(calls))
    print(f"{calls} calls, {ended.total()} runs on a disk that refuses one or more:", dict(ended))  # noqa: T201


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as monkeypatch:
        make_impatient(monkeypatch)
        monkeypatch.setenv("XDG_STATE_HOME", name)
        anyio.run(main, Path(name), monkeypatch)
