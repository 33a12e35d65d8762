"""The small run whose disk is made to fail, and what has to hold of whatever that leaves."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import collector
from collector.archive.names import PART, REJECTED
from collector.model.state import RunState
from collector.rundir.journal.reading import Reading, fold
from tests.support.crash.disks import crashes
from tests.support.crash.recording import Recorder
from tests.support.drill import (
    access_to,
    begin,
    manifest_of,
    rows,
    scenario_of,
    selection_of,
    server,
    servers,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from collector.emulator import Emulator, Scenario
    from collector.model.events import Event
    from collector.runtime.collection import Collection
    from tests.support.crash.disks import Crash
    from tests.support.crash.recording import Operation

LARGE_BYTES = 700_000
"""Comes in pieces, as a `.part`."""

RUN = "run"
_OUT = "above/out"  # two directories that the run makes itself
_JOURNAL = f"{_OUT}/{RUN}/journal.jsonl"


def small_fleet() -> Scenario:
    return scenario_of(
        (*servers(3), server("large", archive_bytes=LARGE_BYTES)), export_duration_s=0.05
    )


def truth_of(api: Emulator) -> dict[str, str]:
    """The hash of each server's archive, by the server's id."""
    (project,) = api.scenario.projects
    return {one.id: api.truth(one.id)["sha256"] for one in project.servers}


def out_of(home: Path) -> Path:
    return home / _OUT


def run_of(home: Path) -> Path:
    return out_of(home) / RUN


def new_run(api: Emulator, home: Path) -> Collection:
    """A run under its name, or under another where a crash has left no more than its directory."""
    name = "anew" if run_of(home).exists() else RUN
    return begin(api, out_of(home), run_id=name)


def gone_on_with(api: Emulator, home: Path) -> Collection:
    """The run that is there, resumed; a new one where none is."""
    directory = run_of(home)
    if not (directory / "journal.jsonl").exists():
        return new_run(api, home)
    return collector.resume(
        directory, access=access_to(api), selection=selection_of(api), retry_failed=True
    )


@dataclass(frozen=True)
class Recorded:
    """A run that went undisturbed.

    Attributes:
        operations: all that it did to its disk, after what made what was there before.
        before: how many operations made that.
        told: each fact that it told of, with how many operations had been done by then.
    """

    operations: list[Operation]
    before: int
    told: list[tuple[int, Event]]

    def crashes(self) -> list[Crash]:
        """Every disk that a crash may leave."""
        return list(crashes(self.operations, self.before))


async def recorded(api: Emulator, home: Path, patch: pytest.MonkeyPatch) -> Recorded:
    """Collect below a directory, or go on there, and take note of all that is done."""
    journal = run_of(home) / "journal.jsonl"
    known = list(Reading(journal)) if journal.exists() else []
    recorder = Recorder(home)
    told = [(0, event) for event in known if event.is_fact]
    with patch.context() as within:
        recorder.install(within)
        async with gone_on_with(api, home) as run:
            async for event in run:
                assert not isinstance(event, collector.EventsSkipped)
                if event.is_fact:
                    told.append((len(recorder.operations), event))
    return Recorded(recorder.operations, recorder.before, told)


def is_damaged(crash: Crash) -> bool:
    """Whether the journal holds what ends as a line does and is none: that calls for a repair."""
    journal = crash.picture.get(_JOURNAL)
    lines = journal.split(b"\n")[:-1] if isinstance(journal, bytes) else []
    return not all(line.endswith(b'"}') for line in lines)


def folded(directory: Path) -> RunState:
    """What the journal's longest valid prefix tells; nothing where there is no journal."""
    path = directory / "journal.jsonl"
    return fold(Reading(path)) if path.exists() else RunState()


def assert_no_lie(home: Path, truth: dict[str, str]) -> None:
    """What a run has left so far is whole wherever it is said to be."""
    directory = run_of(home)
    state = folded(directory)
    for row in state.servers:
        if row.archive is not None:
            assert _sha256(directory / row.archive.path) == row.archive.sha256 == truth[row.id]
    assert_finals_are_whole(home, truth)
    if (directory / "manifest.json").exists():
        json.loads((directory / "manifest.json").read_bytes())
    if state.started is not None or (directory / "manifest.json").exists():
        wrong = list(_wrong(directory, state))
        assert not wrong, wrong


def _wrong(directory: Path, state: RunState) -> Iterator[collector.Mismatch]:
    """What `verify` finds, but for a journal that is damaged, and what had not been written yet.

    In a run that ended nothing may lag, also where it was killed between its last line and the
    manifest: `verify` says so then, and a resume writes what is missing.
    """
    found = collector.verify(directory).mismatches
    damaged = any(one.path == "journal.jsonl" for one in found)
    for one in found:
        is_view = one.path in ("manifest.json", "SHA256SUMS", "members.jsonl.gz")
        behind = is_view and (one.what == "missing" if damaged else state.ended is not None)
        if not behind and one.path != "journal.jsonl":
            yield one


def assert_finals_are_whole(home: Path, truth: dict[str, str]) -> None:
    """Every file that has its name in a server's directory is an archive as it was sent."""
    for path in out_of(home).glob("*/*/*/*"):
        if not path.name.endswith((PART, REJECTED)):
            assert _sha256(path) == truth[path.parent.name.replace("bms", "id")], path


async def assert_can_be_finished(api: Emulator, home: Path) -> None:
    """A resume, or a new run where there is none to resume, collects everything."""
    truth, directory = truth_of(api), run_of(home)
    before = api.statistics()["exports"]["by_server"]
    exported = {row.id for row in folded(directory).servers if row.export or row.archive}
    async with gone_on_with(api, home) as run:
        async for _ in run:
            pass
    collected = rows(manifest_of(run.directory))
    assert collected.keys() == truth.keys()
    for id_, sha256 in truth.items():
        assert collected[id_]["state"] == "collected", collected[id_]
        assert _sha256(run.directory / collected[id_]["archive"]["path"]) == sha256
    found = collector.verify(run.directory)
    assert found.ok, found.mismatches
    for id_, count in api.statistics()["exports"]["by_server"].items():
        assert count - before.get(id_, 0) <= (id_ not in exported), id_


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
