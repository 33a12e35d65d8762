"""What the emulator raises: a scenario that says something impossible."""

from __future__ import annotations


class ScenarioError(ValueError):
    """A scenario that cannot be played.

    The text names the place in the scenario, what is wrong there, and what would be right.
    """


def require(condition: bool, message: str) -> None:
    """Raise `ScenarioError(message)` unless the condition holds."""
    if not condition:
        raise ScenarioError(message)
