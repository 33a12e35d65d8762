"""What a resume has found, line by line, before it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.model import events as e
from collector.runtime.reconciling import left_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.inventory import Selection
    from collector.runtime.collection import Collection

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
        yield "removed an unfinished last line from the journal"
    if (repaired := collection.repaired) is not None:
        yield (
            f"the journal was damaged at {repaired.message}; it is kept as {repaired.kept_as}; the "
            f"run continues from the {repaired.lines_kept} lines before that, and repeats the rest"
        )
    lost = [event for event in collection.taken_up if isinstance(event, e.ArchiveLost)]
    for event in lost[:LOST_SHOWN]:
        yield f"collecting {state.servers[event.server].name} again: {event.message}"
    if len(lost) > LOST_SHOWN:
        yield f"and {_servers(len(lost) - LOST_SHOWN, 'more')} whose archives are gone or cut"
    if selection is not None:
        if added := _count(collection, e.ServerSelected):
            yield f"adding {_servers(added)} of the selection"
        if missing := left_out(state, selection):
            which = f"{_servers(len(missing))} of this run"
            are = "is" if len(missing) == 1 else "are"
            yield f"{which} {are} outside the selection; still collecting all of the run"
    if retried := _count(collection, e.ServerRetried):
        yield f"retrying {retried} failed {'server' if retried == 1 else 'servers'}"
    if not collection.taken_up:
        yield _nothing_to_do(state.failed)


def _count(collection: Collection, kind: type[e.Event]) -> int:
    return sum(isinstance(event, kind) for event in collection.taken_up)


def _servers(count: int, which: str = "") -> str:
    noun = "server" if count == 1 else "servers"
    return f"{count} {which} {noun}" if which else f"{count} {noun}"


def _nothing_to_do(failed: int) -> str:
    if not failed:
        return "nothing left to do: every server is collected"
    return f"nothing left to do: {_servers(failed)} failed; --retry-failed retries them"
