"""What a scope waits for: a Retry-After, or a back-off after several refusals in a row.

The pauses are an exponential back-off: none after the first refusal, which the window takes care
of, then 0.25 s, 0.5 s, and so on up to a minute, and never for ever.
"""

from __future__ import annotations

import math

from collector.engine.pacing.findings import WORTH_TELLING_S, Asked, Disbelieved, Finding
from collector.model.answers import Scope  # noqa: TC001  # kept in an attribute

LONGEST_RETRY_AFTER_S = 900.0
INSTEAD_OF_RETRY_AFTER_S = 60.0
"""What is waited where a service asks for longer than can be meant."""
SHORTEST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 60.0


class Pauses:
    """Until when a scope lets nothing leave.

    Attributes:
        until_s: then; long ago where nothing was waited for yet.
        in_a_row: refusals since anything was let through.
    """

    __slots__ = ("_scope", "in_a_row", "until_s")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.until_s = -math.inf
        self.in_a_row = 0

    def wait_until(self, at_s: float) -> None:
        """Let nothing leave before a time."""
        self.until_s = max(self.until_s, at_s)

    def refused(self, now_s: float) -> None:
        """Wait after refusals that nothing came between, ever longer."""
        self.in_a_row += 1
        pause_s = 0.0
        if self.in_a_row > 1:
            pause_s = min(LONGEST_PAUSE_S, SHORTEST_PAUSE_S * 2.0 ** min(self.in_a_row - 2, 16))
        self.wait_until(now_s + pause_s)

    def wait_as_asked(self, retry_after_s: float, now_s: float) -> list[Finding]:
        """Obey a Retry-After, if it can be meant."""
        if 0.0 <= retry_after_s <= LONGEST_RETRY_AFTER_S:
            self.wait_until(now_s + retry_after_s)
            if retry_after_s < WORTH_TELLING_S:
                return []
            return [Asked(self._scope, now_s + retry_after_s)]
        instead_s = INSTEAD_OF_RETRY_AFTER_S if retry_after_s > LONGEST_RETRY_AFTER_S else 0.0
        self.wait_until(now_s + instead_s)
        message = f"Retry-After of {retry_after_s:g} s is taken as {instead_s:g} s"
        return [Disbelieved(self._scope, "wait", message)]
