"""A disk that refuses any one call: it is told in words, and nothing half is taken for whole."""

from __future__ import annotations

import errno
import itertools
import random
import shutil
from collections import Counter
from typing import TYPE_CHECKING

import anyio
import pytest

from collector import CollectorError
from collector.emulator import Emulator
from tests.support.crash.disks import put
from tests.support.crash.refusing import NEVER, Refusal, Refusing
from tests.support.crash.rehearsal import (
    assert_can_be_finished,
    assert_no_lie,
    gone_on_with,
    is_damaged,
    recorded,
    small_fleet,
    truth_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.crash.disks import Picture

pytestmark = pytest.mark.usefixtures("impatient")

REFUSED = 16
RESUMES_REFUSED = 8
"""How many refusals are tried, where there is no time for all."""

DEEP = (pytest.mark.deep, pytest.mark.timeout(1800))


async def disturbed(api: Emulator, home: Path, refusing: Refusing) -> str:
    """Begin or go on on a disk that refuses; return how that ended."""
    ended = "to the end"
    with pytest.MonkeyPatch.context() as patch:
        refusing.install(patch)
        try:
            async with gone_on_with(api, home) as run:
                async for _ in run:
                    pass
        except* CollectorError as group:
            ended = "with an error"
            for error in leaves(group):
                assert str(home) in str(error), error
    return ended


def leaves(group: BaseExceptionGroup[CollectorError]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error


async def refused(api: Emulator, home: Path, refusal: Refusal) -> str:
    """Let the disk refuse; mend it, and finish the run; return how the run had ended."""
    refusing = Refusing(refusal)
    try:
        ended = await disturbed(api, home, refusing)
        assert_no_lie(home, truth_of(api))
        await assert_can_be_finished(api, home)
    except BaseException as error:
        error.add_note(f"{refusal}: {refusing.hit}")
        raise
    shutil.rmtree(home)
    return ended


async def calls_of_a_run(api: Emulator, home: Path) -> int:
    refusing = Refusing(Refusal(NEVER, errno.EIO, for_ever=False))
    await disturbed(api, home, refusing)
    shutil.rmtree(home)
    return refusing.calls


def refusals(calls: int) -> list[Refusal]:
    numbers, codes, for_ever = range(1, calls + 1), (errno.EIO, errno.ENOSPC), (False, True)
    return [Refusal(*one) for one in itertools.product(numbers, codes, for_ever)]


async def all_refused(
    api: Emulator, home: Path, left: Picture, most: int | None = None
) -> Counter[str]:
    """Begin a run, or go on with what a crash has left, on a disk that refuses.

    Args:
        api: what is collected from.
        home: where nothing is yet.
        left: what is there in the beginning of each run.
        most: how many refusals are tried; None for all.

    Returns:
        How many runs ended in which way.
    """
    put(left, home)
    some = refusals(await calls_of_a_run(api, home))
    if most is not None:
        some = random.Random(5).sample(some, most)  # noqa: S311  # repeatable, no secret
    ended = Counter[str]()
    for refusal in some:
        put(left, home)
        ended[await refused(api, home, refusal)] += 1
    return ended


@pytest.mark.parametrize("most", [REFUSED, pytest.param(None, marks=DEEP)])
def test_run_on_a_disk_that_refuses_ends_in_words_and_can_be_finished(
    tmp_path: Path, most: int | None
) -> None:
    async def main() -> None:
        async with Emulator(small_fleet()) as api:
            ended = await all_refused(api, tmp_path / "home", {}, most)
        assert ended.total() >= REFUSED
        assert ended.keys() == {"to the end", "with an error"}

    anyio.run(main)


async def damaged_one(api: Emulator, home: Path) -> Picture:
    """A disk of a run that has a damaged journal and some archives."""
    with pytest.MonkeyPatch.context() as patch:
        found = (await recorded(api, home, patch)).crashes()
    damaged = [crash.picture for crash in found if is_damaged(crash)]
    return damaged[len(damaged) // 2]


@pytest.mark.parametrize("most", [RESUMES_REFUSED, pytest.param(None, marks=DEEP)])
def test_resume_on_a_disk_that_refuses_ends_in_words_and_can_be_finished(
    tmp_path: Path, most: int | None
) -> None:
    async def main() -> None:
        async with Emulator(small_fleet()) as api:
            left = await damaged_one(api, tmp_path / "recorded")
            ended = await all_refused(api, tmp_path / "home", left, most)
        assert ended.total() >= RESUMES_REFUSED
        # Of a few, none may be one that a run goes on with.
        assert ended.keys() <= {"to the end", "with an error"}
        assert most is not None or len(ended) == 2

    anyio.run(main)
