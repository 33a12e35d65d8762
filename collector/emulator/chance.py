"""Everything that happens by chance comes from the seed.

A draw is named by its purpose (the server, the call, which occurrence), never by when it is made.
So two runs whose calls arrive in a different order still see the same outcome for each server.
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
    """Any value between `low` and `high`, with equal probability."""

    low: float
    high: float

    def __post_init__(self) -> None:
        require(0 <= self.low <= self.high, "uniform: wanted 0 <= low <= high")


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Most values near `median`, with a long tail above; never outside `low` to `high`.

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
"""One value for all, or a distribution."""


def fraction(*name: object) -> float:
    """Return the draw of that name: a number from 0 to 1, 1 excluded."""
    digest = blake2b("|".join(map(str, name)).encode(), digest_size=7).digest()
    return int.from_bytes(digest) / (1 << 56)


def generator(*name: object) -> Random:
    """Return a generator for draws that belong together."""
    # Not for secrets: the numbers should be repeatable.
    return Random("|".join(map(str, name)))  # noqa: S311 - see the line above


def opaque(*name: object) -> str:
    """Return 32 hexadecimal digits for that name."""
    return blake2b("|".join(map(str, name)).encode(), digest_size=16).hexdigest()


def draw(spread: Spread, *name: object) -> float:
    """Return the value of that name from a distribution."""
    if isinstance(spread, Uniform):
        return spread.low + (spread.high - spread.low) * fraction(*name)
    if isinstance(spread, Lognormal):
        value = generator(*name).lognormvariate(math.log(spread.median), spread.sigma)
        return min(max(value, spread.low), spread.high)
    return spread
