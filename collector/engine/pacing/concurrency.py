"""How many exports may run at once, where the service turns down more and never says how many."""

from __future__ import annotations

STARTS_BETWEEN_PROBES = 64
MOST_STARTS_BETWEEN_PROBES = 512
"""One more is started after so many starts; twice as many after each such probe that was refused:
in the end they cost 0.2 % of the starts."""


class ExportsLimit:
    """The estimate for one project.

    It counts the exports that are thought to run: one that has ended unseen takes a place here and
    none at the service, so that a status is worth as much as an export.

    Attributes:
        limit: how many are believed to be allowed.
        is_proven: whether one was let through in the place of one that had ended.
    """

    __slots__ = ("_apart", "_started", "_step", "is_proven", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = max(1, limit)
        self.is_proven = False
        self._started = 0
        self._apart = STARTS_BETWEEN_PROBES
        self._step = 0

    def allows(self, running: int) -> bool:
        """Whether one more export may be started while `running` run."""
        return running < self.limit + self._step

    def started(self, running: int) -> bool:
        """Count a start that was let through while `running` ran; return whether that is news.

        One that was let through above the limit says that the limit is higher.
        """
        if running >= self.limit:
            self.limit = running + 1
            self._step = 1
            self._started = 0
            return True
        if not self.is_proven:
            self.is_proven = True
            return True
        self._started += 1
        if self._started >= self._apart and not self._step:
            self._step = 1
        return False

    def refused(self, running: int) -> bool:
        """Process a start that was refused while `running` ran; return whether it explains it."""
        if self._step:
            self._step, self._started = 0, 0
            self._apart = min(MOST_STARTS_BETWEEN_PROBES, 2 * self._apart)
        return running >= self.limit
