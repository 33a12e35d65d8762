"""Secrets that are issued: kept for their life, and issued anew before it ends, or after a refusal.

One issue is under way at a time, however many calls wait for it. While an old secret still holds,
none does: they carry that one, until the new one is accepted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import anyio

from collector import clock
from collector.model.answers import Problem
from collector.providers.clouddc.signin.problems import final, passing, wait_s
from collector.providers.clouddc.signin.source import Offer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from collector.providers.clouddc.signin.secret import Secret

EARLIEST_S: Final = 600.0
"""How long before its end a secret is renewed at the earliest."""
PART_OF_LIFE: Final = 0.25
"""The part of its life that is left then, where that is shorter."""
WAITS_S: Final = 120.0
"""How long a call waits for a secret to be issued: longer than that may take."""
AGAIN_S: Final = 1.0
"""After which a call may wait for it once more."""
MOST_REFUSED: Final = 10
"""So many refused in a row are the end, where any before was accepted: each may be the trouble of a
server or of a moment, which the engine finds out sooner. Where none was, the second is the end."""


@dataclass(frozen=True, slots=True)
class Issue:
    """A secret, and the seconds it will be good for; infinite where nobody says."""

    secret: Secret
    life_s: float = math.inf


class Issued:
    """The secret of one credential, or of one of its projects.

    Args:
        issue: has one issued. It never raises for what happens outside.
        tasks: where that goes on, whatever becomes of the call that needed it first.
        what: what is issued, for a person: `the token that IAM issued`.
        hint: what to do where it is refused.
    """

    def __init__(
        self,
        issue: Callable[[], Awaitable[Issue | Problem]],
        tasks: TaskGroup,
        *,
        what: str,
        hint: str,
    ) -> None:
        self._issue = issue
        self._tasks = tasks
        self._what = what
        self._hint = hint
        self._current: Secret | None = None
        self._spare: Secret | None = None
        self._ends_s = self._renews_s = -math.inf
        self._spare_ends_s = -math.inf
        self._under_way: anyio.Event | None = None
        self._problem: Problem | None = None
        self._not_before_s = -math.inf
        self._was_accepted = False
        self._refused = 0
        self._given_up = False

    async def offer(self) -> Offer | Problem:
        """Return what a call may carry: at once where something holds, else once it is issued."""
        until_s = clock.now_s() + WAITS_S
        while True:
            now_s = clock.now_s()
            if self._given_up:
                words = f"the service refuses {self._what}, and the one before it"
                return final(words, self._hint)
            if self._current is not None and now_s < self._ends_s:
                if now_s >= max(self._renews_s, self._not_before_s):
                    self._begin()
                spare = self._spare if now_s < self._spare_ends_s else None
                return Offer(self._current, spare)
            if self._under_way is None:
                if self._problem is not None and now_s < self._not_before_s:
                    return replace(self._problem, retry_after_s=self._not_before_s - now_s)
                self._begin()
            problem = await self._wait(until_s)
            if problem is not None:
                return problem

    def _begin(self) -> None:
        if self._under_way is None:
            self._under_way = anyio.Event()
            self._tasks.start_soon(self._renew)

    async def _wait(self, until_s: float) -> Problem | None:
        """Wait for what is being issued; return why nothing was."""
        under_way = self._under_way
        if under_way is None:
            return self._problem
        with anyio.move_on_after(max(0.0, until_s - clock.now_s())) as waiting:
            await under_way.wait()
        if waiting.cancelled_caught:
            return passing(f"{self._what} has not come yet", AGAIN_S)
        return self._problem

    async def _renew(self) -> None:
        try:
            issued = await self._issue()
        finally:
            under_way, self._under_way = self._under_way, None
            if under_way is not None:
                under_way.set()
        now_s = clock.now_s()
        if isinstance(issued, Problem):
            self._problem = issued
            self._not_before_s = now_s + wait_s(issued)
            return
        self._problem, self._not_before_s = None, -math.inf
        if self._current is not None and self._current.is_accepted and now_s < self._ends_s:
            self._spare, self._spare_ends_s = self._current, self._ends_s
        else:
            self._spare = None
        self._current = issued.secret
        self._ends_s = now_s + issued.life_s
        margin_s = min(EARLIEST_S, PART_OF_LIFE * issued.life_s)
        self._renews_s = self._ends_s - margin_s

    def refused(self, secret: Secret) -> bool:
        """Take in that a secret was refused; tell whether calls would carry another one now."""
        if secret is self._spare:
            self._spare = None
        if secret is not self._current:
            return True
        self._current = None
        self._refused += 1
        most = MOST_REFUSED if self._was_accepted else 1
        if self._refused > most and not secret.was_accepted:
            self._given_up = True
            return False
        return True

    def accepted(self, secret: Secret) -> None:
        """Take in that a secret was accepted."""
        if secret is self._current:
            self._was_accepted = True
            self._refused = 0
            self._spare = None
