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
from tests.crash.refusing import NEVER, Refusal, Refusing
from tests.crash.rehearsal import (
    assert_can_be_finished,
    assert_no_lie,
    new_run,
    small_fleet,
    truth_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

REFUSED = 40
"""How many refusals the tests take; `python -m tests.crash` takes all."""


async def disturbed(api: Emulator, home: Path, refusing: Refusing) -> str:
    """Collect on a disk that refuses; return how that ended."""
    ended = "to the end"
    with pytest.MonkeyPatch.context() as patch:
        refusing.install(patch)
        try:
            async with new_run(api, home) as run:
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


async def refused(home: Path, refusal: Refusal) -> Counter[str]:
    """Let the disk refuse; mend it, and finish the run."""
    refusing = Refusing(refusal)
    async with Emulator(small_fleet()) as api:
        try:
            ended = await disturbed(api, home, refusing)
            assert_no_lie(home, truth_of(api))
            await assert_can_be_finished(api, home)
        except BaseException as error:
            error.add_note(f"{refusal}: {refusing.hit}")
            raise
    shutil.rmtree(home)
    return Counter({ended: 1})


async def calls_of_a_run(home: Path) -> int:
    refusing = Refusing(Refusal(NEVER, errno.EIO, for_ever=False))
    async with Emulator(small_fleet()) as api:
        await disturbed(api, home, refusing)
    return refusing.calls


def refusals(calls: int) -> list[Refusal]:
    numbers = range(1, calls + 1)
    return [
        Refusal(number, code, for_ever)
        for number, code, for_ever in itertools.product(
            numbers, (errno.EIO, errno.ENOSPC), (False, True)
        )
    ]


async def all_refused(home: Path, some: Iterable[Refusal]) -> Counter[str]:
    ended = Counter[str]()
    for number, refusal in enumerate(some):
        ended += await refused(home / str(number), refusal)
    return ended


@pytest.mark.timeout(120)
def test_run_on_a_disk_that_refuses_ends_in_words_and_can_be_finished(tmp_path: Path) -> None:
    async def main() -> None:
        calls = await calls_of_a_run(tmp_path / "calls")
        assert calls > 100
        some = random.Random(5).sample(refusals(calls), REFUSED)  # noqa: S311  # repeatable
        ended = await all_refused(tmp_path, some)
        assert ended.total() == REFUSED
        assert ended.keys() == {"to the end", "with an error"}

    anyio.run(main)
