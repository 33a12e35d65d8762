"""Everything that happens by chance comes from the seed.

A draw is named by what it is for (the server, the call, how manyth it is), never by when it is
made. So two runs whose calls arrive in another order still meet the same fate, server by server.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from typing import TypeAlias

from collector.emulator.errors import require


@dataclass(frozen=True, slots=True)
class Uniform:
    """Any value between `low` and `high`, each as likely."""

    low: float
    high: float

    def __post_init__(self) -> None:
        require(0 <= self.low <= self.high, "uniform: wanted 0 <= low <= high")


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Most values near `median`, a long tail above; never outside `low` to `high`.

    `sigma` is the standard deviation of the logarithm: at 0.5 one in twenty is over 2.3 medians.
    """

    median: float
    sigma: float = 0.5
    low: float = 0.0
    high: float = math.inf

    def __post_init__(self) -> None:
        require(self.median > 0 and self.sigma >= 0, "lognormal: wanted median > 0, sigma >= 0")
        require(0 <= self.low <= self.high, "lognormal: wanted 0 <= low <= high")


Spread: TypeAlias = float | Uniform | Lognormal
"""One value for all, or how values are spread."""


def fraction(*name: object) -> float:
    """The draw of that name: a number from 0 up to, never reaching, 1."""
    digest = blake2b("|".join(map(str, name)).encode(), digest_size=7).digest()
    return int.from_bytes(digest) / (1 << 56)


def generator(*name: object) -> Random:
    """A generator for draws that belong together."""
    # Not for secrets: repeatable numbers are what is wanted.
    return Random("|".join(map(str, name)))  # noqa: S311 - see the line above


def opaque(*name: object) -> str:
    """32 hexadecimal digits that belong to that name."""
    return blake2b("|".join(map(str, name)).encode(), digest_size=16).hexdigest()


def draw(spread: Spread, *name: object) -> float:
    """The value of that name, spread as asked."""
    if isinstance(spread, Uniform):
        return spread.low + (spread.high - spread.low) * fraction(*name)
    if isinstance(spread, Lognormal):
        value = generator(*name).lognormvariate(math.log(spread.median), spread.sigma)
        return min(max(value, spread.low), spread.high)
    return spread
