"""A run's journal cut, or damaged, wherever it may be: a resume brings the run to the same end."""

from __future__ import annotations

import itertools
import os
import random
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import collector
from collector.emulator import Emulator
from collector.model.events import JournalRepaired, RunStarted
from collector.model.state import RunState, apply
from collector.rundir.journal.journal import Journal
from collector.rundir.journal.lines import NO_HASH, LineError, check, decode
from collector.rundir.journal.reading import Reading, fold
from collector.rundir.verification import verify
from tests.support.drill import (
    access_to,
    begin,
    follow,
    manifest_of,
    scenario_of,
    selection_of,
    servers,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("impatient")

DEEP = (pytest.mark.deep, pytest.mark.timeout(1800))
SERVERS = 30
COUNTERS = frozenset({"requests", "throttled", "counters", "polls", "attempts", "resumed"})
TIMES = frozenset(
    {"started_at", "finished_at", "requested_at", "completed_at", "estimate", "clock_offset_s"}
)
ITS_OWN = frozenset({"journal", "id", "argv"})


@dataclass(frozen=True)
class Whole:
    """A run that went undisturbed."""

    directory: Path
    journal: bytes
    manifest: dict[str, Any]

    @property
    def boundaries(self) -> list[int]:
        """Where its lines end, from the one on that ends the selection."""
        ends = [at + 1 for at, byte in enumerate(self.journal) if byte == ord("\n")]
        selection = self.journal.index(b'{"event":"SelectionEnded"')
        return [end for end in ends if end > selection]


async def undisturbed(api: Emulator, out: Path) -> Whole:
    run = begin(api, out, run_id="run")
    await follow(run)
    journal = (run.directory / "journal.jsonl").read_bytes()
    return Whole(run.directory, journal, manifest_of(run.directory))


def comparable(value: Any, *, export: bool = False) -> Any:  # noqa: ANN401  # JSON
    """What of a manifest is the same whenever a run was interrupted."""
    if isinstance(value, dict):
        left_out = COUNTERS | TIMES | (ITS_OWN if export or "journal" in value else frozenset())
        return {
            name: comparable(one, export=name == "export")
            for name, one in value.items()
            if name not in left_out
        }
    return [comparable(one) for one in value] if isinstance(value, list) else value


def left_at(whole: Whole, journal: bytes, home: Path) -> Path:
    """Make the run's directory as it was when its journal was that far."""
    directory = home / "run"
    directory.mkdir(parents=True)
    path = directory / "journal.jsonl"
    path.write_bytes(journal)
    for row in fold(Reading(path)).servers:
        if row.archive is not None:
            target = directory / row.archive.path
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(whole.directory / row.archive.path, target)
    return directory


async def assert_resumed(api: Emulator, whole: Whole, journal: bytes, home: Path) -> None:
    directory = left_at(whole, journal, home)
    run = collector.resume(directory, access=access_to(api), trust_journal=True)
    await follow(run)
    assert comparable(manifest_of(directory)) == comparable(whole.manifest)
    found = verify(directory)
    assert found.ok, found.mismatches
    shutil.rmtree(home)


def cuts_within(whole: Whole, count: int, rng: random.Random) -> list[int]:
    ends = set(whole.boundaries)
    places = [at for at in range(whole.boundaries[0], len(whole.journal)) if at not in ends]
    return sorted(rng.sample(places, count))


async def resumed_everywhere(home: Path, *, every: int, within: int) -> int:
    rng = random.Random(7)  # noqa: S311  # repeatable, no secret
    async with Emulator(scenario_of(servers(SERVERS), export_duration_s=0.0)) as api:
        whole = await undisturbed(api, home / "whole")
        cuts = whole.boundaries[::-every] + cuts_within(whole, within, rng)
        for number, cut in enumerate(cuts):
            await assert_resumed(api, whole, whole.journal[:cut], home / str(number))
    return len(cuts)


@pytest.mark.parametrize(
    ("every", "within"), [(20, 8), pytest.param(1, 200, marks=DEEP, id="everywhere")]
)
def test_run_cut_at_a_line_or_within_one_comes_to_the_same_end(
    tmp_path: Path, every: int, within: int
) -> None:
    async def main() -> None:
        assert await resumed_everywhere(tmp_path, every=every, within=within) > within

    anyio.run(main)


def lines_of(journal: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield each line with the hash of the one before."""
    head = NO_HASH
    for line in journal.splitlines(keepends=True):
        yield line, head
        _, head = check(line, head)


def recorded(home: Path) -> bytes:
    async def main() -> Whole:
        async with Emulator(scenario_of(servers(SERVERS), export_duration_s=0.0)) as api:
            return await undisturbed(api, home)

    return anyio.run(main).journal


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return recorded(tmp_path_factory.mktemp("journal"))


def test_no_line_that_is_cut_is_taken_for_one(journal: bytes) -> None:
    """At every byte."""
    for line, head in lines_of(journal):
        for size in range(1, len(line)):
            with pytest.raises(LineError) as caught:
                check(line[:size], head)
            assert not caught.value.formed


def assert_cut(path: Path, journal: bytes, cut: int, expected: RunState) -> None:
    """What is read of a journal that was cut is what its whole lines say."""
    path.write_bytes(journal[:cut])
    reading = Reading(path)
    assert fold(reading) == expected
    end = journal.rfind(b"\n", 0, cut) + 1
    assert reading.size == end
    assert (reading.damage is None) == (end == cut)
    assert reading.damage is None or reading.damage.torn


def folds(journal: bytes) -> Iterator[tuple[int, int, RunState]]:
    """Yield where each line begins and ends, and the fold of those before it."""
    at, head, state = 0, NO_HASH, RunState()
    for line, head in lines_of(journal):
        yield at, at + len(line), state
        at += len(line)
        apply(state, decode(check(line, head)[0]))


@pytest.mark.parametrize("within", [1, pytest.param(None, marks=DEEP, id="at every byte")])
def test_fold_of_a_journal_that_was_cut_is_that_of_its_whole_lines(
    journal: bytes, tmp_path: Path, within: int | None
) -> None:
    rng = random.Random(3)  # noqa: S311  # as above
    for begins, ends, state in folds(journal):
        places = range(begins, ends)
        for cut in places if within is None else rng.sample(places, within):
            assert_cut(tmp_path / "journal.jsonl", journal, cut, state)


def damaged(journal: bytes, rng: random.Random) -> bytes:
    """Damage a journal at random, in one of the ways that disks, people and programs have."""
    lines = journal.splitlines(keepends=True)
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    byte = rng.randrange(len(journal))
    block = rng.randrange(1, 5000)
    swapped = list(lines)
    swapped[at], swapped[other] = lines[other], lines[at]
    flipped = bytes([journal[byte] ^ (1 << rng.randrange(8))])
    before, after = journal[:byte], journal[byte:]
    return rng.choice(
        [
            before + flipped + after[1:],
            b"".join(lines[:at] + lines[at + 1 :]),
            b"".join([*lines[:at], lines[at], *lines[at:]]),
            b"".join(swapped),
            before + bytes(block) + after[block:],
            before + rng.randbytes(block),
            before + rng.randbytes(block) + after,
        ]
    )


def longest_prefix(journal: bytes, damaged_one: bytes) -> int:
    """How many bytes of whole lines two journals share from their start."""
    same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(
        journal.splitlines(keepends=True), damaged_one.splitlines(keepends=True), strict=False
    )))  # fmt: skip
    return sum(map(len, journal.splitlines(keepends=True)[:same]))


def assert_repaired_or_refused(path: Path, journal: bytes, harmed: bytes) -> str:
    """Nothing but the longest valid prefix is believed; what is cut off or refused is said."""
    path.write_bytes(harmed)
    end = longest_prefix(journal, harmed)
    path.with_suffix(".prefix").write_bytes(journal[:end])
    expected = fold(Reading(path.with_suffix(".prefix")))
    if not expected.selected and path.read_bytes() != journal[:end] and not torn(path):
        with pytest.raises(collector.CollectorError, match=str(path)):
            Journal.resume(path)
        assert path.read_bytes() == harmed
        return "refused"
    resumed, state = Journal.resume(path, at="2026-11-23T08:41:03.000Z")
    resumed.close()
    if resumed.repaired is None:
        assert path.read_bytes() == journal[:end]
        assert state == expected
        assert (resumed.torn is None) == (len(harmed) == end)
        return "cut" if resumed.torn else "whole"
    kept = path.with_name(resumed.repaired.kept_as)
    assert kept.read_bytes() == harmed
    assert kept.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes().startswith(journal[:end])
    *_, last = Reading(path)
    assert last == resumed.repaired
    assert resumed.repaired.lines_kept == journal[:end].count(b"\n")
    apply(expected, resumed.repaired)
    assert state == expected
    return "repaired"


def torn(path: Path) -> bool:
    reading = Reading(path)
    fold(reading)
    return reading.damage is not None and reading.damage.torn


def damages(home: Path, journal: bytes, count: int) -> dict[str, int]:
    rng = random.Random(11)  # noqa: S311  # as above
    came_to: dict[str, int] = {}
    for number in range(count):
        (directory := home / str(number)).mkdir(parents=True)
        what = assert_repaired_or_refused(
            directory / "journal.jsonl", journal, damaged(journal, rng)
        )
        came_to[what] = came_to.get(what, 0) + 1
        shutil.rmtree(directory)
    return came_to


@pytest.mark.parametrize(
    ("count", "ends"),
    [
        (100, {"refused", "repaired"}),
        pytest.param(1000, {"cut", "refused", "repaired"}, marks=DEEP),  # few cut its end off
    ],
)
def test_damage_is_repaired_or_refused_and_never_believed(
    journal: bytes, tmp_path: Path, count: int, ends: set[str]
) -> None:
    came_to = damages(tmp_path, journal, count)
    assert came_to.keys() >= ends


def test_run_with_a_damaged_journal_comes_to_the_same_end(tmp_path: Path) -> None:
    rng = random.Random(5)  # noqa: S311  # as above

    async def main() -> None:
        async with Emulator(scenario_of(servers(SERVERS), export_duration_s=0.0)) as api:
            whole = await undisturbed(api, tmp_path / "whole")
            for number in range(3):
                home = tmp_path / str(number)
                directory = left_at(whole, whole.journal, home)
                at = rng.randrange(whole.boundaries[0], len(whole.journal) - 1)
                harmed = bytearray(whole.journal)
                harmed[at] ^= 0x55
                (directory / "journal.jsonl").write_bytes(harmed)
                assert not verify(directory).ok
                run = collector.resume(directory, access=access_to(api), trust_journal=True)
                assert run.repaired is not None
                await follow(run)
                assert comparable(manifest_of(directory)) == comparable(whole.manifest)
                found = verify(directory)
                assert found.ok, found.mismatches
                assert any("journal.damaged-1.jsonl" in note for note in found.notes)

    anyio.run(main)


async def resumed_after_damage(home: Path, count: int) -> dict[str, int]:
    """Damage at random, and resume; with the inventory where that is asked for."""
    rng = random.Random(17)  # noqa: S311  # as above
    came_to = dict.fromkeys(("resumed", "with the inventory"), 0)
    async with Emulator(scenario_of(servers(SERVERS), export_duration_s=0.0)) as api:
        whole = await undisturbed(api, home / "whole")
        for number in range(count):
            directory = left_at(whole, whole.journal, home / str(number))
            (directory / "journal.jsonl").write_bytes(damaged(whole.journal, rng))
            try:
                run = collector.resume(directory, access=access_to(api), trust_journal=True)
                came_to["resumed"] += 1
            except collector.CollectorError as error:
                assert "INVENTORY" in str(error)  # noqa: PT017  # where it is refused at all
                run = collector.resume(
                    directory,
                    access=access_to(api),
                    trust_journal=True,
                    selection=selection_of(api),
                )
                came_to["with the inventory"] += 1
            await follow(run)
            assert comparable(manifest_of(directory)) == comparable(whole.manifest)
            found = verify(directory)
            assert found.ok, found.mismatches
            shutil.rmtree(home / str(number))
    return came_to


@pytest.mark.parametrize("count", [6, pytest.param(30, marks=DEEP)])
def test_run_damaged_anywhere_comes_to_the_same_end(tmp_path: Path, count: int) -> None:
    async def main() -> None:
        assert all((await resumed_after_damage(tmp_path, count)).values())

    anyio.run(main)


@pytest.mark.parametrize("lines", [0, 3])
def test_journal_that_lost_its_selection_goes_on_with_the_inventory(
    tmp_path: Path, lines: int
) -> None:
    async def main() -> None:
        async with Emulator(scenario_of(servers(5), export_duration_s=0.0)) as api:
            whole = await undisturbed(api, tmp_path / "whole")
            all_lines = whole.journal.splitlines(keepends=True)
            all_lines[lines] = b"\0" * len(all_lines[lines])
            directory = left_at(whole, whole.journal, tmp_path / "out")
            (directory / "journal.jsonl").write_bytes(b"".join(all_lines))
            with pytest.raises(collector.CollectorError, match="INVENTORY"):
                collector.resume(directory, access=access_to(api), trust_journal=True)
            selection = selection_of(api)
            run = collector.resume(
                directory, access=access_to(api), trust_journal=True, selection=selection
            )
            await follow(run)
            events = list(Journal.read(directory / "journal.jsonl"))
            assert isinstance(events[0], RunStarted)
            assert sum(isinstance(event, JournalRepaired) for event in events) == 1
            assert run.state.collected == 5
            assert verify(directory).ok

    anyio.run(main)


def test_journal_cut_within_its_selection_is_not_said_to_have_sent_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of(servers(2), export_duration_s=0.0)) as api:
            whole = await undisturbed(api, tmp_path)
            path = whole.directory / "journal.jsonl"
            path.write_bytes(b"".join(whole.journal.splitlines(keepends=True)[:3]))
            with pytest.raises(collector.CollectorError, match="give the INVENTORY"):
                collector.resume(whole.directory, access=access_to(api), trust_journal=True)
            run = collector.resume(
                whole.directory,
                access=access_to(api),
                trust_journal=True,
                selection=selection_of(api),
            )
            await follow(run)
            assert comparable(manifest_of(whole.directory)) == comparable(whole.manifest)
            assert verify(whole.directory).ok

    anyio.run(main)
