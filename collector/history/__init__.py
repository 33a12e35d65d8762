"""What runs have learned about a service, kept for the next run in a small file of the user's.

It is a starting point, not a promise: nothing here may fail a run. It holds limits and durations as
a journal does, and so never a secret.
"""

from __future__ import annotations

from collector.history.memory import Memory

__all__ = ["Memory"]
