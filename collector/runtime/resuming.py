"""Going on with a run that a process has left."""

from __future__ import annotations

import contextlib
from itertools import chain, islice
from typing import TYPE_CHECKING

from collector import clock
from collector.errors import CollectorError
from collector.model import events as e
from collector.providers.connecting import connect
from collector.report.series import Follower
from collector.rundir import layout
from collector.rundir.journal.journal import Journal
from collector.rundir.journal.repair import unnamed
from collector.runtime import beginning, reconciling, trust
from collector.runtime.collection import Collection
from collector.runtime.process import process_of
from collector.runtime.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from collector.inventory import Selection
    from collector.model.state import RunState
    from collector.providers.connecting import Connection
    from collector.providers.protocol import Access

UNLISTED = (
    "{}: the journal does not name all servers of the run, and only the service knows them, which "
    "a resume does not ask; start a new run"
)
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
    believed where `terms.memory` holds the key that it was marked with, or with `trust_journal`,
    which still runs no program that it names. Else `selection` has to come from an inventory that
    names all of its projects.

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
    resumption = _Resumption(
        directory, selection, terms, terms.access(access, directory.parent),
        retry_failed=retry_failed, trust_journal=trust_journal,
    )  # fmt: skip
    journal, state = Journal.resume(
        directory / layout.JOURNAL,
        at=resumption.at,
        servers_known=selection is not None,
        before=resumption.look,
        each=resumption.follower.follow,
    )
    return resumption.collection(journal, state)


class _Resumption:
    """What one resume is made of, from the look at the journal on.

    `at` is when it began; `follower` has followed what happened before.
    """

    def __init__(
        self,
        directory: Path,
        selection: Selection | None,
        terms: Terms,
        access: Access,
        *,
        retry_failed: bool,
        trust_journal: bool,
    ) -> None:
        self.at = clock.WallClock().stamp(clock.now_s())
        self.follower = Follower()
        self._directory = directory
        self._selection = selection
        self._terms = terms
        self._access = access
        self._retry_failed = retry_failed
        self._trust_journal = trust_journal
        self._first: list[e.Event] = []
        self._connection: Connection | None = None

    def look(self, state: RunState) -> None:
        """Decide how the run begins, before anything is written.

        Raises:
            CollectorError: it cannot go on, as `resume` says.
        """
        selection = self._selection
        if not state.selected and selection is None:
            raise CollectorError(unnamed(self._directory))
        if not state.selected and selection is not None and selection.inventory.open_projects:
            raise CollectorError(UNLISTED.format(self._directory))
        if state.started is not None:
            self._first = self._first_events(state)
            named: Iterable[e.Event] = self._first
        else:
            named = () if selection is None else beginning.named(selection, self._terms.argv, "")
        if self._first or state.started is None:
            self._connection = connect(beginning.foreseen(state, named), self._access)

    def collection(self, journal: Journal, state: RunState) -> Collection:
        """Return the run: begun anew where its journal had named no servers."""
        terms, selection = self._terms, self._selection
        if state.started is None and selection is not None:
            anew = beginning.events(selection, self._directory.name, terms.argv, self.at)
            repaired = [] if journal.repaired is None else [journal.repaired]
            first = self._vouched(chain(islice(anew, 1), repaired, anew), state)
            return Collection(self._directory, journal, state, first, self._connection, terms)
        taken_up = list(self._vouched(self._first, state)) if self._first else []
        return Collection(
            self._directory, journal, state, taken_up, self._connection, terms,
            taken_up=taken_up, follower=self.follower,
        )  # fmt: skip

    def _vouched(self, first: Iterable[e.Event], state: RunState) -> Iterable[e.Event]:
        return trust.vouched(first, state, trust.key_of(self._terms.memory, make=True), self.at)

    def _first_events(self, state: RunState) -> list[e.Event]:
        """Return the events that a resume begins with: none where nothing is left to do.

        Raises:
            UntrustedJournal: nobody vouches for what the run then names.
        """
        selection, terms, at = self._selection, self._terms, self.at
        given = [] if selection is None else list(reconciling.additions(state, selection, at))
        first: list[e.Event] = [*_lost(self._directory, terms, state, at), *given]
        if self._retry_failed:
            first += reconciling.retried(state, at)
        if not state.pending and not any(isinstance(one, _WORK) for one in first):
            return []
        if not trust.is_vouched(state, trust.key_of(terms.memory, make=False)):
            wants = trust.Named(state, given).wants_but(given)
            if self._trust_journal:
                wants = [want for want in wants if want.runs]
            if wants:
                raise trust.UntrustedJournal(self._directory, wants, beside=selection is not None)
        if terms.share is not None:
            first = list(beginning.with_share(first, state, terms.share, at))
        first.insert(0, e.RunResumed(at=at, **process_of(terms.argv)))
        return first


def _lost(directory: Path, terms: Terms, state: RunState, at: str) -> list[e.ArchiveLost]:
    """Return an event for each archive that is not at the run's destination any more.

    Raises:
        CollectorError: that cannot be asked.
    """
    try:
        with contextlib.closing(terms.destination(directory)) as destination:
            return list(reconciling.lost_archives(state, destination, at))
    except OSError as error:
        raise CollectorError(
            f"cannot look for the archives of {directory}: {error.strerror}; nothing was changed"
        ) from error
