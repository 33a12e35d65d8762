"""The first line of a run: which it is, how much there is to do, where it goes, how to stop it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.cli.rendering.wording import short
from collector.model import events as e
from collector.report.advice import is_of_a_demo
from collector.report.words import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.inventory import Selection
    from collector.runtime.collection import Collection

SAFE = "Ctrl-C is safe: it stops cleanly"


def of_new(collection: Collection, selection: Selection, argv: Sequence[str]) -> str:
    """Return the first line of a run that is about to begin by this command."""
    projects = {id(one.project) for one in selection.servers}
    servers = f"{count(len(selection.servers), 'server')} of {count(len(projects), 'project')}"
    return _line(collection, f"collecting {servers} into", goes_on=not is_of_a_demo(argv))


def of_resumed(collection: Collection) -> str:
    """Return the first line of a run that is about to go on."""
    state = collection.state
    more = sum(isinstance(one, e.ServerSelected) for one in collection.taken_up)
    again = sum(isinstance(one, e.ServerRetried | e.ArchiveLost) for one in collection.taken_up)
    servers = len(state.servers) + more
    left = state.pending + more + again
    return _line(collection, f"resuming; {left:,} of {servers:,} servers left to collect into")


def _line(collection: Collection, what: str, *, goes_on: bool = True) -> str:
    directory = collection.directory
    safe = f"{SAFE}, and --resume continues" if goes_on else SAFE
    return f"Run {directory.name}: {what} {short(str(directory))}. {safe}."
