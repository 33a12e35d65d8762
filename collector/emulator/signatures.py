"""What a signature covers: `SDK-HMAC-SHA256` (API signing guide)."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, unquote_plus

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHM = "SDK-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a signature covers, as it came.

    Attributes:
        method: GET or POST.
        raw_path: Path and query of the request line.
        headers: By their names in lower case; of several of one name the first.
        body: The whole body.
    """

    method: str
    raw_path: str
    headers: Mapping[str, str]
    body: bytes

    def canonical(self, signed_headers: str) -> str:
        """The canonical request."""
        path, _, query = self.raw_path.partition("?")
        names = signed_headers.split(";")
        lines = "".join(f"{name}:{self.headers.get(name, '').strip()}\n" for name in names)
        return "\n".join(
            (
                self.method.upper(),
                _canonical_path(path),
                _canonical_query(query),
                lines,
                signed_headers,
                self._payload_hash(),
            )
        )

    def _payload_hash(self) -> str:
        claimed = self.headers.get("x-sdk-content-sha256", "").strip()
        if self.body and claimed == "UNSIGNED-PAYLOAD":
            return claimed
        return hashlib.sha256(self.body).hexdigest()


def _canonical_path(path: str) -> str:
    encoded = "/".join(quote(part, safe="~") for part in unquote(path).split("/"))
    return encoded if encoded.endswith("/") else f"{encoded}/"


def _canonical_query(query: str) -> str:
    pairs = []
    for pair in filter(None, query.split("&")):
        key, _, value = pair.partition("=")
        pairs.append((unquote_plus(key), unquote_plus(value)))
    return "&".join(
        f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in sorted(pairs)
    )


def signature(sk: str, date: str, canonical: str) -> str:
    """Return the signature of a canonical request."""
    # Bytes that are no UTF-8 were kept as surrogates when the request was parsed.
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    text = f"{ALGORITHM}\n{date}\n{digest}"
    return hmac.new(sk.encode(), text.encode("utf-8", "surrogateescape"), "sha256").hexdigest()
