"""Going on with a run that a process has left."""

from __future__ import annotations

import contextlib
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING

from collector import clock
from collector.errors import CollectorError
from collector.model import events as e
from collector.providers.connecting import connect
from collector.providers.protocol import Access
from collector.rundir import layout
from collector.rundir.journal.journal import Journal
from collector.rundir.journal.repair import unnamed
from collector.runtime import beginning, trust
from collector.runtime.collection import Collection
from collector.runtime.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from collector.inventory import Selection
    from collector.model.state import RunState
    from collector.providers.connecting import Connection

_WORK = e.ArchiveLost | e.ServerSelected | e.ServerRetried
"""With one of these, a run that was finished has something to do."""


def resume(
    directory: Path,
    *,
    selection: Selection | None = None,
    retry_failed: bool = False,
    trust_journal: bool = False,
    terms: Terms = Terms(),  # noqa: B008  # frozen
    access: Access | None = None,
) -> Collection:
    """Go on with a run that a process has left: with all servers that are neither here nor failed.

    A run in which nothing is left to do stays as it is.

    A journal may come from anybody, and says where secrets are found and where they are sent. It is
    believed where `terms.memory` holds the key that it was marked with, or with `trust_journal`;
    else `selection` has to come from an inventory that names all of its projects.

    Args:
        directory: the run's.
        selection: where given, its servers are added to the run's, and its inventory's limits and
            credentials hold from now on.
        retry_failed: servers that failed are tried again as well.
        trust_journal: endpoints and credentials are taken from the journal, whoever wrote it.
        terms: what else is asked, from now on.
        access: as for `collect`.

    Returns:
        The run, to be entered with `async with`.

    Raises:
        RunHeld: another process is at it.
        UntrustedJournal: nobody vouches for the endpoints and credentials of the journal; nothing
            was changed.
        CollectorError: it never got so far as to name its servers, a secret is missing, or its
            journal cannot be read, written or repaired.
    """
    at = clock.WallClock().stamp(clock.now_s())
    first: list[e.Event] = []
    connection: Connection | None = None
    going_on = partial(
        _first, directory, selection, terms, at,
        retry_failed=retry_failed, trust_journal=trust_journal,
    )  # fmt: skip

    def look(state: RunState) -> None:
        nonlocal connection
        if not state.selected and selection is None:
            raise CollectorError(unnamed(directory))
        if state.started is not None:
            first.extend(going_on(state))
            named: Iterable[e.Event] = first
        else:
            named = () if selection is None else beginning.named(selection, terms.argv, at)
        if first or state.started is None:
            connection = connect(beginning.foreseen(state, named), access or Access())

    journal, state = Journal.resume(
        directory / layout.JOURNAL, at=at, anew=selection is not None, before=look
    )
    if state.started is None and selection is not None:
        anew = beginning.events(selection, directory.name, terms.argv, at)
        told = [] if journal.repaired is None else [journal.repaired]
        begun = chain(islice(anew, 1), told, anew)
        vouched = trust.vouched(begun, state, trust.key_of(terms.memory, make=True), at)
        return Collection(directory, journal, state, vouched, connection, terms)
    if first:
        key = trust.key_of(terms.memory, make=True)
        first = list(trust.vouched(first, state, key, at))
    return Collection(directory, journal, state, first, connection, terms, taken_up=first)


def _first(
    directory: Path,
    selection: Selection | None,
    terms: Terms,
    at: str,
    state: RunState,
    *,
    retry_failed: bool,
    trust_journal: bool,
) -> list[e.Event]:
    """Return the events that a resume begins with: none where nothing is left to do.

    Raises:
        UntrustedJournal: nobody vouches for what the run then names.
    """
    given = [] if selection is None else list(beginning.additions(state, selection, at))
    first: list[e.Event] = [*_lost(directory, terms, state, at), *given]
    if retry_failed:
        first += beginning.retried(state, at)
    if not state.pending and not any(isinstance(one, _WORK) for one in first):
        return []
    trusted = trust_journal or trust.is_vouched(state, trust.key_of(terms.memory, make=False))
    if not trusted and (wants := trust.Named(state, given).wants_but(given)):
        raise trust.UntrustedJournal(directory, wants, beside=selection is not None)
    if terms.share is not None:
        first = list(beginning.with_share(first, state, terms.share, at))
    first.insert(0, e.RunResumed(at=at, **beginning.process(terms.argv)))
    return first


def _lost(directory: Path, terms: Terms, state: RunState, at: str) -> list[e.ArchiveLost]:
    """Return an event for each archive that is not at the run's destination any more.

    Raises:
        CollectorError: that cannot be asked.
    """
    try:
        with contextlib.closing(terms.destination(directory)) as destination:
            return list(beginning.lost_archives(state, destination, at))
    except OSError as error:
        raise CollectorError(
            f"cannot look for the archives of {directory}: {error.strerror}; nothing was changed"
        ) from error
