"""Faults: from a server's own list, or by chance for all servers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from collector.emulator.calls import SERVER_CALLS, ServerCall
from collector.emulator.chance import fraction
from collector.emulator.errors import require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

RefusalFault = Literal[
    "error_500",
    "bad_gateway",
    "timeout_408",
    "unavailable",
    "no_content",
    "bad_redirect",
    "silent",
    "reset_before",
    "html",
    "expired_token",
    "no_permission",
    "unknown_id",
    "not_ready",
    "conflict",
    "locked",
    "bad_parameter",
]
WireFault = Literal[
    "late",
    "drip",
    "two_lengths",
    "length_and_chunks",
    "many_headers",
    "gzip_json",
    "gbk_name",
    "nul_name",
    "huge_parameter",
    "odd_charset",
]
AnswerFault = Literal["reset_after", "no_export_id"]
OutcomeFault = Literal["failed_export", "forgotten_export", "stuck_export", "replica_lag"]
LinkFault = Literal["link_expired"]
ContentFault = Literal[
    "truncated",
    "truncated_chunked",
    "cut",
    "changed",
    "corrupt",
    "html_archive",
    "zip_archive",
    "wrong_checksum",
    "stalled",
    "slow",
]
HostileFault = Literal[
    "plain_tar",
    "empty",
    "no_bytes",
    "trailing_garbage",
    "bomb",
    "many_members",
    "huge_length",
]
FaultName = Literal[
    RefusalFault, WireFault, AnswerFault, OutcomeFault, LinkFault, ContentFault, HostileFault
]
Moment = Literal["refusal", "wire", "answer", "outcome", "link", "content"]

_MOMENTS: dict[str, Moment] = {
    **dict.fromkeys(get_args(RefusalFault), "refusal"),
    **dict.fromkeys(get_args(WireFault), "wire"),
    **dict.fromkeys(get_args(AnswerFault), "answer"),
    **dict.fromkeys(get_args(OutcomeFault), "outcome"),
    **dict.fromkeys(get_args(LinkFault), "link"),
    **dict.fromkeys(get_args(ContentFault), "content"),
    **dict.fromkeys(get_args(HostileFault), "content"),
}
_NAME_FAULTS = ("gbk_name", "nul_name", "huge_parameter", "odd_charset")
_CALLS: dict[str, tuple[ServerCall, ...]] = {
    **dict.fromkeys(get_args(RefusalFault), SERVER_CALLS),
    **dict.fromkeys(get_args(WireFault), SERVER_CALLS),
    **dict.fromkeys(_NAME_FAULTS, ("download",)),
    **dict.fromkeys(get_args(OutcomeFault), ("export",)),
    **dict.fromkeys(get_args(LinkFault), ("download",)),
    **dict.fromkeys(get_args(ContentFault), ("download",)),
    **dict.fromkeys(get_args(HostileFault), ("download",)),
    "no_content": ("download",),
    "bad_redirect": ("download",),
    "gzip_json": ("export", "status"),
    "not_ready": ("export",),
    "bad_parameter": ("export",),
    "reset_after": ("export",),
    "no_export_id": ("export",),
}
_POSSIBLE_CALLS: dict[str, tuple[ServerCall, ...]] = {
    **dict.fromkeys(get_args(RefusalFault), SERVER_CALLS),
    **dict.fromkeys(set(get_args(WireFault)) - set(_NAME_FAULTS), SERVER_CALLS),
    "gzip_json": ("export", "status"),
    "reset_after": ("export", "status"),
}
"""The calls that a fault's `calls` may name; other faults have no choice."""
_OPTIONS = {
    "after_s": ("forgotten_export",),
    "for_s": ("late", "replica_lag"),
    "status": ("html",),
    "retry_after_s": ("unavailable",),
    "bytes_per_s": ("slow", "drip"),
    "at": ("cut", "changed"),
    "at_bytes": ("cut", "changed"),
    "other_length": ("changed",),
    "count": ("many_members", "many_headers"),
}
"""The faults that an option belongs to."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong with a server's calls, exports or downloads.

    In place of the answer, and without acting: `error_500` (the service's own JSON body),
    `bad_gateway` (502 with HTML), `timeout_408`, `unavailable` (503 with Retry-After),
    `no_content` (204) and `bad_redirect` (302 to a port that cannot be; both only downloads unless
    `calls` says more), `silent` (nothing comes, and the connection stays open), `reset_before` (the
    connection is reset), `html` (a page under 200, or under `status`), `expired_token` (401),
    `no_permission` (403), `unknown_id` (404), `conflict` (409), `locked` (423), `not_ready` and
    `bad_parameter` (400; only exports unless `calls` says more).
    The answer is the usual one, and comes in an odd way: `late` (after `for_s`), `drip` (at
    `bytes_per_s`, one unless said), `two_lengths` (Content-Length twice), `length_and_chunks`
    (Content-Length and Transfer-Encoding), `many_headers` (`count` cookies are set), `gzip_json`
    (under Content-Encoding: gzip; no download); a download's file name is `gbk_name` (raw bytes of
    GBK), `nul_name` (an escaped NUL where the charset should be), `huge_parameter` (the number of a
    part has 5,000 digits) or `odd_charset` (one that no text can be decoded with).
    After acting: `reset_after` (the connection is reset) and `no_export_id` (a 202 without it).
    What becomes of an export: `failed_export`, `forgotten_export` (404 once `after_s` have
    passed), `replica_lag` (404 until `for_s` have passed), `stuck_export` (never ends).
    At the second origin, where downloads are redirected to it: `link_expired` (403; that link
    stays refused, a new one is as good as any).
    What is wrong with a download: `truncated` (the second half of the promised Content-Length
    never comes), `truncated_chunked` (the same without a length), `cut` (the connection ends
    once `at` or `at_bytes` of the archive have been sent), `changed` (the same, and from then on
    the archive is another one), `corrupt` (one byte), `wrong_checksum` (all that are offered),
    `stalled` (after half of it nothing comes, and the connection stays open), `slow`
    (`bytes_per_s`).
    What is sent in place of an archive: `html_archive`, `zip_archive`, `plain_tar` (not a gzip),
    `no_bytes`, `empty` (a tar of nothing), `trailing_garbage` (the archive, and more), `bomb`
    (10 GB of zeros, in 10 MB), `many_members` (`count` empty files), `huge_length` (a length of
    2^60 is promised, little comes).

    A `cut` strikes only where its place lies in what was asked for: a range that begins there or
    beyond is not hurt. Several with `times = 1` strike one after the other.

    Attributes:
        name: What goes wrong.
        calls: Which calls it may hit; empty means those that the name implies.
        times: It hits a server this often, then never again; None means always.
        probability: The part of the calls (exports, downloads) it hits, 0 to 1.
        after_s: For `forgotten_export`: seconds from the export's start.
        for_s: For `late`: seconds before the answer; for `replica_lag`: from the export's start.
        status: For `html`: the page's.
        retry_after_s: For `unavailable`: what it tells, in whole seconds; None means 5.
        bytes_per_s: For `slow` and `drip`.
        at: For `cut` and `changed`: which part of the archive's bytes arrives, 0 to 1.
        at_bytes: The same as a number of bytes.
        other_length: For `changed`: whether the other archive has another length too.
        count: For `many_members` and `many_headers`: how many; None means a million, and 200.
    """

    name: FaultName
    calls: tuple[ServerCall, ...] = ()
    times: int | None = None
    probability: float = 1.0
    after_s: float | None = None
    for_s: float | None = None
    status: int | None = None
    retry_after_s: int | None = None
    bytes_per_s: float | None = None
    at: float | None = None
    at_bytes: int | None = None
    other_length: bool = False
    count: int | None = None

    def __post_init__(self) -> None:
        require(self.name in _MOMENTS, f"fault: no such name: {self.name!r}")
        require(self.times is None or self.times >= 1, f"{self.name}: times must be 1 or more")
        require(0 <= self.probability <= 1, f"{self.name}: probability must be 0 to 1")
        require(
            set(self.calls) <= set(_POSSIBLE_CALLS.get(self.name, ())),
            f"{self.name}: calls may only name {', '.join(_POSSIBLE_CALLS.get(self.name, ()))}"
            if self.name in _POSSIBLE_CALLS
            else f"{self.name}: calls has no meaning here",
        )
        for option, names in _OPTIONS.items():
            require(
                getattr(self, option) in (None, False) or self.name in names,
                f"{self.name}: {option} belongs to {' and '.join(names)}",
            )
        require(
            self.name != "slow" or (self.bytes_per_s or 0) > 0,
            "slow: needs bytes_per_s, over 0",
        )
        require(
            self.name not in _OPTIONS["for_s"] or (self.for_s or 0) > 0,
            f"{self.name}: needs for_s, over 0",
        )
        require(
            (self.bytes_per_s is None or self.bytes_per_s > 0)
            and (self.status is None or 200 <= self.status < 600),  # noqa: PLR2004 - HTTP's
            f"{self.name}: bytes_per_s must be over 0, and status one of HTTP",
        )
        require(
            self.name not in _OPTIONS["at"] or (self.at is None) != (self.at_bytes is None),
            f"{self.name}: needs either at or at_bytes",
        )
        require(0 <= (self.at or 0) <= 1, f"{self.name}: at must be 0 to 1")
        for option in ("at_bytes", "count"):
            require((getattr(self, option) or 0) >= 0, f"{self.name}: {option} must be 0 or more")

    @property
    def moment(self) -> Moment:
        """The stage of a call at which it strikes."""
        return _MOMENTS[self.name]

    @property
    def hits(self) -> tuple[ServerCall, ...]:
        """The calls it may hit."""
        return self.calls or _CALLS[self.name]

    def place(self, size: int) -> int | None:
        """Return the byte of an archive of that size at which the connection ends, if it does."""
        if self.at_bytes is not None:
            return self.at_bytes
        return None if self.at is None else round(size * self.at)


class ServerFaults:
    """The faults of one server, and how often each will still strike."""

    def __init__(self, seed: int, server_id: str, faults: Iterable[Fault]) -> None:
        self._seed = seed
        self._server_id = server_id
        self._faults: dict[tuple[Moment, ServerCall], list[tuple[int, Fault]]] = {}
        self._left: dict[int, int] = {}
        self._chances: Counter[tuple[int, ServerCall]] = Counter()
        for index, fault in enumerate(faults):
            for kind in fault.hits:
                self._faults.setdefault((fault.moment, kind), []).append((index, fault))
            if fault.times is not None:
                self._left[index] = fault.times

    def strike(
        self, moment: Moment, kind: ServerCall, can_hit: Callable[[Fault], bool] = lambda _: True
    ) -> Fault | None:
        """Return the fault that hits a call of that kind at that stage, if any.

        It is the first in the list that is due and can hit this call; it counts as having struck.
        """
        for index, fault in self._faults.get((moment, kind), ()):
            if self._left.get(index, 1) < 1 or not can_hit(fault):
                continue
            if fault.probability < 1:
                self._chances[index, kind] += 1
                nth = self._chances[index, kind]
                chance = fraction(self._seed, self._server_id, index, fault.name, kind, nth)
                if chance >= fault.probability:
                    continue
            if index in self._left:
                self._left[index] -= 1
            return fault
        return None
