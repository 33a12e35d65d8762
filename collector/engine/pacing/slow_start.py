"""How a run begins on an account of whose limits nothing is known."""

from __future__ import annotations

FEWEST = 2
SHORT_S = 0.05
"""At first two calls are under way at once, over a way shorter than this one alone: more of them
would be refused together."""
PER_SECOND = 6.0
"""Over a long way, as many more as make this rate."""
CAREFUL_CALLS = 256
"""So many calls go carefully: most limits that there are lie below."""
DOUBLING_CALLS = 64
MOST = 256
HUNG_MOST = 8
"""For each call that hangs one more is sent, up to so many: else one after the other would hang."""


class SlowStart:
    """Few calls under way at first; more and more once many were let through."""

    __slots__ = ("_fewest", "_hung", "_most", "_passed", "_under_way")

    def __init__(self, under_way: int = 1) -> None:
        """Begin with so many under way; more than one where that is known to be none too many."""
        self._most = self._fewest = under_way
        self._passed = 0 if under_way == 1 else CAREFUL_CALLS
        self._under_way = 0
        self._hung = 0

    @property
    def allows_one_more(self) -> bool:
        """Whether one more call may be under way."""
        return self._under_way < self._most + min(self._hung, HUNG_MOST)

    @property
    def over(self) -> bool:
        """Whether so many calls were let through that nothing seems to bind."""
        return self._most >= MOST

    def sent(self) -> None:
        """Count a call that leaves."""
        self._under_way += 1

    def answered(self) -> None:
        """Count a call that is no longer under way."""
        self._under_way = max(0, self._under_way - 1)

    def hangs(self) -> None:
        """Count a call as hung: no other waits for it, and as many more may hang."""
        self._hung += 1
        self.answered()

    def hung(self) -> None:
        """Count a hung call as under way again, since it is about to be answered."""
        self._hung = max(0, self._hung - 1)
        self.sent()

    def passed(self, latency_s: float) -> None:
        """Count a call that no limit refused, after a round trip of about `latency_s`."""
        self.answered()
        self._passed += 1
        doublings = max(0, self._passed - CAREFUL_CALLS) // DOUBLING_CALLS
        fewest = max(FEWEST if latency_s > SHORT_S else 1, round(PER_SECOND * latency_s))
        fewest = max(fewest, self._fewest)
        self._most = min(MOST, fewest * 2 ** min(doublings, 8))
