"""What every archive format promises: see `collector/archive/format.py`.

A new format is added to `FORMATS`, and passes all of this.
"""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import tracemalloc
from typing import TYPE_CHECKING, NamedTuple

import pytest

from collector.archive.format import RATIO_AFTER_BYTES, ArchiveError, Contents, Member, UnpackLimits
from collector.archive.targz import TAR_GZ
from tests.archive.shown import from_the_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from collector.archive.format import ArchiveFormat


def tar_gz_of(content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("log")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)


class Format(NamedTuple):
    """A format, and a function that packs one file called `log` with some content."""

    format: ArchiveFormat
    packed: Callable[[bytes], bytes]


FORMATS = {
    "tar.gz": Format(TAR_GZ, tar_gz_of),
    "as documented": Format(from_the_page("LogGz")(), lambda log: gzip.compress(log, mtime=0)),
}


@pytest.fixture(params=FORMATS)
def tried(request: pytest.FixtureRequest) -> Format:
    return FORMATS[request.param]


CONTENT = random.Random(1).randbytes(40_000) + bytes(40_000)  # noqa: S311  # repeatable, no secret


def read(
    tried: Format,
    pieces: Iterable[bytes],
    limits: UnpackLimits | None = None,
    on_member: Callable[[Member], None] | None = None,
) -> Contents:
    reader = tried.format.reader(limits, on_member)
    for piece in pieces:
        reader.feed(piece)
    return reader.finish()


def in_pieces(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


def test_a_suffix_begins_with_a_dot(tried: Format) -> None:
    assert tried.format.suffix.startswith(".")
    assert tried.format.suffix.isascii()


@pytest.mark.parametrize("size", [1, 7, 4_096, 1 << 20])
def test_an_archive_is_whole_in_pieces_of_any_size(tried: Format, size: int) -> None:
    members: list[Member] = []
    contents = read(tried, in_pieces(tried.packed(CONTENT), size), UnpackLimits(), members.append)
    assert contents.members == 1
    assert [(one.name, one.size, one.kind) for one in members] == [("log", len(CONTENT), "file")]


def test_a_memoryview_is_read_like_bytes(tried: Format) -> None:
    assert read(tried, [memoryview(tried.packed(CONTENT))]).members == 1  # type: ignore[list-item]


@pytest.mark.parametrize("tenth", range(1, 10))
def test_an_archive_that_is_cut_is_unfinished(tried: Format, tenth: int) -> None:
    body = tried.packed(CONTENT)
    with pytest.raises(ArchiveError) as caught:
        read(tried, in_pieces(body[: len(body) * tenth // 10], 4_096))
    assert caught.value.unfinished
    assert not caught.value.too_large


def test_an_archive_without_its_last_byte_is_unfinished(tried: Format) -> None:
    with pytest.raises(ArchiveError) as caught:
        read(tried, [tried.packed(CONTENT)[:-1]])
    assert caught.value.unfinished


@pytest.mark.parametrize("at", range(5, 95, 5))
def test_an_archive_that_is_damaged_is_refused(tried: Format, at: int) -> None:
    damaged = bytearray(tried.packed(CONTENT))
    start = len(damaged) * at // 100
    for position in range(start, start + 64):
        damaged[position] ^= 0x55
    with pytest.raises(ArchiveError):
        read(tried, in_pieces(bytes(damaged), 4_096))


@pytest.mark.parametrize("body", [b"", b"<html>sorry</html>", b'{"error": 1}', bytes(4_096)])
def test_what_is_no_archive_is_refused(tried: Format, body: bytes) -> None:
    with pytest.raises(ArchiveError):
        read(tried, [body])


def test_what_follows_an_archive_is_refused(tried: Format) -> None:
    with pytest.raises(ArchiveError):
        read(tried, [tried.packed(CONTENT), b"something else"])


def test_an_archive_over_a_limit_is_too_large_and_no_more_of_it_is_read(tried: Format) -> None:
    zeros = tried.packed(bytes(RATIO_AFTER_BYTES + (16 << 20)))
    for limits in (UnpackLimits(unpacked=1 << 20), UnpackLimits(ratio=1.0)):
        with pytest.raises(ArchiveError) as caught:
            read(tried, in_pieces(zeros, 1_000), limits)
        assert caught.value.too_large
        assert not caught.value.unfinished
    assert read(tried, in_pieces(zeros, 1_000)).members == 1


def test_memory_does_not_grow_with_what_is_inside(tried: Format) -> None:
    pieces = in_pieces(tried.packed(bytes(64 << 20)), 1_000)
    tracemalloc.start()
    try:
        read(tried, pieces)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_an_error_of_whoever_lists_the_members_passes_through(tried: Format) -> None:
    def refuse(member: Member) -> None:
        raise ArchiveError(f"{member.name} is one too many", too_large=True)

    with pytest.raises(ArchiveError, match="one too many"):
        read(tried, [tried.packed(CONTENT)], None, refuse)
