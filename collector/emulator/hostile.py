"""Hostile content in place of an archive.

Like archives, it is built of shared segments: what unpacks to 10 GB costs 16 KiB.
"""

from __future__ import annotations

import dataclasses
import io
import tarfile
import zlib
from typing import TYPE_CHECKING, get_args

from collector.emulator.archives import Archive
from collector.emulator.faults import HostileFault
from collector.emulator.logs import LOGS_END

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from collector.emulator.faults import Fault

_BLOCK = 512
_MIB = 1 << 20
_BOMB_BYTES = 10_000_000_000
_ZEROS_MIB = 16
_MEMBERS = 1_000_000
_MEMBERS_TOGETHER = 1000
_GARBAGE = b"\x00\x1f\x8bgarbage that no program has written\n" * 40
_HUGE_LENGTH = 1 << 60
_LITTLE_BYTES = 64 * 1024
_END = bytes(2 * _BLOCK)


def _plain_tar(archive: Archive) -> Archive:
    """Uncompressed content as large as the archive."""
    size = max(archive.size - 3 * _BLOCK, 0) // _BLOCK * _BLOCK
    text = b"Nov 23 07:59:59 bms kernel: all is well\n" * (_MIB // 40)
    whole, rest = divmod(size, len(text))
    return _archive([_header("var/log/messages", size), *[text] * whole, text[:rest], _END], 1)


def _empty() -> Archive:
    return _archive([_packed([bytes(20 * _BLOCK)])], 0)


def _no_bytes() -> Archive:
    return _archive([], 0)


def _trailing_garbage(archive: Archive) -> Archive:
    segments = (*archive.segments, _GARBAGE)
    return dataclasses.replace(archive, segments=segments, size=archive.size + len(_GARBAGE))


def _bomb() -> Archive:
    """A valid archive of one file of zeros, with the end of its tar in the last gzip member."""
    whole, rest = divmod(_BOMB_BYTES, _ZEROS_MIB * _MIB)
    zeros = _packed([bytes(_MIB)] * _ZEROS_MIB)
    last = _packed([*[bytes(_MIB)] * (rest // _MIB), bytes(rest % _MIB + -rest % _BLOCK)])
    head, end = _packed([_header("var/log/zeros", _BOMB_BYTES)]), _packed([_END])
    return _archive([head, *[zeros] * whole, last, end], 1)


def _many_members(count: int) -> Archive:
    """Empty files whose names repeat."""
    whole, rest = divmod(count, _MEMBERS_TOGETHER)
    headers = [_header(f"var/spool/{number:03}", 0) for number in range(_MEMBERS_TOGETHER)]
    together = _packed(headers)
    return _archive([*[together] * whole, _packed(headers[:rest]), _packed([_END])], count)


def _huge_length(archive: Archive) -> Archive:
    segments = tuple(archive.pieces(0, min(archive.size, _LITTLE_BYTES)))
    return dataclasses.replace(archive, segments=segments, size=_HUGE_LENGTH)


HOSTILE: frozenset[str] = frozenset(get_args(HostileFault))
"""The faults that replace a server's archive."""


def hostile(fault: Fault, archive: Archive) -> Archive:
    """Return what a fault in `HOSTILE` sends in place of an archive; takes up to some 100 ms."""
    makers: dict[str, Callable[[], Archive]] = {
        "plain_tar": lambda: _plain_tar(archive),
        "empty": _empty,
        "no_bytes": _no_bytes,
        "trailing_garbage": lambda: _trailing_garbage(archive),
        "bomb": _bomb,
        "many_members": lambda: _many_members(_MEMBERS if fault.count is None else fault.count),
        "huge_length": lambda: _huge_length(archive),
    }
    return makers[fault.name]()


def _archive(segments: list[bytes], members: int) -> Archive:
    at_s = int(LOGS_END.timestamp())
    return Archive(tuple(segments), sum(map(len, segments)), members, at_s, at_s)


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mtime = int(LOGS_END.timestamp())
    return info.tobuf(tarfile.GNU_FORMAT)


def _packed(plain: Iterable[bytes]) -> bytes:
    """One gzip member."""
    packer = zlib.compressobj(level=9, wbits=31)
    packed = io.BytesIO()
    for piece in plain:
        packed.write(packer.compress(piece))
    packed.write(packer.flush())
    return packed.getvalue()
