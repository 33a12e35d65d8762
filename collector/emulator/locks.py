"""Who fails too often in a row is locked out for a while."""

from __future__ import annotations

from collections import Counter, deque


class Locks:
    """Failures in a row by name, and who is locked out for them.

    Args:
        limit: This many failures in a row lock; None never does.
        within_s: Only failures of the last so many seconds count; None counts all.
        for_s: How long a lock lasts.
    """

    def __init__(self, limit: int | None, *, within_s: float | None, for_s: float) -> None:
        self._limit = limit
        self._within_s = within_s
        self._for_s = for_s
        self._failed: dict[str, deque[float]] = {}
        self._until_s: dict[str, float] = {}
        self.most_in_a_row: Counter[str] = Counter()
        self.locks = 0

    def is_locked(self, name: str, now_s: float) -> bool:
        """Whether that name is locked out."""
        return now_s < self._until_s.get(name, now_s)

    def failed(self, name: str, now_s: float) -> None:
        """It has failed once more; too often in a row locks it."""
        failures = self._failed.setdefault(name, deque())
        failures.append(now_s)
        while self._within_s is not None and failures[0] < now_s - self._within_s:
            failures.popleft()
        self.most_in_a_row[name] = max(self.most_in_a_row[name], len(failures))
        if self._limit is not None and len(failures) >= self._limit:
            self.locks += 1
            self._until_s[name] = now_s + self._for_s
            failures.clear()

    def succeeded(self, name: str) -> None:
        """The row of its failures has ended."""
        self._failed.pop(name, None)
