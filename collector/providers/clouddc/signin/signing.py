"""Signatures of requests: `SDK-HMAC-SHA256`, to the byte as the vendor's SDK makes them.

Nothing here reads a clock, a file or a variable.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ALGORITHM: Final = "SDK-HMAC-SHA256"
LARGEST_BODY: Final = 12 << 20
"""Bytes of a body that can be signed (gateway manual: 12 MB)."""

_UNRESERVED: Final = "~"
"""What stays as it is beside letters, digits, `_`, `.` and `-`."""
_JSON: Final = ("application/json", "application/bson")
_CONTENT_TYPE: Final = "Content-Type"
_CONTENT_HASH: Final = "X-Sdk-Content-Sha256"
_UNSIGNED: Final = "UNSIGNED-PAYLOAD"


def stamp(at_s: float) -> str:
    """Return Unix seconds as `X-Sdk-Date` writes them."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at_s))


def signed(
    method: str,
    path: str,
    query: Iterable[tuple[str, str]],
    headers: Mapping[str, str],
    body: bytes,
    *,
    ak: str,
    sk: str,
) -> dict[str, str]:
    """Return the headers of a request with those that sign it.

    Args:
        method: of HTTP.
        path: of the URL as it is sent, percent-escapes and all.
        query: names and values, unescaped.
        headers: those to sign, `Host` and `X-Sdk-Date` among them. Others may be sent beside.
        body: what is sent.
        ak: the access key, which is sent along.
        sk: the secret key, which is not.
    """
    given = {name: value.strip() for name, value in headers.items()}
    kind = headers.get(_CONTENT_TYPE)
    if kind and not kind.startswith(_JSON):
        given[_CONTENT_HASH] = _UNSIGNED
    by_name = {name.lower(): value for name, value in given.items()}
    names = sorted(name for name in by_name if "_" not in name)
    request = "\n".join(
        (
            method.upper(),
            _path(path),
            _query(query),
            *(f"{name}:{by_name[name]}" for name in names),
            "",
            ";".join(names),
            _UNSIGNED if body and _CONTENT_HASH in given else _hash(body),
        )
    )
    to_sign = f"{ALGORITHM}\n{by_name['x-sdk-date']}\n{_hash(request.encode())}"
    signature = hmac.new(sk.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    given["Authorization"] = (
        f"{ALGORITHM} Access={ak}, SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    return given


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _path(path: str) -> str:
    escaped = "/".join(_escaped(step) for step in unquote(path).split("/"))
    return escaped if escaped.endswith("/") else f"{escaped}/"


def _query(query: Iterable[tuple[str, str]]) -> str:
    return "&".join(f"{_escaped(name)}={_escaped(value)}" for name, value in sorted(query))


def _escaped(text: str) -> str:
    return quote(text, safe=_UNRESERVED)
