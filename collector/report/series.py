"""What happened over time, in bins that grow with the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.report.page import Series

if TYPE_CHECKING:
    from collector.model.events import Event


class Follower:
    """Follows the events of a run."""

    def follow(self, event: Event) -> None:
        """Take note of the next event."""

    def series(self) -> Series:
        """Return what has happened so far."""
        return Series(1.0, [], [], [], [], [], [])
