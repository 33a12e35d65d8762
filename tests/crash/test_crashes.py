"""A crash after any operation on the disk: nothing is lost, nothing half is taken for whole."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import anyio
import pytest

from collector.emulator import Emulator
from collector.run.reading import Reading
from tests.crash.disks import Crash, crashes, distinct, put
from tests.crash.rehearsal import (
    Recorded,
    assert_can_be_finished,
    assert_no_lie,
    recorded,
    run_of,
    small_fleet,
    truth_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

RESUMED = 25
"""How many of the disks the tests resume from; `python -m tests.crash` does from all."""


def assert_told_is_kept(crash: Crash, home: Path, recording: Recorded) -> None:
    """What a run told anybody of survives."""
    told = [event for after, event in recording.told if after <= crash.after]
    if told:
        events = list(Reading(run_of(home) / "journal.jsonl"))
        assert [event for event in events if event.is_fact][: len(told)] == told


def checked(home: Path, recording: Recorded, truth: dict[str, str]) -> list[Crash]:
    """Check every disk that a crash may leave; return them all."""
    found = list(crashes(recording.operations))
    for crash in found:
        try:
            put(crash.picture, home)
            assert_no_lie(home, truth)
            assert_told_is_kept(crash, home, recording)
        except Exception as error:
            error.add_note(str(crash))
            raise
        shutil.rmtree(home)
    return found


async def finished(api: Emulator, home: Path, found: Iterable[Crash]) -> None:
    """Go on from each of these disks, to the end."""
    for crash in found:
        try:
            put(crash.picture, home)
            await assert_can_be_finished(api, home)
        except Exception as error:
            error.add_note(str(crash))
            raise
        shutil.rmtree(home)


async def crashed(home: Path, patch: pytest.MonkeyPatch, resumed: int | None) -> tuple[int, ...]:
    """Record a run, check every crash, and resume from some; from all for None.

    Returns:
        How many operations were recorded, how many disks checked, and how many resumed from.
    """
    async with Emulator(small_fleet()) as api:
        recording = await recorded(api, home / "whole", patch)
        found = checked(home / "checked", recording, truth_of(api))
        some = list(distinct(found))
        if resumed is not None:
            some = random.Random(3).sample(some, resumed)  # noqa: S311  # repeatable, no secret
        await finished(api, home / "resumed", some)
    return len(recording.operations), len(found), len(some)


@pytest.mark.timeout(120)
def test_run_that_crashed_anywhere_has_lost_nothing_and_can_be_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operations, disks, resumed = anyio.run(crashed, tmp_path, monkeypatch, RESUMED)
    assert operations > 100
    assert disks > operations
    assert resumed == RESUMED
