"""Timers: when to look at something again. To move one costs nothing until it fires."""

from __future__ import annotations

import heapq
import itertools
import math
from typing import Generic, Protocol, TypeVar


class Sleeper(Protocol):
    """What may be woken.

    Attributes:
        wakes_s: when it is to be; infinite: not by time.
        alarm_s: when it is next in the heap; no later than `wakes_s`.
    """

    wakes_s: float
    alarm_s: float


SleeperT = TypeVar("SleeperT", bound=Sleeper)


class Alarms(Generic[SleeperT]):
    """A heap of times that are corrected when they come.

    A time that moves later stays where it is: when it comes, it is put back. So something that
    moves at every call, as the end of a silence does, stands in the heap once.
    """

    __slots__ = ("_heap", "_number")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, SleeperT]] = []
        self._number = itertools.count().__next__

    def set(self, sleeper: SleeperT, at_s: float) -> None:
        """Wake something at a time, and at no other that was set before."""
        sleeper.wakes_s = at_s
        if at_s < sleeper.alarm_s:
            sleeper.alarm_s = at_s
            heapq.heappush(self._heap, (at_s, self._number(), sleeper))

    @property
    def next_s(self) -> float:
        """When the next one is to be woken; infinite: nothing waits for a time."""
        heap = self._heap
        while heap:
            at_s, _, sleeper = heap[0]
            if at_s == sleeper.alarm_s == sleeper.wakes_s:
                return at_s
            heapq.heappop(heap)
            if at_s == sleeper.alarm_s:
                sleeper.alarm_s = math.inf
                if sleeper.wakes_s < math.inf:
                    self.set(sleeper, sleeper.wakes_s)
        return math.inf

    def pop(self) -> SleeperT:
        """Take out the one that `next_s` is about."""
        sleeper = heapq.heappop(self._heap)[2]
        sleeper.alarm_s = math.inf
        return sleeper
