"""What is no archive but a bomb: little to fetch, and more inside than any disk holds."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest

from collector.archive.format import RATIO_AFTER_BYTES, ArchiveError, UnpackLimits
from collector.archive.listing import Listing
from collector.archive.targz.reader import TarGzReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MB = 1 << 20


def refused(pieces: Iterable[bytes], limits: UnpackLimits | None = None) -> str:
    """Why no more of it is read; the pieces after that are not asked for."""
    reader = TarGzReader(limits or UnpackLimits(), Listing("a").add)
    with pytest.raises(ArchiveError) as caught:
        _feed(reader, pieces)
    assert caught.value.too_large
    return str(caught.value)


def _feed(reader: TarGzReader, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        reader.feed(piece)


def read(archive: bytes, limits: UnpackLimits | None = None) -> int:
    reader = TarGzReader(limits or UnpackLimits())
    reader.feed(archive)
    return reader.finish().members


def zeros(size: int) -> Iterator[bytes]:
    """A tar with one file of zeros, packed as well as deflate can."""
    packer = zlib.compressobj(9, wbits=31)
    info = tarfile.TarInfo("zeros")
    info.size = size
    yield packer.compress(info.tobuf())
    some = bytes(16 * MB)
    for _ in range(size // len(some)):
        yield packer.compress(some)
    yield packer.compress(bytes(1024)) + packer.flush()


def bomb() -> Iterator[bytes]:
    """Ten gigabytes of zeros in a tar. After a full flush the same bytes may be sent again."""
    packer = zlib.compressobj(9, wbits=31)
    info = tarfile.TarInfo("zeros")
    info.size = 10_000 * MB
    yield packer.compress(info.tobuf()) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(16 * MB)) + packer.flush(zlib.Z_FULL_FLUSH)
    for _ in range(10_000 // 16):
        yield again


def empty_members(count: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for number in range(count):
            tar.addfile(tarfile.TarInfo(f"empty-{number}"))
    return gzip.compress(out.getvalue(), 1)


def test_ten_gigabytes_of_zeros_are_too_large_and_take_no_memory() -> None:
    tracemalloc.start()
    try:
        assert "--max-ratio" in refused(bomb())
        assert tracemalloc.get_traced_memory()[1] < 40 * MB
    finally:
        tracemalloc.stop()


def test_a_log_of_zeros_is_no_bomb() -> None:
    archive = b"".join(zeros(48 * MB))
    assert 48 * MB / len(archive) > 500
    assert read(archive, UnpackLimits(ratio=2)) == 1
    assert RATIO_AFTER_BYTES > 48 * MB


def test_more_than_may_be_unpacked_is_too_large() -> None:
    archive = list(zeros(32 * MB))
    assert read(b"".join(archive), UnpackLimits(unpacked=33 * MB)) == 1
    assert "--max-unpacked" in refused(archive, UnpackLimits(unpacked=31 * MB))


def test_more_members_than_are_allowed_are_too_many() -> None:
    archive = empty_members(1_000)
    assert read(archive, UnpackLimits(members=1_000)) == 1_000
    assert "--max-members" in refused([archive], UnpackLimits(members=999))


def test_a_list_of_many_members_is_small_in_memory() -> None:
    archive = empty_members(50_000)
    listing = Listing("payments/bms-001/dump.tar.gz")
    tracemalloc.start()
    try:
        reader = TarGzReader(UnpackLimits(), listing.add)
        reader.feed(archive)
        assert reader.finish().members == 50_000
        packed = listing.finish()
        assert tracemalloc.get_traced_memory()[1] < 8 * MB
    finally:
        tracemalloc.stop()
    assert gzip.decompress(packed).count(b"\n") == 50_000


def test_an_archive_within_an_archive_is_a_member_like_any_other() -> None:
    out = io.BytesIO()
    inner = empty_members(10)
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("inner.tar.gz")
        info.size = len(inner)
        tar.addfile(info, io.BytesIO(inner))
    assert read(gzip.compress(out.getvalue())) == 1
