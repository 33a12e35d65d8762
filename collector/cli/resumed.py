"""What a resume found, as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.model import events as e
from collector.report.words import count
from collector.runtime.reconciling import left_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.inventory import Selection
    from collector.runtime.collection import Collection

LOST_SHOWN = 5
"""Lost archives that are named; all are counted."""


def notes(collection: Collection, selection: Selection | None) -> Iterator[str]:
    """Yield what a person should know about a resumed run.

    Args:
        collection: the run, before it is entered.
        selection: the one given with the resume, if any.
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
        yield (
            f"and {count(len(lost) - LOST_SHOWN, 'more server')} whose archives are missing or "
            "truncated"
        )
    if selection is not None:
        if added := _count(collection, e.ServerSelected):
            yield f"adding {count(added, 'server')} from the selection"
        if missing := left_out(state, selection):
            which = f"{count(len(missing), 'server')} of this run"
            are = "is" if len(missing) == 1 else "are"
            yield f"{which} {are} outside the selection; still collecting all of the run"
    if retried := _count(collection, e.ServerRetried):
        yield f"retrying {count(retried, 'failed server')}"
    if not collection.taken_up:
        yield _nothing_to_do(len(state.servers), state.failed)


def _count(collection: Collection, kind: type[e.Event]) -> int:
    return sum(isinstance(event, kind) for event in collection.taken_up)


def _nothing_to_do(servers: int, failed: int) -> str:
    if not servers:
        return "nothing left to do: this run has no servers"
    if not failed:
        return "nothing left to do: every server is collected"
    return f"nothing left to do: {count(failed, 'server')} failed; --retry-failed retries them"
