"""What runs have learned of a service, kept for the next one in a small file of the user's.

It is a starting point and no promise: nothing here may fail a run. It holds what a run's journal
holds of limits and durations, and so never a secret.
"""

from __future__ import annotations

from collector.history.memory import Memory

__all__ = ["Memory"]
