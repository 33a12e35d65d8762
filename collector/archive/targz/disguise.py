"""What a body is that should have been a gzip."""

from __future__ import annotations

from collector.archive.format import ArchiveError
from collector.archive.targz.header import BLOCK
from collector.archive.targz.tar import TarReader

# What a file of another kind begins with.
_KINDS = (
    (b"PK\x03\x04", "a zip"),
    (b"PK\x05\x06", "an empty zip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
)


def disguise(start: bytes) -> str:
    """Say what a body is that does not begin like a gzip.

    Args:
        start: its first bytes: a tar's block of them, or all there are.
    """
    for magic, kind in _KINDS:
        if start.startswith(magic):
            return f"not a gzip but {kind}"
    if _is_tar(start[:BLOCK]):
        return "not a gzip but a plain tar: nothing proves that its content is whole"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "not a gzip but a web page (HTML)"
    if text.startswith(b"<"):
        return "not a gzip but XML or HTML"
    if text.startswith((b"{", b"[")):
        return "not a gzip but JSON"
    return f"not a gzip: it begins with the bytes {start[:8].hex(' ')}"


def _is_tar(block: bytes) -> bool:
    try:
        TarReader().feed(block)
    except ArchiveError:
        return False
    return len(block) == BLOCK and any(block)
