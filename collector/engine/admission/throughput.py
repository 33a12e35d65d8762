"""Measures the throughput of all downloads, and finds those that are far slower than the others."""

from __future__ import annotations

from collections import deque

REMEMBERED_S = 10
"""Seconds for which the best one counts: a network that becomes slow is soon the usual one."""
LOOK_S = 0.5
"""A download is judged by what it brought in no less than this."""
FAR_BEHIND = 0.1
"""Of an even share of the best second: who brings less takes no place from the others."""


class Throughput:
    """Bytes a second of all downloads together, in the last seconds."""

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, int]] = deque()

    def arrived(self, size: int, now_s: float) -> None:
        """Count bytes that came."""
        second = int(now_s)
        if self._seconds and self._seconds[-1][0] == second:
            size += self._seconds.pop()[1]
        self._seconds.append((second, size))
        while self._seconds[0][0] < second - REMEMBERED_S:
            self._seconds.popleft()

    def is_far_behind(self, size: int, took_s: float, *, now_s: float, places: int) -> bool:
        """Tell whether a download that brought `size` bytes in `took_s` is left behind.

        Args:
            size: bytes.
            took_s: no less than `LOOK_S`.
            now_s: now.
            places: downloads that there may be at once: what an even share is a share of.
        """
        since = int(now_s) - REMEMBERED_S
        best = max((total for second, total in self._seconds if second >= since), default=0)
        return size / took_s < FAR_BEHIND * best / places
