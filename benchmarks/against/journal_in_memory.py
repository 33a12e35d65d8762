"""The real command, but for its journal: that one is kept in memory, and nobody waits for a disk.

Lines are made and chained as always. They are neither gathered nor handed to a thread, so this is
the least that any journal costs. What is left of such a run on disk is no run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.cli import main
from collector.rundir.journal.journal import Journal
from collector.rundir.journal.lines import encode
from collector.runtime import collection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.model.events import Event

_KEPT: list[bytes] = []


class InMemory(Journal):
    """A journal whose file stays empty."""

    async def record(self, events: Iterable[Event]) -> None:
        """Keep the events' lines."""
        for event in events:
            line, self.head = encode(event, self.head)
            self.lines += 1
            _KEPT.append(line)


if __name__ == "__main__":
    vars(collection)["Journal"] = InMemory
    main(prog_name="collector")
