"""What calls carry: a token, or a pair of keys; and what the service has said of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterator


class Turn:
    """One call alone, and the others wait for its answer."""

    def __init__(self) -> None:
        self._over: anyio.Event | None = None

    @property
    def is_taken(self) -> bool:
        """Whether a call is out alone."""
        return self._over is not None

    def take(self) -> None:
        """Go alone: only where nobody is."""
        self._over = anyio.Event()

    def leave(self) -> None:
        """Let the next one go."""
        if self._over is not None:
            self._over.set()
            self._over = None

    async def wait(self) -> None:
        """Wait until the one that is out alone has its answer."""
        if self._over is not None:
            await self._over.wait()


@dataclass(slots=True, eq=False, kw_only=True)
class Secret:
    """A secret, by its identity: two that are equal may stand apart.

    Attributes:
        turn: while it is not accepted, one call carries it alone. Keys of one AK share it.
        is_accepted: whether the service has accepted it since it was last refused.
        was_accepted: whether it ever has.
        carried: how many calls have carried it.
        doubted: how many of them had when it was last refused: what those say is no acceptance.
        refusals: how often it was refused as wrong, and not accepted since.
        why: what the service said of it then.
    """

    turn: Turn = field(default_factory=Turn)
    is_accepted: bool = False
    was_accepted: bool = False
    carried: int = 0
    doubted: int = 0
    refusals: int = 0
    why: str = ""

    def parts(self) -> Iterator[str]:
        """Yield every text in it that must not be seen."""
        raise NotImplementedError

    def leaves(self) -> int:
        """Count a call that carries it; return its number."""
        self.carried += 1
        return self.carried

    def accepted(self, number: int) -> bool:
        """Take in that a call was accepted; return whether that is news."""
        if number <= self.doubted or self.is_accepted:
            return False
        self.is_accepted = self.was_accepted = True
        self.refusals = 0
        return True

    def refused(self, number: int, *, as_wrong: bool = True) -> None:
        """Take in that a call was refused.

        Args:
            number: of the call. Of those that were out together, one refusal counts.
            as_wrong: for the secret itself, and not for the time of its signature.
        """
        if number > self.doubted:
            self.is_accepted = False
            self.doubted = self.carried
            self.refusals += as_wrong


@dataclass(slots=True, eq=False)
class Token(Secret):
    """A token for `X-Auth-Token`."""

    value: str = field(repr=False)

    def parts(self) -> Iterator[str]:
        """Yield the token."""
        yield self.value


@dataclass(slots=True, eq=False)
class Keys(Secret):
    """An access key and its secret key: temporary ones have a security token beside."""

    ak: str = field(repr=False)
    sk: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)

    def parts(self) -> Iterator[str]:
        """Yield the keys, and the token."""
        yield from (self.ak, self.sk)
        if self.security_token is not None:
            yield self.security_token


class Keyring:
    """The keys of a run: equal ones are one, and those of one AK wait for each other."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str, str | None], Keys] = {}
        self._turns: dict[str, Turn] = {}

    def keys(self, ak: str, sk: str, security_token: str | None) -> Keys:
        """Return these keys."""
        known = (ak, sk, security_token)
        if known not in self._keys:
            turn = self._turns.setdefault(ak, Turn())
            self._keys[known] = Keys(ak, sk, security_token, turn=turn)
        return self._keys[known]
