"""Signed requests: `SDK-HMAC-SHA256`, as the gateway verifies them (API signing guide)."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, unquote_plus

from collector.emulator.locks import Locks
from collector.emulator.principals import Principal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.emulator.principals import KeySpec
    from collector.emulator.scenario import Scenario
    from collector.emulator.statistics import Statistics

ALGORITHM = "SDK-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Access=([^,\s]+), ?SignedHeaders=([^,\s]+), ?Signature=([0-9a-f]{{64}})"
)
_DATE = "%Y%m%dT%H%M%SZ"
_TOLERANCE_S = 15 * 60


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


class Keys:
    """The accepted access keys, their use, and which are locked.

    Args:
        scenario: Which there are, and how soon they are locked.
        statistics: Where refusals are counted.
        now_s: When the lifetime of keys starts.
    """

    def __init__(self, scenario: Scenario, statistics: Statistics, now_s: float) -> None:
        self._keys = {key.ak: _Key(key, number) for number, key in enumerate(scenario.keys, 1)}
        self._statistics = statistics
        self._since_s = now_s
        self._locks = Locks(scenario.key_lock_after + 1, within_s=None, for_s=scenario.key_lock_s)

    def check(self, request: SignedRequest, now_s: float, clock_s: float) -> Principal | str:
        """Return whose signature it is, or why it is refused.

        Args:
            request: The request, with an Authorization.
            now_s: The emulator's monotonic clock.
            clock_s: The service's clock, in seconds since 1970.
        """
        match = _AUTHORIZATION.fullmatch(request.headers["authorization"].strip())
        if match is None:
            return "invalid authorization header"
        ak, signed_headers, claimed = match.groups()
        key = self._keys.get(ak)
        if key is None:
            self._statistics.unknown_keys += 1
            return f"ak {ak} not exist"
        refused = self._refusal(key, request, signed_headers, now_s, clock_s)
        if refused is not None:
            return refused
        canonical = request.canonical(signed_headers)
        wanted = signature(key.spec.sk, request.headers["x-sdk-date"].strip(), canonical)
        if "x-sdk-date" in signed_headers.split(";") and hmac.compare_digest(wanted, claimed):
            self._locks.succeeded(ak)
            key.calls += 1
            return key.principal
        self._statistics.wrong_signatures += 1
        self._locks.failed(ak, now_s)
        self._statistics.wrong_signatures_in_a_row = max(self._locks.most_in_a_row.values())
        self._statistics.keys_locked = self._locks.locks
        words = canonical.encode("utf-8", "backslashreplace").decode().replace("\n", "|")
        return f"verify aksk signature fail, canonicalRequest:{words}"

    def _refusal(
        self, key: _Key, request: SignedRequest, signed_headers: str, now_s: float, clock_s: float
    ) -> str | None:
        """Return why a request is refused whatever its signature; None if it is not."""
        if self._locks.is_locked(key.spec.ak, now_s):
            self._statistics.locked_key_calls += 1
            return "AK access failed to reach the limit,forbidden."
        refused = _out_of_time(request.headers.get("x-sdk-date", ""), clock_s)
        if refused is not None:
            self._statistics.expired_signatures += 1
            return refused
        refused = key.refusal(request, signed_headers, now_s - self._since_s, clock_s)
        if refused is not None:
            self._statistics.refused_keys += 1
        return refused


class _Key:
    """A key, and the calls that it was used for."""

    def __init__(self, spec: KeySpec, number: int) -> None:
        self.spec = spec
        self.calls = 0
        self.principal = Principal(
            account=spec.account,
            credential=spec.ak,
            label=f"key {number}",
            projects=spec.projects,
            denied=spec.denied,
        )

    def refusal(
        self, request: SignedRequest, signed_headers: str, age_s: float, clock_s: float
    ) -> str | None:
        """Return why the key is refused whatever the signature; None if it is not."""
        spec = self.spec
        claimed = request.headers.get("x-security-token")
        if spec.security_token is not None and claimed is None:
            return "x-security-token not found"
        if claimed != spec.security_token:
            return "decrypt token fail"
        if claimed is not None and "x-security-token" not in signed_headers.split(";"):
            return "x-security-token is not signed"
        left_s = 1.0 if spec.expires_after_s is None else spec.expires_after_s - age_s
        if left_s > 0 and (
            spec.expires_after_calls is None or self.calls < spec.expires_after_calls
        ):
            return None
        ended = datetime.fromtimestamp(clock_s + min(0, left_s), UTC)
        return f"token expires, expires_at: {ended:%Y-%m-%dT%H:%M:%S.%fZ}"


def _out_of_time(date: str, clock_s: float) -> str | None:
    """Return why the signature's time is refused; None if it is not."""
    try:
        signed_s = datetime.strptime(date.strip(), _DATE).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return "signature expired, signature time is missing or malformed"
    if abs(signed_s - clock_s) <= _TOLERANCE_S:
        return None
    now = datetime.fromtimestamp(clock_s, UTC).strftime(_DATE)
    return f"signature expired, signature time:{date.strip()},server time:{now}"
