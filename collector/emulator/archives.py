"""Archives of logs: multi-member gzip around a tar, the same bytes for the same seed and server.

An archive is a list of segments, each a gzip member. All but one are shared by the fleet; only a
small first member is the server's own and identifies it. So an archive of 4 KiB costs some 100
microseconds, and one of 10 GiB a list of references.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tarfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.emulator.chance import fraction, generator
from collector.emulator.logs import LOG_KINDS, LOGS_END, log_text

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 512
_CHUNK_SIZES = [1 << power for power in range(20, 7, -1)]  # 1 MiB down to 256 bytes, compressed
_ENTRY_OVERHEAD = 120  # a tar header in a gzip member of its own
_MOST_ENTRIES = 40
_TRIES_TO_FIT = 20
_MOST_PADDING = 1024
_FCOMMENT = 0x10  # RFC 1952
# Longer than deflate's window, so text that repeats after it compresses as if it were new.
_TEXT_BYTES = 64 * 1024
_KINDS = tuple(LOG_KINDS)
_LONG_NAME = "bmc/firmware/" + "/".join(f"component-{n:02}-inventory" for n in range(6)) + ".txt"


@dataclass(frozen=True, slots=True)
class Archive:
    """The archive of one server.

    Attributes:
        segments: Its bytes, in order; segments are shared with other archives.
        size: Its length in bytes.
        members: How many members its tar lists.
        oldest_s: The oldest modification time of a regular member, in seconds since 1970.
        newest_s: The newest.
    """

    segments: tuple[bytes, ...]
    size: int
    members: int
    oldest_s: int
    newest_s: int

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` up to `stop`, in pieces of at most 1 MiB or so."""
        at = 0
        for segment in self.segments:
            if at >= stop:
                return
            if at + len(segment) > start:
                # Slicing a whole segment does not copy it.
                yield segment[max(0, start - at) : stop - at]
            at += len(segment)

    def sha256(self) -> str:
        """The hash of all its bytes, in hexadecimal."""
        return self.hashed("sha256")[0].hex()

    def hashed(self, *algorithms: str) -> list[bytes]:
        """The hashes of all its bytes, one for each algorithm."""
        digests = [hashlib.new(name, usedforsecurity=False) for name in algorithms]
        for segment in self.segments:
            for digest in digests:
                digest.update(segment)
        return [digest.digest() for digest in digests]

    def vital_offset(self) -> int:
        """The offset of a byte within compressed data; changing it makes the archive unreadable."""
        largest = max(range(len(self.segments)), key=lambda index: len(self.segments[index]))
        return sum(map(len, self.segments[:largest])) + len(self.segments[largest]) // 2


class ArchiveShelf:
    """Builds archives, and caches what they share.

    Safe to use from several threads, since two of them build the same bytes.

    Args:
        seed: Decides the contents of all logs.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._texts: dict[str, tuple[bytes, float]] = {}
        self._chunks: dict[tuple[str, int], tuple[bytes, int]] = {}
        self._headers: dict[tuple[int, str, int], bytes] = {}
        self._preamble = _preamble()
        self._end = _gzip(bytes(2 * _BLOCK))

    def build(self, identity: dict[str, str], size: int, version: int = 0) -> Archive:
        """An archive of about `size` bytes.

        Args:
            identity: The content of `server.json`; must have the server's `id`.
            size: The compressed size wanted, in bytes; met to some 300 bytes, with a minimum of
                some 700.
            version: Which of its archives; each differs from the next in every part.
        """
        segments = [self._first(identity, version)]
        slots = _plan(size - len(segments[0]) - len(self._end))
        turn = int(fraction(self._seed, identity["id"], "first log") * len(_KINDS)) + version
        for slot, chunk_sizes in enumerate(slots):
            kind = _KINDS[(slot + turn) % len(_KINDS)]
            chunks = [self._chunk(kind, chunk_size) for chunk_size in chunk_sizes]
            segments.append(self._header(slot, kind, sum(plain for _, plain in chunks)))
            segments.extend(packed for packed, _ in chunks)
        segments.append(self._end)
        return Archive(
            tuple(segments),
            sum(map(len, segments)),
            members=_PREAMBLE_MEMBERS + 1 + len(slots),
            oldest_s=_mtime_s(len(slots) - 1) if slots else _mtime_s(0),
            newest_s=_mtime_s(0),
        )

    def build_as_long(self, identity: dict[str, str], archive: Archive, version: int) -> Archive:
        """Return another version of an archive, of exactly the same length."""
        size = archive.size
        for _ in range(_TRIES_TO_FIT):
            other = self.build(identity, size, version)
            missing = archive.size - other.size
            if 0 <= missing < _MOST_PADDING:
                break
            size += missing - (_MOST_PADDING // 2 if missing < 0 else 0)
        first, *rest = other.segments
        segments = (_padded(first, missing), *rest)
        return dataclasses.replace(other, segments=segments, size=sum(map(len, segments)))

    def _first(self, identity: dict[str, str], version: int) -> bytes:
        if version:
            identity = {**identity, "version": str(version)}
        body = json.dumps(identity, indent=1).encode()
        info = _file("server.json", len(body), _mtime_s(0))
        # Compressed more, a later version has room for what would make it longer than the first.
        level = 9 if version else 1
        return _gzip(self._preamble + info + body + bytes(-len(body) % _BLOCK), level)

    def _header(self, slot: int, kind: str, plain_bytes: int) -> bytes:
        key = slot, kind, plain_bytes
        if key not in self._headers:
            name = kind if slot < len(_KINDS) else f"{kind}.{slot // len(_KINDS)}"
            self._headers[key] = _gzip(_file(name, plain_bytes, _mtime_s(slot)))
        return self._headers[key]

    def _chunk(self, kind: str, size: int) -> tuple[bytes, int]:
        """Return log lines that compress to about `size` bytes, and their uncompressed length."""
        key = kind, size
        if key not in self._chunks:
            text, ratio = self._text(kind)
            # Short texts compress worse than long ones; the second try is close enough.
            first = _cut(text, size * ratio)
            plain = _cut(text, len(first) * size / len(_gzip(first)))
            self._chunks[key] = _gzip(plain), len(plain)
        return self._chunks[key]

    def _text(self, kind: str) -> tuple[bytes, float]:
        """Return text of that kind, and its compression ratio."""
        if kind not in self._texts:
            text = log_text(kind, generator(self._seed, kind), _TEXT_BYTES)
            self._texts[kind] = text, len(text) / len(_gzip(text))
        return self._texts[kind]


def _plan(size: int) -> list[list[int]]:
    """The chunks that make up `size` compressed bytes, by entry of the tar."""
    slots: list[list[int]] = []
    placed = 0
    for chunk_size in _CHUNK_SIZES:
        while size >= chunk_size:
            if len(slots) < _MOST_ENTRIES:
                slots.append([chunk_size])
                size -= _ENTRY_OVERHEAD
            else:
                slots[placed % _MOST_ENTRIES].append(chunk_size)
            placed += 1
            size -= chunk_size
    return slots


def _cut(text: bytes, size: float) -> bytes:
    """Return the text, repeated up to whole blocks of about `size` bytes."""
    size = max(1, round(size / _BLOCK)) * _BLOCK
    return (text * (size // len(text) + 1))[: size - 1] + b"\n"


def _gzip(plain: bytes, level: int = 1) -> bytes:
    packer = zlib.compressobj(level=level, wbits=31)
    return packer.compress(plain) + packer.flush()


def _padded(member: bytes, more: int) -> bytes:
    """A gzip member without optional fields, made longer by a comment in its header."""
    if more <= 0:
        return member
    comment = b"-" * (more - 1) + b"\0"
    return member[:3] + bytes([member[3] | _FCOMMENT]) + member[4:10] + comment + member[10:]


def _mtime_s(slot: int) -> int:
    return int(LOGS_END.timestamp()) - slot * 3571


def _info(name: str, kind: bytes, mtime_s: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.mtime = mtime_s
    info.uname = info.gname = "root"
    return info


def _file(name: str, size: int, mtime_s: int) -> bytes:
    info = _info(name, tarfile.REGTYPE, mtime_s)
    info.size = size
    return info.tobuf(tarfile.PAX_FORMAT)


_PREAMBLE_MEMBERS = 6


def _preamble() -> bytes:
    """Three directories, a link, an empty log, and a name too long for one tar header."""
    mtime_s = _mtime_s(0)
    members = [_info(name, tarfile.DIRTYPE, mtime_s) for name in ("var", "var/log", "bmc")]
    link = _info("var/log/latest", tarfile.SYMTYPE, mtime_s)
    link.linkname = "messages"
    members += [link, _info("var/log/wtmp", tarfile.REGTYPE, mtime_s)]
    members.append(_info(_LONG_NAME, tarfile.REGTYPE, mtime_s))
    return b"".join(member.tobuf(tarfile.PAX_FORMAT) for member in members)
