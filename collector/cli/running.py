"""A run at the command line: started, shown while it runs, stopped by signals, summed up."""

from __future__ import annotations

import gc
import os
import signal
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeVar

import anyio

from collector import signals
from collector.bystander import Bystander
from collector.cli import resumed
from collector.cli.reaching import access
from collector.cli.readiness import prepare
from collector.cli.rendering.opening import of_new, of_resumed
from collector.cli.rendering.summary import summed_up
from collector.cli.rendering.wording import duration
from collector.cli.streams import report_lost, say, show, show_json
from collector.errors import CollectorError
from collector.event_loop import Loop
from collector.model.ceilings import GRACE_S, POSTS_ANSWERED_WITHIN_S
from collector.observe.narration import Narrator
from collector.observe.progress import choose
from collector.report.glance import Watch
from collector.report.parts import json_text
from collector.rundir.layout import find_run
from collector.runtime.collection import collect
from collector.runtime.feed import EventsSkipped
from collector.runtime.resuming import resume

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from collector.cli.served import Place
    from collector.inventory import Selection
    from collector.report.glance import Glance
    from collector.runtime.collection import Collection
    from collector.runtime.terms import Terms

E = TypeVar("E", bound=Exception)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a run, apart from the selection."""

    terms: Terms
    ca_file: Path | None = None
    stall_s: float | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)


class Begun(NamedTuple):
    """A run that is about to be entered, and the first line that is said of it."""

    collection: Collection
    opening: str


def beginning(
    selection: Selection, out: Path, run_id: str | None, options: Options
) -> Callable[[], Begun]:
    """Return a function that starts a new run inside an event loop."""
    reached = access(options.ca_file, options.stall_s, options.environ)

    def begin() -> Begun:
        collection = collect(selection, out, run_id=run_id, terms=options.terms, access=reached)
        return Begun(collection, of_new(collection, selection))

    return begin


def resuming(
    run: str,
    out: Path,
    selection: Selection | None,
    options: Options,
    *,
    retry_failed: bool = False,
    trust_journal: bool = False,
) -> Callable[[], Begun]:
    """Return a function that resumes a run inside an event loop."""
    reached = access(options.ca_file, options.stall_s, options.environ)
    directory = find_run(run, out=out)

    def begin() -> Begun:
        collection = resume(
            directory,
            selection=selection,
            retry_failed=retry_failed,
            trust_journal=trust_journal,
            terms=options.terms,
            access=reached,
        )
        for line in resumed.notes(collection, selection):
            say(f"{directory.name}: {line}")
        return Begun(collection, of_resumed(collection))

    return begin


def finish(
    begin: Callable[[], Begun],
    *,
    progress: str,
    as_json: bool,
    grace_s: float = GRACE_S,
    place: Place | None = None,
) -> NoReturn:
    """Run to the end, print the summary, and exit with the documented code."""
    # Rows and events are frozen and have no cycles; looking for some costs a fifth of the time.
    gc.freeze()
    prepare()
    collection, stopped_by, failure = anyio.run(
        partial(_follow, begin, progress, grace_s, place), backend_options={"loop_factory": Loop}
    )
    _print(collection, as_json=as_json)
    if failure is not None:
        raise failure
    if stopped_by is not None and collection.state.pending:
        sys.exit(128 + stopped_by)
    sys.exit(int(collection.verdict))


async def _follow(
    begin: Callable[[], Begun], progress: str, grace_s: float, place: Place | None
) -> tuple[Collection, signal.Signals | None, CollectorError | None]:
    """Show a run until it is over.

    Returns:
        The run; the signal that stopped it, if any; and what went wrong after its end was recorded,
        such as a manifest that cannot be written.
    """
    heeded = set(signals.STOPS)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        heeded.remove(signal.SIGHUP)  # set by nohup: the run should survive the terminal
    with signals.received(*heeded) as stops:
        collection, first_line = begin()
        failure: CollectorError | None = None
        narrator = Narrator(collection.state)
        display = choose(progress, _looking(collection))
        stopping = _Stopping(collection, grace_s)
        serving = None
        with Bystander("the live page", f"`collector serve {collection.directory.parent}` has it"):
            serving = None if place is None else place.serve(collection, stopping.stop)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(stopping.heed, stops)
                tasks.start_soon(narrator.remind_often)
                if serving is not None:
                    tasks.start_soon(serving.serve)
                if display is not None:
                    with display:
                        if collection.taken_up or collection.state.started is None:
                            say(first_line)
                        _tell(place)
                        tasks.start_soon(display.show)
                        await _narrate(collection, narrator)
                else:
                    _tell(place)
                    await _narrate(collection, narrator)
                if serving is not None:
                    await serving.finish()
                tasks.cancel_scope.cancel()
        except* CollectorError as errors:
            failure = _first(errors)
            if collection.state.ended is None or not collection.directory.is_dir():
                raise failure from None
        except* (MemoryError, ImportError) as lacking:
            raise _first(lacking) from None
    return collection, stopping.by, failure


def _tell(place: Place | None) -> None:
    """Say where the page of the run is, if it is served."""
    if place is not None:
        place.tell("Live page", can_stop=True)


class _Stopping:
    """Stops a run: in order the first time, and then at once.

    Attributes:
        by: the signal that stopped it, or stands for the page; None if nobody did.
    """

    def __init__(self, collection: Collection, grace_s: float) -> None:
        self.by: signal.Signals | None = None
        self._collection = collection
        self._within_s = max(POSTS_ANSWERED_WITHIN_S, grace_s)

    def stop(self, by: signal.Signals = signal.SIGINT) -> None:
        """Stop in order, unless that is under way."""
        if self.by is None:
            self.by = by
            say(
                f"Stopping: finishing requests in flight (up to {duration(self._within_s)}). "
                "Ctrl-C again to stop now."
            )
            self._collection.stop()

    async def heed(self, stops: AsyncIterator[signal.Signals]) -> None:
        """Heed signals until cancelled."""
        async for received in stops:
            if self.by is not None:
                break
            self.stop(signals.STOPS[received])
        say("Stopping now; --resume continues the run.")
        self._collection.stop_at_once()


def _looking(collection: Collection) -> Callable[[], Glance | None]:
    """Return a function that looks at a run; None as long as it has not begun."""
    watch = Watch(collection.state)

    def look() -> Glance | None:
        if collection.state.started is None:
            return None
        return watch.glance(datetime.now(UTC), arrived=collection.arrived)

    return look


async def _narrate(collection: Collection, narrator: Narrator) -> None:
    async with collection as run:
        async for event in run:
            if not isinstance(event, EventsSkipped):
                narrator.log(event)
    narrator.remind()


def _first(errors: BaseExceptionGroup[E]) -> E:
    """Return one of several errors, which all say the same."""
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _print(collection: Collection, *, as_json: bool) -> None:
    summary = collection.summary
    if as_json:
        show_json(json_text(summary))
    else:
        show(summed_up(summary))
    report_lost()  # the run itself is fine, and so is its exit code
