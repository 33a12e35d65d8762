"""Throttling: the gateway's policies, and the service's per project."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from collector.emulator.calls import CallKind  # noqa: TC001 - scenario_file reads it at run time
from collector.emulator.errors import ScenarioError, require

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Scope = Literal["api", "user", "app", "ip", "api-allenv", "project"]
WindowKind = Literal["fixed", "sliding", "bucket"]
RefusalForm = Literal[
    "gateway", "gateway_apig", "gateway_status", "service", "text", "empty", "mixed"
]
RetryAfter = Literal["none", "seconds", "date"]

_SCOPES = ("api", "user", "app", "ip", "api-allenv", "project")
_SPELT = re.compile(
    r"(?:(?P<scope>[a-z-]+):)?(?P<limit>\d{1,9})/(?P<number>\d{0,9}\.?\d{0,9})(?P<unit>[smh]?)",
    re.ASCII,
)
_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class Throttle:
    """A policy: at most `limit` calls in `per_s` seconds within its scope.

    Attributes:
        scope: What the limit is shared by: `api` (one call at this endpoint), `user` (the calls
            of one account), `app` (one token), `ip` (one machine), `api-allenv` (as `api`: the
            gateway's default for all environments), `project` (the service's own throttle).
        limit: The calls that a window allows.
        per_s: The window's length in seconds.
        window: `fixed` windows one after the other, a `sliding` one, or a `bucket` that holds
            `limit` tokens and is refilled evenly.
        refusal: The form of a 429. `gateway`: JSON with APIGW.0308 and the gateway's words.
            `gateway_apig`: the same with APIG.0308. `gateway_status`: the documented form with
            `status_code` and `error_message`. `service`: JSON with iMetal.0005 and no detail.
            `text`: a plain string. `empty`: no body. `mixed`: each by chance. None: `service`
            for `project`, else `gateway`.
        retry_after: Whether a 429 carries Retry-After, and as what.
        only: The calls that it counts; empty means all.
    """

    scope: Scope
    limit: int
    per_s: float = 1.0
    window: WindowKind = "fixed"
    refusal: RefusalForm | None = None
    retry_after: RetryAfter = "none"
    only: tuple[CallKind, ...] = ()

    def __post_init__(self) -> None:
        require(self.scope in _SCOPES, f"throttle: no such scope: {self.scope!r}")
        require(self.limit >= 1, "throttle: limit must be 1 or more")
        require(self.per_s > 0, "throttle: per_s must be over 0")

    @classmethod
    def parse(cls, text: str) -> Throttle:
        """Parse a policy: `20/1s`, `project:10/30s` or `ip:100/1m`; the default scope is `user`.

        Raises:
            ScenarioError: If the text is none of these.
        """
        match = _SPELT.fullmatch(text)
        if match is None or not match["number"].strip("."):
            raise ScenarioError(
                f"invalid limit {text[:60]!a}; use N/DURATION or SCOPE:N/DURATION, e.g. user:20/1s"
            )
        scope = match["scope"] or "user"
        for known in _SCOPES:
            if scope == known:
                per_s = float(match["number"]) * _UNITS_S[match["unit"]]
                return cls(scope=known, limit=int(match["limit"]), per_s=per_s)  # type: ignore[arg-type]  # mypy does not narrow through the loop
        raise ScenarioError(f"unknown scope {scope!r} in {text!r}; use one of {', '.join(_SCOPES)}")

    @property
    def period(self) -> str:
        """The window's length in the gateway's words: `1 second`, `1 minute`, `10 second`."""
        for unit_s, unit in ((3600, "hour"), (60, "minute")):
            if self.per_s % unit_s == 0:
                return f"{self.per_s / unit_s:g} {unit}"
        return f"{self.per_s:g} second"


class Window(Protocol):
    """Counts calls against a limit. Times are seconds on a monotonic clock."""

    def remaining(self, now_s: float) -> int:
        """Return how many calls it would allow now."""

    def take(self, now_s: float) -> None:
        """Count a call."""

    def wait_s(self, now_s: float) -> float:
        """Return the seconds until it allows a call; 0 for now."""


class FixedWindow:
    """Consecutive windows; each allows `limit` calls."""

    def __init__(self, limit: int, per_s: float) -> None:
        self._limit = limit
        self._per_s = per_s
        self._index = -1
        self._taken = 0

    def _turn(self, now_s: float) -> None:
        index = int(now_s // self._per_s)
        if index != self._index:
            self._index, self._taken = index, 0

    def remaining(self, now_s: float) -> int:
        """See `Window`."""
        self._turn(now_s)
        return max(0, self._limit - self._taken)

    def take(self, now_s: float) -> None:
        """See `Window`."""
        self._turn(now_s)
        self._taken += 1

    def wait_s(self, now_s: float) -> float:
        """See `Window`."""
        return 0.0 if self.remaining(now_s) else (self._index + 1) * self._per_s - now_s


class SlidingWindow:
    """No interval of `per_s` seconds has more than `limit` calls."""

    def __init__(self, limit: int, per_s: float) -> None:
        self._limit = limit
        self._per_s = per_s
        # Only the last `limit` calls matter, so counting refused calls costs nothing.
        self._taken: deque[float] = deque(maxlen=limit)

    def remaining(self, now_s: float) -> int:
        """See `Window`."""
        while self._taken and self._taken[0] <= now_s - self._per_s:
            self._taken.popleft()
        return self._limit - len(self._taken)

    def take(self, now_s: float) -> None:
        """See `Window`."""
        self._taken.append(now_s)

    def wait_s(self, now_s: float) -> float:
        """See `Window`."""
        return 0.0 if self.remaining(now_s) else self._taken[0] + self._per_s - now_s


class TokenBucket:
    """A bucket of `limit` tokens, refilled evenly over `per_s`; a call takes one."""

    def __init__(self, limit: int, per_s: float) -> None:
        self._limit = limit
        self._rate = limit / per_s
        self._tokens = float(limit)
        self._at_s = 0.0

    def _refill(self, now_s: float) -> None:
        self._tokens = min(self._limit, self._tokens + (now_s - self._at_s) * self._rate)
        self._at_s = now_s

    def remaining(self, now_s: float) -> int:
        """See `Window`."""
        self._refill(now_s)
        return int(self._tokens)

    def take(self, now_s: float) -> None:
        """See `Window`."""
        self._refill(now_s)
        self._tokens = max(0.0, self._tokens - 1)

    def wait_s(self, now_s: float) -> float:
        """See `Window`."""
        return 0.0 if self.remaining(now_s) else (1 - self._tokens) / self._rate


_WINDOWS: Mapping[WindowKind, type[FixedWindow | SlidingWindow | TokenBucket]] = {
    "fixed": FixedWindow,
    "sliding": SlidingWindow,
    "bucket": TokenBucket,
}


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of a call, by scope."""

    kind: CallKind | Literal["sign_in"]
    user: str
    app: str
    ip: str
    project: str

    def key(self, scope: Scope) -> str:
        """Return the key that calls share within that scope."""
        match scope:
            case "user":
                return self.user
            case "app":
                return self.app
            case "ip":
                return self.ip
            case "project":
                return self.project
            case "api" | "api-allenv":
                return self.kind


class Gate:
    """All policies together: a call passes if all of them allow it.

    Args:
        throttles: The policies.
        throttled_calls_count: Whether refused calls count in the windows too, so that a client that
            hammers stays blocked.
    """

    def __init__(self, throttles: Sequence[Throttle], *, throttled_calls_count: bool) -> None:
        self._throttles = throttles
        self._throttled_calls_count = throttled_calls_count
        self._windows: dict[tuple[int, str], Window] = {}

    def _applying(self, caller: Caller) -> list[tuple[Throttle, Window]]:
        applying = []
        for index, throttle in enumerate(self._throttles):
            if throttle.only and caller.kind not in throttle.only:
                continue
            key = index, caller.key(throttle.scope)
            window = self._windows.get(key)
            if window is None:
                window = _WINDOWS[throttle.window](throttle.limit, throttle.per_s)
                self._windows[key] = window
            applying.append((throttle, window))
        return applying

    def admit(self, caller: Caller, now_s: float) -> tuple[Throttle, float] | None:
        """Let the call pass (None), or return the policy that refuses it and the wait in seconds.

        A refused call uses nothing of any window, unless refused calls count.
        """
        applying = self._applying(caller)
        refused = next((pair for pair in applying if not pair[1].remaining(now_s)), None)
        if refused is None or self._throttled_calls_count:
            for _, window in applying:
                window.take(now_s)
        if refused is None:
            return None
        throttle, window = refused
        return throttle, window.wait_s(now_s)

    def debug_headers(self, caller: Caller, now_s: float) -> dict[str, str]:
        """Return the gateway's headers on its windows (API reference, "Throttling").

        The service's own throttle is not among them.
        """
        told: dict[str, tuple[int, str]] = {}
        for throttle, window in self._applying(caller):
            if throttle.scope != "project":
                remain = window.remaining(now_s)
                name = f"X-Apig-RateLimit-{throttle.scope}"
                words = f"remain:{remain},limit:{throttle.limit},time:{throttle.period}"
                # One header per scope: of two policies the one closer to refusing.
                told[name] = min(told.get(name, (remain, words)), (remain, words))
        return {name: words for name, (_, words) in told.items()}
