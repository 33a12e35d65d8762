"""A crash after any operation on the disk: nothing is lost, nothing half is taken for whole."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import pytest

from collector.emulator import Emulator
from collector.rundir.journal.reading import Reading
from tests.support.crash.disks import Crash, distinct, put
from tests.support.crash.rehearsal import (
    Recorded,
    assert_can_be_finished,
    assert_no_lie,
    is_damaged,
    recorded,
    run_of,
    small_fleet,
    truth_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("impatient")

RESUMED = 10
"""From how many of the disks a resume is tried, where there is no time for all."""

DEEP = (pytest.mark.deep, pytest.mark.timeout(1800))

AGAIN = ("everything", "nothing unsynced", "damaged")
"""Disks that a crash halfway leaves: what a resume of these does is recorded as well."""


def assert_told_is_kept(crash: Crash, home: Path, recording: Recorded) -> None:
    """What a run told anybody of survives."""
    told = [event for after, event in recording.told if after <= crash.after]
    if told:
        events = list(Reading(run_of(home) / "journal.jsonl"))
        assert [event for event in events if event in told] == told


def checked(home: Path, recording: Recorded, truth: dict[str, str]) -> list[Crash]:
    """Check every disk that a crash may leave; return them all."""
    found = recording.crashes()
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


@dataclass
class Figures:
    """How many operations were recorded, how many disks checked, and how many resumed from."""

    operations: int = 0
    disks: int = 0
    resumed: int = 0


async def crashed(home: Path, patch: pytest.MonkeyPatch, resumed: int | None) -> Figures:
    """Let a run crash everywhere, then resumes of what that left; resume from some, or all."""
    rng = random.Random(3)  # noqa: S311  # repeatable, no secret
    figures = Figures()
    async with Emulator(small_fleet()) as api:

        async def record(name: str, resumed: int | None) -> list[Crash]:
            recording = await recorded(api, home / name, patch)
            found = checked(home / "checked", recording, truth_of(api))
            some = list(distinct(found))
            if resumed is not None:
                some = rng.sample(some, resumed)
            await finished(api, home / "resumed", some)
            figures.operations += len(recording.operations) - recording.before
            figures.disks += len(found)
            figures.resumed += len(some)
            return found

        found = await record("whole", resumed)
        for disk in AGAIN:
            left = [one for one in found if disk in (one.disk, "damaged" * is_damaged(one))]
            put(left[len(left) // 2].picture, home / disk)
            await record(disk, resumed and resumed // 2)
        assert list((run_of(home / "damaged")).glob("journal.damaged-1.jsonl"))
    return figures


@pytest.mark.parametrize("resumed", [RESUMED, pytest.param(None, marks=DEEP)])
def test_run_that_crashed_anywhere_has_lost_nothing_and_can_be_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resumed: int | None
) -> None:
    figures = anyio.run(crashed, tmp_path, monkeypatch, resumed)
    assert figures.operations > 150
    assert figures.disks > 2 * figures.operations
    assert figures.resumed >= (RESUMED if resumed is not None else figures.operations)
