"""Downloads that are cut: gone on with where that can be proven right, and begun anew elsewhere."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import anyio
import pytest

import collector
from collector.emulator import Emulator, Fault
from collector.model.events import AttemptFailed, DownloadBegun
from tests.support.drill import (
    Told,
    access_to,
    assert_as_sent,
    begin,
    collected,
    scenario_of,
    server,
    told,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("impatient")

TENTHS = [tenth / 10 for tenth in range(1, 10)]
TERMS = collector.Terms(max_attempts=12)


def part_under(directory: Path) -> int:
    """How many bytes of the one unfinished archive are there."""
    return next(directory.rglob("*.part")).stat().st_size


@pytest.mark.parametrize(("ranges", "etag", "length"), list(product([True, False], repeat=3)))
@pytest.mark.parametrize("size", [60_000, 1_500_000], ids=["small", "large"])
def test_a_cut_at_every_tenth_costs_next_to_nothing_where_ranges_work(
    tmp_path: Path, ranges: bool, etag: bool, length: bool, size: int
) -> None:
    scenario = scenario_of(
        [server(f"{at:g}", Fault("cut", at=at, times=1)) for at in TENTHS],
        archive_bytes=size, ranges=ranges, etag=etag, content_length=length,
    )  # fmt: skip
    run = anyio.run(lambda: collected(scenario, tmp_path, terms=TERMS))
    assert_as_sent(run)
    assert len(run.named(AttemptFailed)) == len(TENTHS)
    if ranges:
        assert run.statistics["bytes_sent"] <= 1.1 * run.summary.totals.bytes
        # A connection may break before its reader has begun: nothing is here to go on from.
        resumed = [row["archive"]["resumed"] for row in run.rows.values()]
        assert sum(resumed) >= len(TENTHS) - 2
    else:
        assert {row["archive"]["resumed"] for row in run.rows.values()} == {0}


def test_one_archive_cut_at_every_tenth_is_gone_on_with_each_time(tmp_path: Path) -> None:
    faults = [Fault("cut", at=at, times=1) for at in TENTHS]
    scenario = scenario_of([server(0, *faults)], archive_bytes=1_500_000, etag=False)
    run = anyio.run(lambda: collected(scenario, tmp_path, terms=TERMS))
    assert_as_sent(run)
    assert run.rows["id-0"]["archive"]["resumed"] == len(TENTHS)
    assert run.statistics["bytes_sent"] <= 1.1 * run.summary.totals.bytes


@pytest.mark.parametrize(("etag", "length"), list(product([True, False], repeat=2)))
@pytest.mark.parametrize("at", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("size", [60_000, 1_500_000], ids=["small", "large"])
def test_of_a_version_that_changes_between_two_ranges_nothing_is_mixed(
    tmp_path: Path, etag: bool, length: bool, at: float, size: int
) -> None:
    scenario = scenario_of(
        [server(0, Fault("changed", at=at, times=1))],
        archive_bytes=size, etag=etag, content_length=length,
    )  # fmt: skip
    run = anyio.run(lambda: collected(scenario, tmp_path, terms=TERMS))
    assert_as_sent(run)
    assert run.rows["id-0"]["archive"]["resumed"] == 0


def test_a_stopped_download_is_gone_on_with_by_a_resume(tmp_path: Path) -> None:
    slow = Fault("slow", bytes_per_s=2_000_000, times=1)
    scenario = scenario_of([server(0, slow)], archive_bytes=4_000_000)

    async def stopped_and_resumed() -> tuple[int, Told]:
        async with Emulator(scenario) as emulator:
            run = begin(emulator, tmp_path)
            async with run:
                async for event in run:
                    if isinstance(event, DownloadBegun):
                        await anyio.sleep(0.5)
                        run.stop_at_once()
            part = part_under(tmp_path)
            again = collector.resume(run.directory, access=access_to(emulator), trust_journal=True)
            return part, await told(emulator, again)

    part, run = anyio.run(stopped_and_resumed)
    assert_as_sent(run)
    assert part > 500_000
    assert run.rows["id-0"]["archive"]["resumed"] == 1
    begun = run.named(DownloadBegun)
    assert [event.resumed for event in begun] == [1]


def test_a_bomb_is_told_in_one_line_and_not_tried_again(tmp_path: Path) -> None:
    scenario = scenario_of([server("bomb", Fault("bomb")), server(1)])
    run = anyio.run(lambda: collected(scenario, tmp_path))
    row = run.rows["id-bomb"]
    assert (row["error"]["stage"], row["error"]["attempts"]) == ("verify", 1)
    assert "--max-ratio" in row["error"]["message"]
    assert "\n" not in row["error"]["message"]
    assert run.rows["id-1"]["state"] == "collected"
    assert not list(run.directory.rglob("*.part"))


@pytest.mark.parametrize("size", [60_000, 1_500_000], ids=["small", "large"])
def test_what_was_gone_on_with_and_begun_anew_counts_as_begun_anew(
    tmp_path: Path, size: int
) -> None:
    faults = (Fault("cut", at=0.3, times=1), Fault("changed", at=0.6, times=1))
    scenario = scenario_of([server(0, *faults)], archive_bytes=size)
    run = anyio.run(lambda: collected(scenario, tmp_path, terms=TERMS))
    assert_as_sent(run)
    assert [event.resumed for event in run.named(DownloadBegun)] == [0, 1, 0]
    assert run.rows["id-0"]["archive"]["resumed"] == 0
