"""`Source`: the port through which a page learns of its run, whoever works on it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collector.report.manifest import RunWord
    from collector.report.parts import Count, Time

FRESH_S: Final = 0.5
"""How old a source's last look at its run may be for another to be needless."""
LOOKS: Final = 20
"""How often a source looks for a run that is about to begin, `FRESH_S` apart."""
_WRITTEN: Final = re.compile(r"([0-9a-f]{8})\.([0-9]{1,15})")


class Revision(NamedTuple):
    """A stage of what a source tells of its run.

    Attributes:
        epoch: tells the stages of this source from those of any other, also in another process.
        number: grows whenever something has changed.
    """

    epoch: str
    number: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.number}"


def revision(text: str) -> Revision | None:
    """Read a revision; None where it is none."""
    found = _WRITTEN.fullmatch(text)
    return None if found is None else Revision(found[1], int(found[2]))


class Data(NamedTuple):
    """A `Page` as JSON, compressed by gzip, and the stage that it shows."""

    revision: Revision
    compressed: bytes


class Health(NamedTuple):
    """A run in a few words."""

    run: str
    state: RunWord
    servers: Count
    collected: Count
    failed: Count
    pending: Count
    last_event_at: Time


class Source(Protocol):
    """One run, as it is served."""

    @property
    def revision(self) -> Revision:
        """The latest stage."""

    @property
    def has_ended(self) -> bool:
        """Nothing will change any more."""

    async def refresh(self) -> None:
        """Bring the revision up to date."""

    async def data(self) -> Data:
        """Make the page's data, or return those that were made lately."""

    async def news(self, since: Revision) -> bytes | None:
        """Make a `Delta` of what has changed, as JSON; None if it would be too large.

        What it tells may be newer than `revision` was when this was called.
        """

    async def health(self) -> Health:
        """Tell how the run is."""
