"""Failures for one reason: the first few are told one by one, the others counted now and then."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from collector.report.reasons import shape

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from collector.model import events as e

TOLD: Final = 3
"""Failures for one reason that are told one by one."""
REASONS: Final = 3
"""Reasons that are told of at a time."""


@dataclass(slots=True)
class _Reason:
    failure: e.ServerFailed
    told: int = 0
    more: int = 0
    varies: bool = False


class Repeats:
    """The failures of a run by their reason."""

    def __init__(self) -> None:
        self._reasons: dict[Hashable, _Reason] = {}
        self._announced: set[str] = set()

    def announce(self, message: str) -> None:
        """Take it that servers that fail with this message have been told of, with their number."""
        self._announced.add(message)

    def is_told(self, failure: e.ServerFailed, own: tuple[str, str]) -> bool:
        """Count a failure; return whether it is told by itself.

        Args:
            failure: of a server.
            own: the server's name and id, which tell two messages apart that are for one reason.
        """
        if failure.message in self._announced:
            return False
        key = (failure.stage, failure.code, shape(failure.message, own))
        reason = self._reasons.setdefault(key, _Reason(failure))
        reason.varies |= failure.message != reason.failure.message
        if reason.told < TOLD:
            reason.told += 1
            return True
        reason.more += 1
        return False

    def more(self) -> Iterator[tuple[int, e.ServerFailed, bool]]:
        """Yield how many were not told by themselves since then, with one; and whether words vary.

        Of the reasons of most of them: the others come another time.
        """
        waiting = [reason for reason in self._reasons.values() if reason.more]
        for reason in heapq.nlargest(REASONS, waiting, key=lambda reason: reason.more):
            yield reason.more, reason.failure, reason.varies
            reason.more = 0
