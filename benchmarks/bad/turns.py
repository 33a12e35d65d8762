"""Which of several ways to misbehave falls to which server."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

WayT = TypeVar("WayT")


def in_turn(ways: Sequence[WayT], servers: Sequence[int]) -> dict[int, WayT]:
    """Give each server a way, in turn; where there are fewer servers, ways all over the list."""
    step = max(1.0, len(ways) / len(servers))
    return {server: ways[int(number * step) % len(ways)] for number, server in enumerate(servers)}
