"""How much may be under way with so many open files."""

from __future__ import annotations

import math
import os
import resource
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import descriptors
from collector.descriptors import AtOnce, fitting, reduction
from collector.model.ceilings import CALLS_IN_FLIGHT, STORING
from tests.support.open_files import no_file_left

WANTED = AtOnce(8, CALLS_IN_FLIGHT, STORING)


@pytest.mark.parametrize("room", [math.inf, 1_000_000, 1_000])
def test_with_room_for_all_there_is_all_and_nothing_is_said(room: float) -> None:
    assert fitting(WANTED, room, 1) == WANTED
    assert reduction(WANTED, fitting(WANTED, room, 1)) is None


@given(st.integers(-100, 5_000), st.integers(0, 9), st.integers(1, 1_000))
def test_what_fits_is_never_more_than_wanted_and_never_nothing(
    room: int, endpoints: int, downloads: int
) -> None:
    wanted = AtOnce(downloads, CALLS_IN_FLIGHT, STORING)
    given = fitting(wanted, room, endpoints)
    assert 1 <= given.downloads <= downloads
    assert 2 <= given.calls <= CALLS_IN_FLIGHT
    assert 1 <= given.storing <= STORING


@given(st.integers(30, 5_000), st.integers(1, 5), st.integers(1, 1_000))
def test_all_that_is_under_way_at_once_has_room(room: int, endpoints: int, downloads: int) -> None:
    given = fitting(AtOnce(downloads, CALLS_IN_FLIGHT, STORING), room, endpoints)
    open_at_most = 4 * given.downloads + 2 * given.storing + endpoints * given.calls
    assert open_at_most <= room


def test_more_room_is_never_less_at_once() -> None:
    found = [fitting(WANTED, room, 1) for room in range(400)]
    assert [one.downloads for one in found] == sorted(one.downloads for one in found)


def test_what_is_left_counts_what_is_open() -> None:
    before = descriptors.left()
    with open(os.devnull, "rb"):  # noqa: PTH123  # any file
        assert descriptors.left() == before - 1


def test_nothing_is_left_where_no_file_can_be_opened() -> None:
    with no_file_left():
        assert descriptors.left() < 64


def test_the_warning_names_the_limit_what_is_left_of_it_and_the_way_out() -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    said = reduction(WANTED, AtOnce(3, 22, 3))
    assert said is not None
    counts = ("3 of 8 downloads", "22 of 256 calls")
    for words in (f"at most {limit} files", *counts, "ulimit -n"):
        assert words in said


@pytest.mark.parametrize("soft", [64, 256])
def test_the_soft_limit_is_raised_to_the_hard_one(soft: int) -> None:
    program = (
        "import resource; from collector import descriptors; descriptors.raise_limit(); "
        "print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    ended = subprocess.run(
        ["/bin/sh", "-c", f'ulimit -Sn {soft}; ulimit -Hn 256; exec "$0" -c "$1"', sys.executable,
         program],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ended.stdout.split() == ["256", "256"]
