"""Checksums of a whole archive that a service gives in an answer's headers."""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from collector.model.answers import Checksum

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BYTES: Final = {"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}
_ALIASES: Final = {"sha": "sha1", "sha-1": "sha1", "sha-256": "sha256", "sha-512": "sha512"}

# Of the bytes that came, which are the whole archive's unless a part was asked for.
_OF_CONTENT: Final = "content-"
_LISTS: Final = ("digest", "repr-digest", "content-digest", "x-goog-hash")
# What object storages keep beside an object, in the words of those who put it there, and others'.
_NAMED: Final = re.compile(
    r"(?:x-(?:obs|amz)-meta-(?:content-|checksum-|archive-|file-)?"
    r"|x-amz-checksum-|x-obs-checksum-|x-checksum-|content-)"
    r"(md5|sha-?1|sha-?256|sha-?512)(?:sum|-hex)?",
    re.IGNORECASE,
)
_LISTED: Final = re.compile(r"\s*([A-Za-z0-9-]+)\s*=\s*:?([A-Za-z0-9+/]+=*):?\s*")


def checksums(headers: Mapping[str, str], *, whole: bool) -> tuple[Checksum, ...]:
    """Return the checksums that an answer gives of the whole archive; others are left aside.

    An ETag is none of them: often it is an MD5, and as often it is not.

    Args:
        headers: of the answer.
        whole: whether the answer brings the whole archive.
    """
    found: list[Checksum] = []
    for name, value in headers.items():
        word = _meant_by(name)
        if word is not None and (whole or not name.lower().startswith(_OF_CONTENT)):
            found += _read(name, word, value)
    return tuple(dict.fromkeys(found))


@lru_cache(maxsize=256)
def _meant_by(name: str) -> str | None:
    """Return the algorithm that a header is named after, "" for a list of them, None for others."""
    named = _NAMED.fullmatch(name)
    if named is not None:
        return named[1]
    return "" if name.lower() in _LISTS else None


def _read(name: str, word: str, value: str) -> Iterator[Checksum]:
    if word:
        pairs = [(word, value)]
    else:
        pairs = [(m[1], m[2]) for one in value.split(",") if (m := _LISTED.fullmatch(one))]
    for one, text in pairs:
        algorithm = _ALIASES.get(one.lower(), one.lower())
        digest = _digest(text.strip().strip('"'), _BYTES.get(algorithm, 0))
        if digest is not None:
            yield Checksum(algorithm, digest, name)


def _digest(text: str, size: int) -> str | None:
    """Return a digest of so many bytes, given in hex or in base64, in hex; None if it is none."""
    if not size:
        return None
    try:
        if len(text) == 2 * size:
            raw = bytes.fromhex(text)
        else:
            raw = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
    return raw.hex() if len(raw) == size else None
