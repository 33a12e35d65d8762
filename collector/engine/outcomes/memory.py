"""What is remembered of each server between its facts; a crash may lose it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.engine.polling.timing import Progress

ANOTHERS_ANSWER_S = 0.25
"""How soon to check again whether another run's POST was answered."""


@dataclass(slots=True)
class Memory:
    """What is remembered of one server.

    Attributes:
        progress: what answers have said of its running export.
        polls: status calls since they were last recorded.
        status_tries: status calls in a row that failed.
        not_ready_times, not_ready_s: answers "not ready" in a row, and when the first one came.
        lost_times, lost_s: the same of answers that the export or the server is not known.
        links_refused: links for its download that were refused.
        unsent_times: calls in a row that could not be sent.
        downloading_s: how long the tries of its download have taken, together.
        asleep_s: for how much of its export's time this machine slept.
        unsure_s: when tries failed of which it was not known whether they were the server's fault.
        failed: its last call failed, by no fault of others.
        slow: one of its calls stalled.
        not_before_s: from when on its next call may be made.
        asked_until_s: until when the service has asked to leave it alone.
    """

    progress: Progress | None = None
    polls: int = 0
    status_tries: int = 0
    not_ready_times: int = 0
    not_ready_s: float = 0.0
    lost_times: int = 0
    lost_s: float = 0.0
    links_refused: int = 0
    unsent_times: int = 0
    downloading_s: float = 0.0
    asleep_s: float = 0.0
    unsure_s: list[float] = field(default_factory=list)
    failed: bool = False
    slow: bool = False
    not_before_s: float = -math.inf
    asked_until_s: float = -math.inf


class Memories:
    """The memory of each server that is not at its end."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: dict[int, Memory] = {}

    def of(self, server: int) -> Memory:
        """Return the memory of a server; a new one, where there is none."""
        memory = self._of.get(server)
        if memory is None:
            memory = self._of[server] = Memory()
        return memory

    def forget(self, server: int) -> None:
        """Drop the memory of a server that has ended, or begins anew."""
        self._of.pop(server, None)

    def again_at(self, server: int, now_s: float) -> float:
        """Return from when on a call for the server may be made."""
        memory = self._of.get(server)
        return now_s if memory is None else max(now_s, memory.not_before_s)

    def asked_until_s(self, server: int) -> float:
        """Return until when the service has asked to leave a server alone."""
        memory = self._of.get(server)
        return -math.inf if memory is None else memory.asked_until_s

    def has_trouble(self, server: int) -> bool:
        """Whether a server's last call failed, by no fault of others, or any call stalled."""
        memory = self._of.get(server)
        return memory is not None and (memory.failed or memory.slow)

    def downloading_s(self, server: int) -> float:
        """Return how long the tries of a server's download have taken, together."""
        memory = self._of.get(server)
        return memory.downloading_s if memory is not None else 0.0

    def await_another(self, server: int, now_s: float) -> None:
        """Let a server wait a moment for the answer that another run waits for."""
        self.of(server).not_before_s = now_s + ANOTHERS_ANSWER_S

    def slept(self, jump_s: float) -> None:
        """Count no time against anybody in which this machine slept."""
        for memory in self._of.values():
            memory.asleep_s += jump_s
            memory.not_ready_s += jump_s
            memory.lost_s += jump_s
