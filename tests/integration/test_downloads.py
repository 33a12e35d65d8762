"""Archives as a service may send them, and what its answers tell beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from collector.emulator import Dialect, Lognormal
from collector.model.events import ClockOffsetSeen, WordUnknown
from tests.support.drill import assert_as_sent, collected, scenario_of, server, servers

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("impatient")

COUNT = 6


def test_redirected_downloads_take_no_credential_along(tmp_path: Path) -> None:
    scenario = scenario_of(servers(COUNT), redirect_downloads=True)
    told = anyio.run(lambda: collected(scenario, tmp_path))
    assert_as_sent(told)
    assert told.statistics["redirects"] == COUNT
    assert told.statistics["leaked_credentials"] == 0


def test_archive_of_untold_length_is_read_to_its_end(tmp_path: Path) -> None:
    scenario = scenario_of(servers(COUNT), content_length=False, etag=False, ranges=False)
    told = anyio.run(lambda: collected(scenario, tmp_path))
    assert_as_sent(told)


def test_archives_of_every_size_arrive_as_they_were_sent(tmp_path: Path) -> None:
    sizes = Lognormal(median=200_000, sigma=1.5, low=700, high=5_000_000)
    scenario = scenario_of(servers(COUNT), archive_bytes=sizes)
    told = anyio.run(lambda: collected(scenario, tmp_path))
    assert_as_sent(told)
    assert told.summary.totals.bytes == told.statistics["bytes_sent"]


def test_clock_of_the_service_is_compared_with_ours(tmp_path: Path) -> None:
    scenario = scenario_of(servers(COUNT), clock_skew_s=3600.0)
    told = anyio.run(lambda: collected(scenario, tmp_path))
    assert told.verdict == 0
    offset_s = told.summary.run.clock_offset_s
    assert offset_s is not None
    assert -3602 < offset_s < -3598
    assert {event.offset_s for event in told.named(ClockOffsetSeen)} >= {offset_s}


def test_word_that_nobody_knows_means_running_and_is_told_once(tmp_path: Path) -> None:
    dialect = Dialect(unknown_words=1.0)
    told = anyio.run(
        lambda: collected(
            scenario_of(
                [server(n, dialect=dialect, export_duration_s=1.3) for n in range(COUNT)], seed=3
            ),
            tmp_path,
        )
    )
    assert told.verdict == 0
    words = [event.word for event in told.named(WordUnknown)]
    assert words
    assert len(words) == len(set(words))
