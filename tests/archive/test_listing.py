"""What is written down of members: lines of JSON, packed."""

from __future__ import annotations

import gzip
import json
import os
import tracemalloc
from typing import Any

import pytest

from collector.archive.format import ArchiveError, Member
from collector.archive.listing import Listing


def lines(*members: Member) -> list[dict[str, Any]]:
    listing = Listing("payments/bms-001/dump.tar.gz")
    for member in members:
        listing.add(member)
    return [json.loads(line) for line in gzip.decompress(listing.finish()).splitlines()]


def test_a_member_is_a_line() -> None:
    assert lines(Member("var/log/messages", 81_920, 1_763_881_229.9, "file")) == [
        {
            "archive": "payments/bms-001/dump.tar.gz",
            "name": "var/log/messages",
            "size": 81_920,
            "mtime": "2025-11-23T07:00:29Z",
            "type": "file",
        }
    ]


@pytest.mark.parametrize(
    ("mtime_s", "written"),
    [
        (-62_135_596_800, "0001-01-01T00:00:00Z"),
        (-0.5, "1969-12-31T23:59:59Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
        (253_402_300_800, None),
        (1e300, None),
        (float("nan"), None),
    ],
)
def test_a_time_has_four_digits_for_its_year_or_is_null(
    mtime_s: float, written: str | None
) -> None:
    assert lines(Member("x", 1, mtime_s, "file"))[0]["mtime"] == written


def test_a_name_that_is_no_utf_8_comes_back_as_the_bytes_it_was() -> None:
    raw = b'caf\xe9 \xed\xa0\x80\n"\\'
    [line] = lines(Member(raw.decode("utf-8", "surrogateescape"), 1, 1, "file"))
    assert line["name"].encode("utf-8", "surrogateescape") == raw


def test_the_same_members_make_the_same_bytes() -> None:
    packed = set()
    for _ in range(2):
        listing = Listing("a")
        listing.add(Member("x", 1, 1, "file"))
        packed.add(listing.finish())
    assert len(packed) == 1


def test_long_names_do_not_wait_in_memory() -> None:
    name = ("n" * 3_000) + os.urandom(20).hex()
    listing = Listing("a")
    tracemalloc.start()
    try:
        for number in range(2_000):
            listing.add(Member(f"{number}{name}", 1, 1, "file"))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_names_that_would_fill_the_memory_are_refused() -> None:
    listing = Listing("a")
    names = (Member(os.urandom(2_000).hex(), 0, 0, "file") for _ in range(100_000))
    with pytest.raises(ArchiveError, match="its members are so long") as caught:
        list(map(listing.add, names))
    assert caught.value.too_large
