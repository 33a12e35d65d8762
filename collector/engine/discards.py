"""Parts of archives that nobody will go on with: to be removed once their servers have failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.model.actions import DiscardPart
from collector.model.events import ServerFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.model.events import Event
    from collector.model.state import ServerRow


class Discards:
    """Gathers them until the failures are recorded."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[DiscardPart] = []

    def follow(self, row: ServerRow, events: Iterable[Event]) -> None:
        """Look at the events that are about to be recorded of a server."""
        if row.begun is not None and any(isinstance(one, ServerFailed) for one in events):
            self._parts.append(DiscardPart(row.server, row.directory, row.begun.file_name))

    def take(self) -> list[DiscardPart]:
        """Return those since the last time."""
        parts, self._parts = self._parts, []
        return parts
