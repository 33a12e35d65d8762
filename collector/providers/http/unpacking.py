"""Undoing a Content-Encoding that nobody asked for, within a bound."""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import Final

from collector.providers.http.bodies import BODY_MAX
from collector.providers.http.words import CODE_MAX, one_line

PEEK_BYTES: Final = 1024
"""So much of a packed body tells what it holds: more than a table of codes and a tar's header."""

_MARK: Final = b"\xef\xbb\xbf"
_GZIP: Final = b"\x1f\x8b"
_GZIPPED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_AS_IT_IS: Final = frozenset({"", "identity"})
_LAYERS_MAX: Final = 3
_ANY_HEADER: Final = 32 + zlib.MAX_WBITS
_NO_HEADER: Final = -zlib.MAX_WBITS
_GARBLED: Final = "it is not the {} that its Content-Encoding names"


class NotUnpacked(Exception):  # noqa: N818  # an answer, not a fault
    """A body stays packed; the text says why."""


def start_of_text(body: bytes) -> bytes:
    """Return a body without the white space and the byte order mark that a text may begin with."""
    return body.lstrip().removeprefix(_MARK).lstrip()


def is_packed(encoding: str) -> bool:
    """Tell whether a Content-Encoding names one that can be undone."""
    return any(one in _GZIPPED for one in _layers(encoding))


def unpacked(body: bytes, encoding: str, limit: int = BODY_MAX) -> bytes:
    """Return a body as it was before it was packed; one that only claims to be packed as it is.

    Args:
        body: all of it, or its beginning.
        encoding: the answer's Content-Encoding, "" where there is none.
        limit: how many bytes may come of it.

    Raises:
        NotUnpacked: it is packed in a way nobody asked for and we do not know, or is a bomb.
    """
    layers = _layers(encoding)
    if len(layers) > _LAYERS_MAX:
        raise NotUnpacked(f"its Content-Encoding names {len(layers)} encodings")
    for layer in reversed(layers):
        if _is_text(body):
            return body
        if layer not in _GZIPPED:
            name = one_line(layer, CODE_MAX)
            raise NotUnpacked(f"it is packed as {name}, which was not asked for")
        body = _inflated(body, layer, limit)
    return body


def peeked(beginning: bytes, encoding: str) -> bytes:
    """Return the first bytes of what a body holds, of which some are here; b"" if they are not."""
    body = beginning[:PEEK_BYTES]
    for _ in _layers(encoding)[:_LAYERS_MAX]:
        for bits in (_ANY_HEADER, _NO_HEADER):
            with suppress(zlib.error):
                body = zlib.decompressobj(bits).decompress(body, PEEK_BYTES)
                break
    return body


def _layers(encoding: str) -> list[str]:
    names = (one.strip().lower() for one in encoding.split(","))
    return [name for name in names if name not in _AS_IT_IS]


def _is_text(body: bytes) -> bool:
    """Tell whether a body is JSON or a page: no packed one begins so."""
    return start_of_text(body)[:1] in (b"", b"{", b"[", b'"', b"<")


def _inflated(body: bytes, layer: str, limit: int) -> bytes:
    for bits in (_ANY_HEADER, _NO_HEADER) if not body.startswith(_GZIP) else (_ANY_HEADER,):
        try:
            plain = _members(body, bits, limit)
        except zlib.error:
            continue
        if len(plain) > limit:
            raise NotUnpacked(f"it unpacks to more than {limit} bytes")
        return plain
    raise NotUnpacked(_GARBLED.format(layer))


def _members(body: bytes, bits: int, limit: int) -> bytes:
    """Return what all gzip members of a body hold, and no more than a byte over `limit`."""
    plain = b""
    while True:
        inflater = zlib.decompressobj(bits)
        plain += inflater.decompress(body, limit + 1 - len(plain))
        body = inflater.unused_data
        if len(plain) > limit or not (inflater.eof and body.startswith(_GZIP)):
            return plain
