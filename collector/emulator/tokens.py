"""Tokens: those that a scenario names, and those that were issued since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from collector.emulator.chance import opaque
from collector.emulator.principals import Principal

if TYPE_CHECKING:
    from collector.emulator.principals import UserSpec
    from collector.emulator.scenario import Scenario
    from collector.emulator.statistics import Statistics

DAY_S = 86_400.0
"""How long a token lives unless a scenario says else (IAM reference)."""


@dataclass(slots=True)
class Token:
    """A token, and how much of its life is left.

    Attributes:
        value: What `X-Auth-Token` carries.
        principal: Whose it is.
        ends_s: When its life ends, on the emulator's monotonic clock; None means never.
        calls_left: How many calls it is still good for; None means any number.
    """

    value: str
    principal: Principal
    ends_s: float | None
    calls_left: int | None
    was_refused: bool = False

    def is_spent(self, now_s: float) -> bool:
        """Whether its life has ended."""
        return self.calls_left == 0 or (self.ends_s is not None and now_s >= self.ends_s)


class Tokens:
    """The accepted tokens, and their use.

    Args:
        scenario: Which there are from the start.
        statistics: Where issued and spent ones are counted.
        now_s: When their lifetime starts.
    """

    def __init__(self, scenario: Scenario, statistics: Statistics, now_s: float) -> None:
        self._seed = scenario.seed
        self._statistics = statistics
        self._tokens: dict[str, Token] = {}
        for number, spec in enumerate(scenario.tokens, start=1):
            life_s = spec.expires_after_s
            principal = Principal(
                account=spec.user,
                credential=spec.value,
                label=f"token {number}",
                projects=spec.projects,
                denied=spec.denied,
            )
            ends_s = None if life_s is None else now_s + life_s
            self._tokens[spec.value] = Token(
                spec.value, principal, ends_s, spec.expires_after_calls
            )

    def issue(self, user: UserSpec, projects: tuple[str, ...] | None, now_s: float) -> Token:
        """Issue a token to a user, for these projects (None: all)."""
        number = self._statistics.token_issued(projects)
        value = opaque(self._seed, "token", number) + opaque(self._seed, "token", number, "more")
        principal = Principal(
            account=user.account or user.domain,
            credential=value,
            label=user.label,
            projects=projects,
            denied=user.denied,
        )
        life_s = DAY_S if user.token_life_s is None else user.token_life_s
        token = Token(value, principal, now_s + life_s, user.token_life_calls)
        self._tokens[value] = token
        return token

    def check(self, value: str, now_s: float, clock_s: float) -> Principal | str:
        """Return whose token it is, or why it is refused; counts the call against its life."""
        if not value:
            return "x-auth-token not found"
        token = self._tokens.get(value)
        if token is None:
            return "decrypt token fail"
        if token.is_spent(now_s):
            if not token.was_refused:
                token.was_refused = True
                self._statistics.token_spent(token.principal.projects)
            ended_s = clock_s if token.ends_s is None else clock_s + min(0, token.ends_s - now_s)
            return f"token expires, expires_at: {moment(ended_s)}"
        if token.calls_left is not None:
            token.calls_left -= 1
        return token.principal


def moment(seconds: float) -> str:
    """Write a time as IAM does: `2026-11-30T02:00:00.000000Z`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
