"""The emulator's error: an impossible scenario."""

from __future__ import annotations


class ScenarioError(ValueError):
    """A scenario that cannot be played.

    The text names the place in the scenario, what is wrong there, and what to write instead.
    """


def require(condition: bool, message: str) -> None:
    """Raise `ScenarioError(message)` unless the condition holds."""
    if not condition:
        raise ScenarioError(message)
