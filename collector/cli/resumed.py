"""What a resume has found, line by line, before it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.engine import events as e
from collector.opening import left_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.collection import Collection
    from collector.inventory import Selection

LOST_SHOWN = 5
"""Archives that are gone and are named; all are counted."""


def taken_up(collection: Collection, selection: Selection | None) -> Iterator[str]:
    """Yield what a person should know of a run that is taken up again.

    Args:
        collection: the run, before it is entered.
        selection: that was given with the resume, if one was.
    """
    state = collection.state
    if collection.torn is not None:
        yield "cut off an unfinished last line of the journal"
    if (repaired := collection.repaired) is not None:
        yield (
            f"the journal was damaged at {repaired.message}; it is kept as {repaired.kept_as}; the "
            f"run goes on from the {repaired.lines_kept} lines before, and does the rest again"
        )
    lost = [event for event in collection.taken_up if isinstance(event, e.ArchiveLost)]
    for event in lost[:LOST_SHOWN]:
        yield f"{state.servers[event.server].name} is collected again: {event.message}"
    if len(lost) > LOST_SHOWN:
        yield f"so are {len(lost) - LOST_SHOWN} more, whose archives are gone or cut"
    if selection is not None:
        if added := _count(collection, e.ServerSelected):
            yield f"{_servers(added)} of the selection added"
        if missing := left_out(state, selection):
            yield f"not in the selection, and collected all the same: {len(missing)} of its servers"
    if retried := _count(collection, e.ServerRetried):
        yield f"{_servers(retried)} that failed tried again"
    if not collection.taken_up:
        yield _nothing_to_do(state.failed)


def _count(collection: Collection, kind: type[e.Event]) -> int:
    return sum(isinstance(event, kind) for event in collection.taken_up)


def _servers(count: int) -> str:
    return "1 server" if count == 1 else f"{count} servers"


def _nothing_to_do(failed: int) -> str:
    if not failed:
        return "nothing is left to do: every server is collected"
    return f"nothing is left to do: {_servers(failed)} failed; --retry-failed tries again"
