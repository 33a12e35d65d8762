"""What goes wrong with IAM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from collector.emulator.errors import require

IamFaultName = Literal[
    "reset",
    "silent",
    "error_500",
    "bad_gateway",
    "unavailable",
    "throttled",
    "html",
    "redirect",
    "late",
    "no_token",
    "odd_token",
    "not_json",
    "no_expiry",
    "odd_expiry",
    "deep",
    "huge",
]
_LATER = ("unavailable", "throttled")


@dataclass(frozen=True, slots=True)
class IamFault:
    """One thing that goes wrong with sign-ins.

    In place of the answer: `reset` (the connection is reset), `silent` (nothing comes, and the
    connection stays open), `error_500`, `bad_gateway` (502 with HTML), `unavailable` (503),
    `throttled` (429), `html` (a page under 200), `redirect` (307 to another origin, which counts
    what arrives there as leaked). A token is issued, and the answer is odd: `late` (after `for_s`),
    `no_token` (no X-Subject-Token), `odd_token` (one that no header can carry), `not_json` (its
    body), `no_expiry` (no expires_at), `odd_expiry` (one that is no time), `deep` (100,000 lists in
    each other), `huge` (64 MiB of blanks come first).

    Attributes:
        name: What goes wrong.
        times: It hits this many sign-ins, then never again; None means all.
        skip: So many sign-ins go well before.
        retry_after_s: For `unavailable` and `throttled`: Retry-After, in whole seconds; None means
            no such header.
        for_s: For `late`: seconds before the answer.
    """

    name: IamFaultName
    times: int | None = None
    skip: int = 0
    retry_after_s: int | None = None
    for_s: float | None = None

    def __post_init__(self) -> None:
        require(self.times is None or self.times >= 1, f"{self.name}: times must be 1 or more")
        require(self.skip >= 0, f"{self.name}: skip must be 0 or more")
        require(
            (self.name == "late") == ((self.for_s or 0) > 0),
            f"{self.name}: for_s, over 0, belongs to late, which needs it",
        )
        require(
            self.retry_after_s is None or self.name in _LATER,
            f"{self.name}: retry_after_s belongs to {' and '.join(_LATER)}",
        )
