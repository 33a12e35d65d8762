"""What every archive format promises: see `collector/archive/format.py`.

A new format is added to `FORMATS`, and passes all of this.
"""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import tracemalloc
import zipfile
from typing import TYPE_CHECKING, NamedTuple

import pytest

from collector.archive.format import RATIO_AFTER_BYTES, ArchiveError, Contents, Member, UnpackLimits
from collector.archive.targz import TAR_GZ
from tests.provider_package.collector_redfish.zipped import ZIP
from tests.support.shown import from_the_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from collector.archive.format import ArchiveFormat

WHEN_S = 1_795_423_262
"""2026-11-23T08:41:02Z: ZIP knows even seconds alone."""


def tar_gz_of(logs: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in logs.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), WHEN_S
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)


def zip_of(logs: Mapping[str, bytes], out: io.BytesIO | None = None) -> bytes:
    out = io.BytesIO() if out is None else out
    with zipfile.ZipFile(out, "w") as packed:
        for name, content in logs.items():
            entry = zipfile.ZipInfo(name, (2026, 11, 23, 8, 41, 2))
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, content)
    return out.getvalue()


class Onwards(io.BytesIO):
    """Cannot go back: sizes follow each member of a ZIP."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: object) -> int:
        raise io.UnsupportedOperation

    def tell(self) -> int:
        raise io.UnsupportedOperation


def log_gz_of(logs: Mapping[str, bytes]) -> bytes:
    [content] = logs.values()
    return gzip.compress(content, mtime=0)


class Format(NamedTuple):
    """A format, and a function that packs logs; `several` if more than one, with their times."""

    format: ArchiveFormat
    packed: Callable[[Mapping[str, bytes]], bytes]
    several: bool = True


FORMATS = {
    "tar.gz": Format(TAR_GZ, tar_gz_of),
    "zip": Format(ZIP, zip_of),
    "streamed zip": Format(ZIP, lambda logs: zip_of(logs, Onwards())),
    "as documented": Format(from_the_page("LogGz")(), log_gz_of, several=False),
}


@pytest.fixture(params=FORMATS)
def tried(request: pytest.FixtureRequest) -> Format:
    return FORMATS[request.param]


@pytest.fixture(params=[name for name, one in FORMATS.items() if one.several])
def of_several(request: pytest.FixtureRequest) -> Format:
    return FORMATS[request.param]


CONTENT = random.Random(1).randbytes(40_000) + bytes(40_000)  # noqa: S311  # repeatable, no secret
LOG = {"log": CONTENT}
SHORT = {"log": b"power on\n" * 20 + CONTENT[:300]}


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
    contents = read(tried, in_pieces(tried.packed(LOG), size), UnpackLimits(), members.append)
    assert contents.members == 1
    assert [(one.name, one.size, one.kind) for one in members] == [("log", len(CONTENT), "file")]


def test_a_memoryview_is_read_like_bytes(tried: Format) -> None:
    assert read(tried, [memoryview(tried.packed(LOG))]).members == 1  # type: ignore[list-item]


@pytest.mark.parametrize("tenth", range(1, 10))
def test_an_archive_that_is_cut_is_unfinished(tried: Format, tenth: int) -> None:
    body = tried.packed(LOG)
    with pytest.raises(ArchiveError) as caught:
        read(tried, in_pieces(body[: len(body) * tenth // 10], 4_096))
    assert caught.value.unfinished
    assert not caught.value.too_large


def test_an_archive_that_is_cut_at_any_byte_is_unfinished(tried: Format) -> None:
    body = tried.packed(SHORT)
    for end in range(1, len(body)):
        with pytest.raises(ArchiveError) as caught:
            read(tried, [body[:end]])
        assert caught.value.unfinished, end


@pytest.mark.parametrize("at", range(5, 95, 5))
def test_an_archive_that_is_damaged_is_refused(tried: Format, at: int) -> None:
    damaged = bytearray(tried.packed(LOG))
    start = len(damaged) * at // 100
    for position in range(start, start + 64):
        damaged[position] ^= 0x55
    with pytest.raises(ArchiveError):
        read(tried, in_pieces(bytes(damaged), 4_096))


def test_no_changed_byte_of_a_log_is_accepted(tried: Format) -> None:
    body = tried.packed(LOG)
    middle = len(body) // 2  # in what does not compress
    for at in range(middle, middle + 100):
        changed = bytearray(body)
        changed[at] ^= 1
        with pytest.raises(ArchiveError):
            read(tried, [bytes(changed)])


def test_whatever_comes_is_an_archive_or_an_archive_error(tried: Format) -> None:
    rng = random.Random(3)  # noqa: S311  # repeatable, no secret
    body = tried.packed(SHORT)
    for _ in range(500):
        odd = bytearray(body)
        for _ in range(rng.randrange(1, 5)):
            odd[rng.randrange(len(odd))] = rng.randrange(256)
        try:
            read(tried, in_pieces(bytes(odd), rng.choice([13, 4_096])), UnpackLimits())
        except ArchiveError:
            continue


@pytest.mark.parametrize("body", [b"", b"<html>sorry</html>", b'{"error": 1}', bytes(4_096)])
def test_what_is_no_archive_is_refused(tried: Format, body: bytes) -> None:
    with pytest.raises(ArchiveError):
        read(tried, [body])


def test_what_follows_an_archive_is_refused(tried: Format) -> None:
    with pytest.raises(ArchiveError):
        read(tried, [tried.packed(LOG), b"something else"])


def test_an_archive_over_a_limit_is_too_large_and_no_more_of_it_is_read(tried: Format) -> None:
    zeros = tried.packed({"log": bytes(RATIO_AFTER_BYTES + (16 << 20))})
    for limits in (UnpackLimits(unpacked=1 << 20), UnpackLimits(ratio=1.0)):
        with pytest.raises(ArchiveError) as caught:
            read(tried, in_pieces(zeros, 1_000), limits)
        assert caught.value.too_large
        assert not caught.value.unfinished
    assert read(tried, in_pieces(zeros, 1_000)).members == 1


def test_memory_does_not_grow_with_what_is_inside(tried: Format) -> None:
    pieces = in_pieces(tried.packed({"log": bytes(64 << 20)}), 1_000)
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
        read(tried, [tried.packed(LOG)], None, refuse)


def test_members_are_listed_in_order_with_their_times(of_several: Format) -> None:
    logs = {"sel.log": b"power on\n" * 200, "dmesg.log": CONTENT[:3_000]}
    members: list[Member] = []
    contents = read(of_several, in_pieces(of_several.packed(logs), 7), None, members.append)
    assert contents == Contents(2, WHEN_S, WHEN_S)
    assert members == [Member(name, len(log), WHEN_S, "file") for name, log in logs.items()]


def test_more_members_than_are_allowed_are_too_many(of_several: Format) -> None:
    body = of_several.packed({"a": b"1", "b": b"2"})
    assert read(of_several, [body], UnpackLimits(members=2)).members == 2
    with pytest.raises(ArchiveError) as caught:
        read(of_several, [body], UnpackLimits(members=1))
    assert caught.value.too_large
