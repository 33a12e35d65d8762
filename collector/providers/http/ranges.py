"""Asking for the rest of an archive, and knowing whether what comes is that (RFC 9110)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from multidict import CIMultiDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.providers.protocol import Fetched

OVERLAP_MAX: Final = 64 << 10
OVERLAP_MIN: Final = 512
_OVERLAP_PART: Final = 64

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII | re.IGNORECASE)
_STRONG = re.compile(r'"[\x21\x23-\x7e]*"')


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an archive: where it begins, its bytes, and how many the whole has if told."""

    offset: int
    bytes: int
    whole: int | None


class NotTheRest(Exception):  # noqa: N818  # an answer, not a fault
    """What came does not belong to what is here; its text says why."""


def range_headers(fetched: Fetched) -> CIMultiDict[str]:
    """Return what asks for the rest, and for a little of what is here, to be compared.

    With an ETag the whole archive is asked for where it is another one by now.
    """
    overlap = min(OVERLAP_MAX, max(OVERLAP_MIN, fetched.bytes // _OVERLAP_PART))
    headers = CIMultiDict({"Range": f"bytes={max(0, fetched.bytes - overlap)}-"})
    if fetched.validator is not None:
        headers["If-Range"] = fetched.validator
    return headers


def validator(headers: Mapping[str, str]) -> str | None:
    """Return the strong ETag of an answer; a weak one names no bytes, an odd one cannot be sent."""
    tag = headers.get("ETag", "").strip()
    return tag if _STRONG.fullmatch(tag) else None


def rest_of(fetched: Fetched, headers: Mapping[str, str], length: int | None) -> Part:
    """Return which part came, of the archive whose beginning is here.

    Args:
        fetched: what is here.
        headers: of an answer of status 206.
        length: its Content-Length, where it has one.

    Raises:
        NotTheRest: it is no part of that archive, or not one that can be gone on with.
    """
    part = _told(headers)
    if part is None or (length is not None and length != part.bytes):
        raise NotTheRest("a part came that does not say which one it is")
    if part.offset > fetched.bytes:
        raise NotTheRest(f"a part came that begins at byte {part.offset}")
    tag = validator(headers)
    if None not in (tag, fetched.validator) and tag != fetched.validator:
        raise NotTheRest("its ETag is another one by now")
    if None not in (part.whole, fetched.length) and part.whole != fetched.length:
        raise NotTheRest(f"it has {part.whole} bytes by now, not {fetched.length}")
    if fetched.validator is None and fetched.length is None and part.whole is None:
        raise NotTheRest("nothing tells whether it is the same by now")
    if part.whole is None and fetched.length is not None:
        if part.offset + part.bytes != fetched.length:
            raise NotTheRest(f"a part came that ends at byte {part.offset + part.bytes}")
        return replace(part, whole=fetched.length)
    return part


def _told(headers: Mapping[str, str]) -> Part | None:
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if found is None:
        return None
    first, last = int(found[1]), int(found[2])
    whole = None if found[3] == "*" else int(found[3])
    if last < first or (whole is not None and last != whole - 1):
        return None  # of a part that ends before the archive does, the rest would be missing
    return Part(first, last - first + 1, whole)
