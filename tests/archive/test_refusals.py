"""What is refused, and in which words."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib

import pytest

from collector.archive.format import ArchiveError, Contents
from collector.archive.targz.gunzip import HEADER_LIMIT
from collector.archive.targz.reader import TarGzReader
from collector.archive.targz.tar import PAX_LIMIT

END = bytes(1024)


def read(archive: bytes) -> Contents:
    reader = TarGzReader()
    reader.feed(archive)
    return reader.finish()


def feed_by_byte(archive: bytes) -> None:
    reader = TarGzReader()
    for byte in archive:
        reader.feed(bytes([byte]))


def refusal(archive: bytes) -> str:
    with pytest.raises(ArchiveError) as caught:
        read(archive)
    return str(caught.value)


def header(name: str = "log", *, size: int = 0, kind: bytes = b"0") -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.mtime = size, kind, 1_700_000_000
    return info.tobuf(tarfile.GNU_FORMAT)


def patched(block: bytes, position: int, field: bytes) -> bytes:
    """A header with another value in a field, and the checksum that goes with it."""
    block = block[:position] + field + block[position + len(field) :]
    block = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def pax(records: bytes, kind: bytes = b"x") -> bytes:
    return header(size=len(records), kind=kind) + padded(records)


TWO = header("one", size=600) + padded(b"1" * 600) + header("two", size=5) + padded(b"22222")
TAR = TWO + END
ARCHIVE = gzip.compress(TAR, mtime=0)


def without_matches(tar: bytes) -> bytes:
    """A gzip whose block refers to nothing before it: its distances' code is never used."""
    packer = zlib.compressobj(wbits=31, strategy=zlib.Z_HUFFMAN_ONLY)
    return packer.compress(tar) + packer.flush()


def a_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("log", "x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is empty"),
        (bytes(2_000), "not a gzip: it begins with the bytes 00 00"),
        (TAR, "not a gzip but a plain tar: nothing proves that its content is whole"),
        (a_zip(), "not a gzip but a zip"),
        (b"PK\x05\x06" + bytes(18), "not a gzip but an empty zip"),
        (bz2.compress(TAR), "not a gzip but bzip2"),
        (lzma.compress(TAR), "not a gzip but xz"),
        (b"\n <!DOCTYPE html><title>Sorry</title>", "not a gzip but a web page (HTML)"),
        (b"\xef\xbb\xbf<html>" + b"x" * 9_999, "not a gzip but a web page (HTML)"),
        (b'<?xml version="1.0"?><Error/>', "not a gzip but XML or HTML"),
        (b'{"error_code": "iMetal.0099"}', "not a gzip but JSON"),
        (b"no such log", "not a gzip: it begins with the bytes 6e 6f 20 73 75 63 68 20"),
    ],
)
def test_what_is_no_gzip_is_called_by_its_name(body: bytes, message: str) -> None:
    assert refusal(body).startswith(message)


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (ARCHIVE + b"x", "after the gzip there is something else: 78"),
        (ARCHIVE + bytes(9) + b"x", "after the gzip and its padding there is something else"),
        (ARCHIVE + b"\x1fx", "after the gzip there is something else: 1f 78"),
        (
            ARCHIVE[:-8] + b"\0\0\0\0" + ARCHIVE[-4:],
            "the gzip is damaged: its checksum (CRC-32) is not that of its content",
        ),
        (ARCHIVE[:-1] + b"\1", "the gzip is damaged: its length is not that of its content"),
        (ARCHIVE[:3] + b"\x20" + ARCHIVE[4:], "the gzip is damaged: unknown header flags set"),
        (ARCHIVE[:2] + b"\7" + ARCHIVE[3:], "the gzip is damaged: unknown compression method"),
        (ARCHIVE[:10] + b"\xff" + ARCHIVE[11:], "the gzip is damaged: invalid block type"),
    ],
)
def test_a_damaged_gzip_is_refused(archive: bytes, message: str) -> None:
    assert refusal(archive).startswith(message)


@pytest.mark.parametrize(
    ("tar", "message"),
    [
        (b"", "the gzip is empty"),
        (bytes(10_240), "the tar is empty: it has no members"),
        (b"a line of a log\n" * 99, "the gzip holds no tar: its first block is not a tar header"),
        (b"short", "the tar ends without its end-of-archive mark at byte 0; members so far: 0"),
        (TWO, "the tar ends without its end-of-archive mark at byte 2560; members so far: 2"),
        (TWO + header("three")[:300], "the tar ends without its end-of-archive mark at byte 2560"),
        (TWO[:1_000], "the tar is cut off; members begun: 1, bytes missing: 536"),
        (TWO[:-1], "the tar is cut off; members begun: 2, bytes missing: 1"),
        (
            TWO[:1_536] + b"T" + TWO[1_537:] + END,
            "wrong checksum in the tar header at byte 1536; members so far: 1",
        ),
        (TWO + bytes(512) + TAR, "a lone block of zeros in the midst of the tar at byte 3072"),
        (TWO + bytes(512) + b"x", "the tar ends without its end-of-archive mark"),
        (
            patched(header(), 124, b"\xff" + b"\xff" * 11) + END,
            "a negative size in the tar header at byte 0",
        ),
        (patched(header(), 124, b"12bytes") + END, "no number for the size in the tar header"),
        (patched(header(), 136, b"today\0") + END, "no number for the modification time"),
        (
            header(kind=b"L", size=9) + padded(b"long name") + END,
            "the tar ends before a member that",
        ),
        (
            pax(b"12 mtime=12\n") + END,
            "the tar ends before a member that it announced at byte 1024",
        ),
        (pax(b"12 mtime=1x") + TAR, "a malformed pax header at byte 512"),
        (pax(b"99 mtime=12\n") + TAR, "a malformed pax header"),
        (pax(b"2 mtime=12\n") + TAR, "a malformed pax header"),
        (pax(b"mtime=12\n") + TAR, "a malformed pax header"),
        (pax(b"9 mtime1\n") + TAR, "a malformed pax header"),
        (pax(b"11 size=-9\n") + TAR, "no number for a size in the pax header"),
        (
            pax(b" " * (PAX_LIMIT + 1)) + TAR,
            "a pax header of 1048577 bytes, more than 1048576, at byte 0",
        ),
    ],
)
def test_a_damaged_tar_is_refused(tar: bytes, message: str) -> None:
    assert refusal(gzip.compress(tar)).startswith(message)


def test_no_truncation_is_accepted() -> None:
    archive = gzip.compress(TWO[:1_100]) + gzip.compress(TWO[1_100:] + END)
    assert read(archive).members == 2
    for end in range(len(archive)):
        refusal(archive[:end])


def test_a_gzip_that_ends_too_early_is_unfinished_and_nothing_else_is() -> None:
    for body in (ARCHIVE[:1], ARCHIVE[:2], ARCHIVE[:-1], ARCHIVE + b"\x1f"):
        with pytest.raises(ArchiveError) as caught:
            read(body)
        assert caught.value.unfinished
    for body in (b"", b"x", TAR, gzip.compress(TWO), ARCHIVE + b"x"):
        with pytest.raises(ArchiveError) as caught:
            read(body)
        assert not caught.value.unfinished


@pytest.mark.parametrize(
    "archive",
    [
        ARCHIVE + bytes(3),
        gzip.compress(TWO[:1_100]) + gzip.compress(TWO[1_100:] + END),
        gzip.compress(TAR, 0),
        without_matches(TAR),
    ],
    ids=["padded", "two members", "stored", "without matches"],
)
def test_a_flipped_bit_is_refused_or_changes_nothing_inside(archive: bytes) -> None:
    inside = gzip.decompress(archive)
    for position in range(len(archive)):
        for bit in range(8):
            flipped = bytearray(archive)
            flipped[position] ^= 1 << bit
            try:
                read(bytes(flipped))
            except ArchiveError:
                continue
            assert gzip.decompress(flipped) == inside


def test_codes_that_only_isal_would_take_are_refused_however_they_come() -> None:
    archive = bytearray(without_matches(TAR))
    refused = []
    for bit in range(8 * 10, 8 * 120):
        archive[bit // 8] ^= 1 << bit % 8
        try:
            zlib.decompress(archive, 31)
        except zlib.error as error:
            if "invalid distances set" in str(error):
                refused.append(bytes(archive))
        archive[bit // 8] ^= 1 << bit % 8
    assert refused
    for damaged in refused:
        assert refusal(damaged) == "the gzip is damaged: invalid distances set"
        with pytest.raises(ArchiveError, match="invalid distances set"):
            feed_by_byte(damaged)


def test_a_gzip_header_is_checked_by_its_own_checksum() -> None:
    header = b"\x1f\x8b\x08\x02" + bytes(6)
    right = zlib.crc32(header) & 0xFFFF
    assert read(header + right.to_bytes(2, "little") + ARCHIVE[10:]).members == 2
    wrong = header + (right ^ 1).to_bytes(2, "little") + ARCHIVE[10:]
    assert refusal(wrong) == "the gzip is damaged: its header's checksum is wrong"


def test_a_gzip_header_without_an_end_is_not_held_for_ever() -> None:
    named = b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * (HEADER_LIMIT // 2)
    assert read(named + b"\0" + ARCHIVE[10:]).members == 2
    assert refusal(named + b"n" * HEADER_LIMIT).startswith("a gzip header of more than")


def test_reserved_flag_bits_are_refused() -> None:
    for bit in (5, 6, 7):
        flagged = bytearray(ARCHIVE)
        flagged[3] |= 1 << bit
        assert refusal(bytes(flagged)) == "the gzip is damaged: unknown header flags set"


def test_an_error_inside_is_found_while_bytes_still_arrive() -> None:
    squeeze = zlib.compressobj(wbits=31)
    start = squeeze.compress(b"no tar" * 999) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    with pytest.raises(ArchiveError, match="holds no tar"):
        TarGzReader().feed(start)


def test_a_disguise_is_seen_through_while_bytes_still_arrive() -> None:
    reader = TarGzReader()
    reader.feed(b"<html>")
    with pytest.raises(ArchiveError, match="a web page"):
        reader.feed(b" " * 512)
