"""Archives to be served: tars of logs in one gzip each, the same bytes for the same seed.

Deflate looks back 32 KiB, and no piece here refers to what is before it: so a text that was packed
once can stand in an archive many times, and one of 2 GB is written as fast as the disk takes it.
"""

from __future__ import annotations

import random
import struct
import tarfile
import zlib
from typing import TYPE_CHECKING

from collector.emulator.logs import LOG_KINDS, log_text

if TYPE_CHECKING:
    from pathlib import Path

TEXT_BYTES = 1 << 20
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
_LAST_BLOCK = b"\x03\x00"
_SEED_BYTES = 40
"""In each line: what makes the logs pack 2.5 to 1, as real ones do."""


class Archives:
    """Writes archives of a seed.

    Args:
        texts: so many different ones are in them.
        text_bytes: of each, unpacked.
    """

    def __init__(self, seed: int, *, texts: int = 8, text_bytes: int = TEXT_BYTES) -> None:
        self._random = random.Random(seed)  # noqa: S311  # the same each time is what is wanted
        self._kinds = tuple(LOG_KINDS)
        self._texts = [self._text(number, text_bytes) for number in range(texts)]

    def write(self, path: Path, size: int) -> None:
        """Write an archive of this size, give or take a text."""
        crc = unpacked = members = 0
        with path.open("wb") as file:
            file.write(_HEADER)
            while not members or file.tell() + len(self._texts[0][1]) // 2 < size:
                text, packed = self._random.choice(self._texts)
                member = tarfile.TarInfo(f"{self._random.choice(self._kinds)}.{members}")
                member.size, member.mtime = len(text), 1_763_884_800 + members
                header = member.tobuf(tarfile.PAX_FORMAT)
                file.write(_packed(header) + packed)
                crc = zlib.crc32(text, zlib.crc32(header, crc))
                unpacked += len(header) + len(text)
                members += 1
            end = bytes(1024)
            crc = zlib.crc32(end, crc)
            unpacked += len(end)
            file.write(_packed(end) + _LAST_BLOCK)
            file.write(struct.pack("<II", crc, unpacked & 0xFFFFFFFF))

    def _text(self, number: int, size: int) -> tuple[bytes, bytes]:
        """Return a text of whole tar blocks, and the same packed."""
        size -= size % 512
        lines = log_text(self._kinds[number % len(self._kinds)], self._random, size).splitlines()
        marked = [b"%s id=%s" % (line, self._random.randbytes(_SEED_BYTES).hex().encode())
                  for line in lines]  # fmt: skip
        text = b"\n".join(marked)[: size - 1] + b"\n"
        return text, _packed(text)


def _packed(data: bytes) -> bytes:
    packing = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packing.compress(data) + packing.flush(zlib.Z_FULL_FLUSH)
