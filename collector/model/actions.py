"""Actions: what to do next. Whoever performs one answers to the scheduler."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from collector.model.answers import Call

if TYPE_CHECKING:
    from collector.model.events import DownloadBegun, Event


@dataclass(frozen=True, slots=True)
class StartExport:
    """Make the POST. `intent` is on disk before it leaves: a lost answer may mean an export.

    `running`: the exports of its project that were thought to run when it left.
    """

    call: ClassVar[Call] = Call.START_EXPORT
    server: int
    sent_s: float
    asks_limits: bool
    running: int
    intent: Event | None


@dataclass(frozen=True, slots=True)
class AskStatus:
    """Ask how far the server's export is. Asking twice harms nobody: nothing is written first.

    Attributes:
        within_s: seconds that it may take.
        is_probe: it is to find out whether the endpoint answers anybody, over a connection of its
            own; there may be another call for the same server.
    """

    call: ClassVar[Call] = Call.ASK_STATUS
    server: int
    sent_s: float
    asks_limits: bool
    export_id: str
    within_s: float = math.inf
    is_probe: bool = False
    intent: Event | None = None


@dataclass(frozen=True, slots=True)
class FetchArchive:
    """Download the server's archive. Unfinished data has a name of its own: nothing is written.

    `location`: where it lies, if the service said so. `begun`: an earlier try, whose `.part` file
    may be there to be gone on with. `within_s`: how many seconds it may take.
    """

    call: ClassVar[Call] = Call.FETCH_ARCHIVE
    server: int
    sent_s: float
    asks_limits: bool
    export_id: str
    location: str | None = field(default=None, repr=False, kw_only=True)
    begun: DownloadBegun | None = None
    within_s: float = math.inf
    intent: Event | None = None


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Record `intent`; there is nothing to perform and nothing to answer."""

    server: int
    intent: Event


@dataclass(frozen=True, slots=True)
class DiscardPart:
    """Remove what is here of an archive that is not tried again. Nothing answers.

    `directory` is the server's, relative to the run's; `file_name` what the file was to be called.
    """

    server: int
    directory: str
    file_name: str


Request = StartExport | AskStatus | FetchArchive
"""A call; with `asks_limits` the service is asked to tell its limits beside the answer."""
Action = Request | GiveUp


@dataclass(frozen=True, slots=True)
class Due:
    """What is due now.

    Attributes:
        actions: to be performed, all of them, at once.
        wake_s: when to ask again, if no answer comes before.
        finished: nothing is under way and nothing will ever be due.
    """

    actions: list[Action]
    wake_s: float
    finished: bool
