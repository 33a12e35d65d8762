"""Access keys: whose signature a request carries, and which keys are locked."""

from __future__ import annotations

import hmac
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from collector.emulator.chance import opaque
from collector.emulator.locks import Locks
from collector.emulator.principals import KeySpec, Principal
from collector.emulator.signatures import ALGORITHM, SignedRequest, signature
from collector.emulator.tokens import DAY_S, moment

if TYPE_CHECKING:
    from collector.emulator.principals import UserSpec
    from collector.emulator.scenario import Scenario
    from collector.emulator.statistics import Statistics

_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Access=([^,\s]+), ?SignedHeaders=([^,\s]+), ?Signature=([0-9a-f]{{64}})"
)
_DATE = "%Y%m%dT%H%M%SZ"
_TOLERANCE_S = 15 * 60


class Keys:
    """The accepted access keys, their use, and which are locked.

    Args:
        scenario: Which there are, and how soon they are locked.
        statistics: Where refusals are counted.
        now_s: When the lifetime of keys starts.
    """

    def __init__(self, scenario: Scenario, statistics: Statistics, now_s: float) -> None:
        self._seed = scenario.seed
        self._keys = {
            key.ak: _Key(key, f"key {number}", now_s)
            for number, key in enumerate(scenario.keys, start=1)
        }
        self._statistics = statistics
        self._locks = Locks(scenario.key_lock_after + 1, within_s=None, for_s=scenario.key_lock_s)

    def issue(self, user: UserSpec, projects: tuple[str, ...] | None, now_s: float) -> KeySpec:
        """Issue a temporary key to a user, for these projects (None: all).

        It lives as long as a token of that user.
        """
        self._statistics.keys_issued += 1
        digits = opaque(self._seed, "key", self._statistics.keys_issued)
        spec = KeySpec(
            ak=f"HST{digits[:17].upper()}",
            sk=opaque(digits, "sk"),
            security_token=opaque(digits, "security token"),
            account=user.account or user.domain,
            projects=projects,
            expires_after_s=DAY_S if user.token_life_s is None else user.token_life_s,
            expires_after_calls=user.token_life_calls,
            denied=user.denied,
        )
        self._keys[spec.ak] = _Key(spec, user.label, now_s)
        return spec

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
        refused = key.refusal(request, signed_headers, now_s, clock_s)
        if refused is not None:
            self._statistics.refused_keys += 1
        return refused


class _Key:
    """A key, and the calls that it was used for."""

    def __init__(self, spec: KeySpec, label: str, since_s: float) -> None:
        self.spec = spec
        self._since_s = since_s
        self.calls = 0
        self.principal = Principal(
            account=spec.account,
            credential=spec.ak,
            label=label,
            projects=spec.projects,
            denied=spec.denied,
        )

    def refusal(
        self, request: SignedRequest, signed_headers: str, now_s: float, clock_s: float
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
        left_s = 1.0
        if spec.expires_after_s is not None:
            left_s = self._since_s + spec.expires_after_s - now_s
        if left_s > 0 and (
            spec.expires_after_calls is None or self.calls < spec.expires_after_calls
        ):
            return None
        return f"token expires, expires_at: {moment(clock_s + min(0, left_s))}"


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
