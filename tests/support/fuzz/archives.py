"""Looks for archives that crash the reader, or that it accepts though they are damaged.

    python -m tests.support.fuzz.archives --minutes 10

Archives are damaged at random: bits flipped, pieces cut out, doubled, moved or overwritten; inside
the gzip (so that the gzip is whole and the tar is not) or outside. A reader may refuse, by
`ArchiveError`, and nothing else. What it accepts must unpack to the tar that it was made of, up to
that one's end.
"""

from __future__ import annotations

import argparse
import gzip
import io
import random
import sys
import tarfile
import time
import traceback
import zlib
from collections import Counter
from typing import TYPE_CHECKING

from isal import isal_zlib

from collector.archive.format import ArchiveError, UnpackLimits
from collector.archive.listing import Listing
from collector.archive.targz.reader import TarGzReader

if TYPE_CHECKING:
    from types import ModuleType

LIMITS = UnpackLimits(unpacked=64 << 20, ratio=1000, members=10_000)


def tar_of(rng: random.Random) -> bytes:
    """Return a tar with some members of all kinds, in one of the formats."""
    out = io.BytesIO()
    style = rng.choice([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
    with tarfile.open(fileobj=out, mode="w", format=style) as tar:
        for number in range(rng.randrange(1, 9)):
            long = style != tarfile.USTAR_FORMAT and rng.random() < 0.3
            info = tarfile.TarInfo(f"var/log/{'n' * 120 if long else number}")
            info.mtime = rng.randrange(2**31)
            info.type = rng.choice([b"0", b"0", b"0", b"1", b"2", b"5", b"6"])
            content = rng.randbytes(rng.choice([0, 1, 511, 512, 3_000])) if info.isreg() else b""
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def packed(rng: random.Random, tar: bytes) -> bytes:
    """Return it as a gzip of one member or several, perhaps padded."""
    cuts = sorted(rng.randrange(len(tar) + 1) for _ in range(rng.choice([0, 0, 1, 4])))
    ends = [*cuts, len(tar)]
    members = [
        gzip.compress(tar[start:end], rng.randrange(10), mtime=0)
        for start, end in zip([0, *cuts], ends, strict=True)
    ]
    return b"".join(members) + bytes(rng.choice([0, 0, 1, 600]))


def damaged(rng: random.Random, data: bytes) -> bytes:
    """Return it with one to three things wrong."""
    spoilt = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(spoilt) + 1)
        size = rng.choice([1, 2, 8, 100, 512])
        match rng.randrange(6):
            case 0 if at < len(spoilt):
                spoilt[at] ^= 1 << rng.randrange(8)
            case 1:
                del spoilt[at : at + size]
            case 2:
                spoilt[at:at] = spoilt[at : at + size]
            case 3:
                spoilt[at : at + size] = rng.randbytes(size)
            case 4:
                spoilt[at : at + size] = bytes(size)
            case _:
                del spoilt[at:]
    return bytes(spoilt)


def reads(rng: random.Random, archive: bytes) -> bool:
    """Return whether the reader accepts it, fed in pieces of any size."""
    listing = Listing("a")
    reader = TarGzReader(LIMITS, listing.add)
    at = 0
    try:
        while at < len(archive):
            size = rng.choice([1, 10, 511, 4_096, 100_000])
            reader.feed(archive[at : at + size])
            at += size
        members = reader.finish().members
    except ArchiveError:
        return False
    assert gzip.decompress(listing.finish()).count(b"\n") == members
    return True


def plain_of(archive: bytes, library: ModuleType) -> bytes:
    """Return what an accepted archive unpacks to, as a library has it."""
    plain = b""
    while archive.startswith(b"\x1f\x8b"):
        inflate = library.decompressobj(wbits=31)
        plain += inflate.decompress(archive)
        archive = inflate.unused_data
    return plain


def play(seed: int) -> str:
    """Play one case; return what came of it.

    Raises:
        AssertionError: the reader was wrong.
    """
    rng = random.Random(seed)  # noqa: S311  # to be played again by its number
    tar = tar_of(rng)
    inside = rng.random() < 0.4
    archive = packed(rng, damaged(rng, tar)) if inside else damaged(rng, packed(rng, tar))
    if not reads(rng, archive):
        return "refused inside" if inside else "refused"
    if inside:
        return "accepted inside"
    end = tar.rindex(tar.rstrip(b"\0")[-1:]) + 1
    try:
        plain, answer = plain_of(archive, zlib), "accepted"
    except zlib.error:  # for the codes of a block that is not a gzip member's first
        plain, answer = plain_of(archive, isal_zlib), "accepted, though zlib would not"
    assert plain[:end] == tar[:end], "accepted, and not what was packed"
    return answer


def main() -> int:
    """Play until the time is over; return 1 for the first case that is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    arguments = parser.parse_args()
    end_s = time.monotonic() + 60 * arguments.minutes
    seen: Counter[str] = Counter()
    seed = arguments.seed
    while time.monotonic() < end_s:
        try:
            seen[play(seed)] += 1
        except Exception:  # noqa: BLE001  # whatever it is, it is what is looked for
            traceback.print_exc()
            sys.stderr.write(f"found by --seed {seed}\n")
            return 1
        seed += 1
    sys.stdout.write(f"{seen.total()} archives, none wrong: {dict(seen)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
