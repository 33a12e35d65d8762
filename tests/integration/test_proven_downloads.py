"""What an archive is proven by: its checksums, the links to it, and what is no archive at all."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import collector
from collector.emulator import Fault
from tests.support.drill import assert_as_sent, collected, scenario_of, server

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("impatient")

PLACES = (0.2, 0.5, 0.8)
TERMS = collector.Terms(max_attempts=12)
ALL_CHECKSUMS = ("content-md5", "x-obs-meta-sha256", "digest", "repr-digest")


@pytest.mark.parametrize("size", [60_000, 1_500_000], ids=["small", "large"])
def test_cuts_between_links_that_are_good_once_cost_next_to_nothing(
    tmp_path: Path, size: int
) -> None:
    faults = [Fault("link_expired", times=2), *[Fault("cut", at=at, times=1) for at in PLACES]]
    scenario = scenario_of(
        [server(0, *faults)],
        archive_bytes=size, redirect_downloads=True, links_expire_after_calls=1,
    )  # fmt: skip
    run = anyio.run(lambda: collected(scenario, tmp_path, terms=TERMS))
    assert_as_sent(run)
    assert (
        run.statistics["downloads"]["bytes_by_server"]["id-0"] <= 1.1 * run.truth["id-0"]["bytes"]
    )
    assert run.statistics["refused_links"] == 2
    assert run.statistics["leaked_headers"] == {}


@pytest.mark.parametrize(("etag", "length"), list(product([True, False], repeat=2)))
@pytest.mark.parametrize("size", [60_000, 1_500_000], ids=["small", "large"])
def test_of_a_version_of_another_length_nothing_is_mixed(
    tmp_path: Path, etag: bool, length: bool, size: int
) -> None:
    fault = Fault("changed", at=0.5, times=1, other_length=True)
    scenario = scenario_of([server(0, fault)], archive_bytes=size, etag=etag, content_length=length)
    run = anyio.run(lambda: collected(scenario, tmp_path, terms=TERMS))
    assert_as_sent(run)
    assert run.rows["id-0"]["archive"]["resumed"] == 0


@pytest.mark.parametrize("validator", [{"weak_etag": True}, {"etag": False, "last_modified": True}])
def test_of_versions_that_only_a_weak_validator_tells_apart_nothing_is_mixed(
    tmp_path: Path, validator: dict[str, Any]
) -> None:
    changed, cut = Fault("changed", at=0.5, times=1), Fault("cut", at=0.7, times=1)
    scenario = scenario_of([server(0, changed, cut)], archive_bytes=1_500_000, **validator)
    run = anyio.run(lambda: collected(scenario, tmp_path, terms=TERMS))
    assert_as_sent(run)


@pytest.mark.parametrize("name", ALL_CHECKSUMS)
def test_archive_is_collected_once_its_checksum_is_right(tmp_path: Path, name: str) -> None:
    scenario = scenario_of([server(0, Fault("wrong_checksum", times=1))], checksums=(name,))
    run = anyio.run(lambda: collected(scenario, tmp_path, terms=TERMS))
    assert_as_sent(run)
    assert run.statistics["downloads"]["begun"] == 2


@pytest.mark.parametrize("name", ALL_CHECKSUMS)
def test_archive_whose_checksum_is_never_right_fails(tmp_path: Path, name: str) -> None:
    scenario = scenario_of([server(0, Fault("wrong_checksum"))], checksums=(name,))
    run = anyio.run(lambda: collected(scenario, tmp_path, terms=collector.Terms(max_attempts=2)))
    assert run.rows["id-0"]["error"]["stage"] == "verify"
    assert name in run.rows["id-0"]["error"]["message"].lower()


def test_right_checksums_hold_for_an_archive_that_came_in_parts(tmp_path: Path) -> None:
    cuts = [Fault("cut", at=at, times=1) for at in PLACES]
    scenario = scenario_of([server(0, *cuts)], archive_bytes=1_500_000, checksums=ALL_CHECKSUMS)
    run = anyio.run(lambda: collected(scenario, tmp_path, terms=TERMS))
    assert_as_sent(run)
    assert run.statistics["bytes_sent"] <= 1.1 * run.summary.totals.bytes


@pytest.mark.parametrize(
    "fault",
    [
        Fault("plain_tar"),
        Fault("no_bytes"),
        Fault("trailing_garbage"),
        Fault("bomb"),
        Fault("many_members", count=1_000_001),
        Fault("huge_length"),
    ],
    ids=lambda fault: fault.name,
)
@pytest.mark.parametrize("length", [True, False])
def test_what_is_no_archive_ends_in_one_line_and_hurts_nobody_else(
    tmp_path: Path, fault: Fault, length: bool
) -> None:
    scenario = scenario_of([server("bad", fault), server(1)], content_length=length)
    run = anyio.run(lambda: collected(scenario, tmp_path, terms=collector.Terms(max_attempts=2)))
    row = run.rows["id-bad"]
    assert row["state"] == "failed"
    assert row["error"]["message"].count("\n") == 0
    assert run.rows["id-1"]["state"] == "collected"
    assert not list(run.directory.rglob("*.part"))


def test_a_million_members_are_no_more_than_is_allowed(tmp_path: Path) -> None:
    scenario = scenario_of([server(0, Fault("many_members"))])
    run = anyio.run(lambda: collected(scenario, tmp_path))
    assert run.rows["id-0"]["archive"]["members"] == 1_000_000
