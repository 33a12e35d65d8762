import asyncio
import dataclasses
import errno
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from collector import files
from collector.errors import CollectorError
from collector.model import events as e
from collector.model.state import RunState, apply
from collector.rundir import lock
from collector.rundir.journal.journal import Journal, JournalError
from collector.rundir.journal.lines import NO_HASH
from collector.rundir.journal.reading import DamagedJournal
from collector.rundir.lock import RunHeld, is_held

AT = "2026-11-23T08:41:03Z"

STARTED = e.RunStarted(
    at=AT,
    schema_version=1,
    run_id="20261123T084103Z-7f3a",
    collector_version="0.1.0",
    host="ops-1",
    user="oncall",
    pid=4711,
    argv=("collector", "collect", "fleet.yaml"),
    inventory_path="fleet.yaml",
    inventory_sha256="0" * 64,
    select=(),
    downloads=8,
    bytes_per_second=None,
)


ENDED = e.RunEnded(at=AT, reason="stopped")


def requested(server: int) -> e.ExportRequested:
    return e.ExportRequested(at=AT, server=server)


def counted(calls: int) -> e.CallsCounted:
    return e.CallsCounted(at=AT, project=0, calls=calls, throttled=0)


def lines_in(path: Path) -> int:
    return path.read_bytes().count(b"\n")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal.create(path) as journal:
        yield journal


def test_what_is_recorded_is_read_again_in_order(journal: Journal, path: Path) -> None:
    events = [STARTED, *(requested(server) for server in range(50))]

    async def main() -> None:
        await journal.record(events[:20])
        await journal.record(events[20:])

    anyio.run(main)
    reading = Journal.read(path)
    assert list(reading) == events
    assert (reading.lines, reading.head) == (journal.lines, journal.head)
    assert reading.damage is None


def test_a_recorded_fact_is_in_the_file_when_record_returns(journal: Journal, path: Path) -> None:
    async def main() -> None:
        await journal.record([STARTED])
        assert lines_in(path) == journal.lines == 1

    anyio.run(main)


def test_tasks_at_once_keep_the_order_of_their_calls(journal: Journal, path: Path) -> None:
    called: list[int] = []

    async def server(number: int) -> None:
        for _ in range(20):
            called.append(number)
            await journal.record([requested(number)])

    async def main() -> None:
        await journal.record([STARTED])
        async with anyio.create_task_group() as group:
            for number in range(30):
                group.start_soon(server, number)

    anyio.run(main)
    written = [event.server for event in Journal.read(path) if isinstance(event, e.ExportRequested)]
    assert written == called


def test_one_sync_serves_all_who_record_meanwhile(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[int] = []
    monkeypatch.setattr("collector.files.sync_data", syncs.append)

    async def main() -> None:
        await journal.record([STARTED])
        async with anyio.create_task_group() as group:
            for number in range(100):
                group.start_soon(journal.record, [requested(number)])

    anyio.run(main)
    assert journal.lines == 101
    assert len(syncs) <= 3


def test_observations_alone_are_written_without_a_sync(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[int] = []
    monkeypatch.setattr("collector.files.sync_data", syncs.append)

    async def main() -> None:
        await journal.record([STARTED])
        await journal.record([counted(3)])

    anyio.run(main)
    assert len(syncs) == 1
    assert list(Journal.read(path)) == [STARTED, counted(3)]


@contextmanager
def slow_sync(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Have each sync say that it began, and end only when it may."""
    began, may_end = threading.Event(), threading.Event()

    def sync(descriptor: int) -> None:
        began.set()
        assert may_end.wait(10)

    monkeypatch.setattr("collector.files.sync_data", sync)
    try:
        yield began, may_end
    finally:
        may_end.set()


def test_an_observation_does_not_wait_for_the_sync_that_runs(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(began: threading.Event, may_end: threading.Event) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(journal.record, [STARTED])
            await anyio.to_thread.run_sync(began.wait)
            await journal.record([counted(1)])
            assert journal.lines == 0
            may_end.set()

    with slow_sync(monkeypatch) as (began, may_end):
        anyio.run(main, began, may_end)
    assert list(Journal.read(path)) == [STARTED, counted(1)]


def test_a_task_killed_in_its_write_leaves_nobody_waiting(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(began: threading.Event, may_end: threading.Event) -> None:
        leader = asyncio.create_task(journal.record([STARTED]))
        await anyio.to_thread.run_sync(began.wait)
        follower = asyncio.create_task(journal.record([requested(0)]))
        await anyio.lowlevel.checkpoint()
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        with pytest.raises(JournalError, match="Interrupted"):
            await follower
        may_end.set()

    with slow_sync(monkeypatch) as (began, may_end):
        asyncio.run(main(began, may_end))
    assert list(Journal.read(path)) == [STARTED]


def test_lines_not_yet_synced_are_no_promise_until_a_fact_follows(
    journal: Journal, path: Path
) -> None:
    async def main() -> None:
        await journal.record([STARTED])
        head = journal.head
        await journal.record([counted(3)])
        assert (journal.lines, journal.head) == (1, head)
        await journal.record([requested(0)])
        assert journal.lines == 3

    anyio.run(main)


def test_observations_beside_facts_keep_their_place_and_are_not_lost(
    journal: Journal, path: Path
) -> None:
    async def server(number: int) -> None:
        await journal.record([requested(number)])

    async def main() -> None:
        await journal.record([STARTED])
        for turn in range(40):
            async with anyio.create_task_group() as group:
                group.start_soon(server, turn)
                group.start_soon(journal.record, [counted(turn)])
                await anyio.lowlevel.checkpoint()
                group.start_soon(journal.record, [counted(turn)])

    anyio.run(main)
    written = list(Journal.read(path))
    assert sum(isinstance(event, e.CallsCounted) for event in written) == 80
    assert sum(isinstance(event, e.ExportRequested) for event in written) == 40


def test_a_cancelled_caller_loses_nothing_and_holds_nobody_up(journal: Journal, path: Path) -> None:
    recorded: list[int] = []

    async def server(number: int, scope: anyio.CancelScope) -> None:
        with scope:
            await journal.record([requested(number)])
            recorded.append(number)

    async def main() -> None:
        await journal.record([STARTED])
        scopes = [anyio.CancelScope() for _ in range(20)]
        async with anyio.create_task_group() as group:
            for number, scope in enumerate(scopes):
                group.start_soon(server, number, scope)
            await anyio.lowlevel.checkpoint()
            for scope in scopes[::2]:
                scope.cancel()
        await journal.record([requested(20)])

    anyio.run(main)
    reading = Journal.read(path)
    assert [event.server for event in reading if isinstance(event, e.ExportRequested)] == [
        *range(21)
    ]
    assert reading.damage is None
    assert sorted(recorded) == [*range(20)]


def test_nothing_of_a_call_is_written_where_one_event_cannot_be(
    journal: Journal, path: Path
) -> None:
    unwritable = e.ClockOffsetSeen(at=AT, offset_s=float("nan"))

    async def main() -> None:
        await journal.record([STARTED])
        with pytest.raises(ValueError, match="JSON"):
            await journal.record([requested(0), unwritable])
        await journal.record([requested(1)])

    anyio.run(main)
    assert list(Journal.read(path)) == [STARTED, requested(1)]


def test_after_a_failed_write_every_record_says_so_and_the_file_is_as_before(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def server(number: int, failed: list[JournalError]) -> None:
        try:
            await journal.record([requested(number)])
        except JournalError as error:
            failed.append(error)

    async def main() -> None:
        failed: list[JournalError] = []
        await journal.record([STARTED])
        monkeypatch.setattr("collector.files.sync_data", full)
        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(server, number, failed)
        monkeypatch.undo()
        with pytest.raises(JournalError, match="No space left on device"):
            await journal.record([requested(5)])
        assert [error.errno for error in failed] == [errno.ENOSPC] * 5

    anyio.run(main)
    reading = Journal.read(path)
    assert list(reading) == [STARTED]
    assert reading.damage is None


HALFWAY = """
import resource, signal, sys
from pathlib import Path
import anyio
from collector.model.events import RunEnded
from collector.rundir import lock
from collector.rundir.journal.journal import Journal, JournalError

async def main(path):
    journal, _ = Journal.resume(path)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    room = path.stat().st_size + 100
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    try:
        await journal.record([RunEnded(at="now", reason="stopped")])
    except JournalError as error:
        sys.exit(str(error))

anyio.run(main, Path(sys.argv[1]))
"""


def test_a_line_that_the_disk_takes_half_of_is_taken_back(path: Path) -> None:
    with Journal.create(path) as journal:
        anyio.run(journal.record, [STARTED])
    answer = subprocess.run(
        [sys.executable, "-c", HALFWAY, path], capture_output=True, text=True, check=False
    )
    assert f"cannot write {path}: File too large" in answer.stderr
    reading = Journal.read(path)
    assert list(reading) == [STARTED]
    assert reading.damage is None


def test_a_journal_is_readable_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    for umask in (0o000, 0o777):
        before = os.umask(umask)
        try:
            with Journal.create(tmp_path / f"{umask}.jsonl") as journal:
                assert journal.path.stat().st_mode & 0o777 == 0o600
        finally:
            os.umask(before)


def test_a_resumed_journal_goes_on_with_its_chain(path: Path) -> None:
    async def main() -> None:
        with Journal.create(path) as journal:
            await journal.record([STARTED])
        journal, state = Journal.resume(path)
        with journal:
            assert state.started == STARTED
            await journal.record([e.RunEnded(at=AT, reason="finished")])

    anyio.run(main)
    reading = Journal.read(path)
    assert len(list(reading)) == 2
    assert reading.damage is None


def test_resuming_folds_to_the_state_that_was_applied(path: Path) -> None:
    live = RunState()

    async def main() -> None:
        with Journal.create(path) as journal:
            for event in (STARTED, e.SelectionEnded(at=AT, servers=0)):
                await journal.record([event])
                apply(live, event)

    anyio.run(main)
    journal, state = Journal.resume(path)
    journal.close()
    assert state == live


def test_resuming_cuts_a_torn_last_line_off_and_tells(path: Path) -> None:
    async def main() -> None:
        with Journal.create(path) as journal:
            await journal.record([STARTED, e.RunEnded(at=AT, reason="stopped")])

    anyio.run(main)
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    journal, state = Journal.resume(path)
    journal.close()
    assert journal.torn is not None
    assert journal.torn.line == 2
    assert state.ended is None
    assert path.read_bytes() == whole[: journal.torn.offset]


def test_resuming_refuses_damage_before_the_last_line_and_names_it(path: Path) -> None:
    async def main() -> None:
        with Journal.create(path) as journal:
            await journal.record([STARTED, counted(1), counted(2)])

    anyio.run(main)
    path.write_bytes(path.read_bytes().replace(b'"calls":1', b'"calls":7'))
    with pytest.raises(DamagedJournal, match="line 2 is damaged"):
        Journal.resume(path)
    assert not is_held(path)


def test_resuming_refuses_an_event_of_a_server_that_nobody_named(path: Path) -> None:
    async def main() -> None:
        with Journal.create(path) as journal:
            await journal.record([STARTED, requested(0)])

    anyio.run(main)
    with pytest.raises(DamagedJournal, match=r"line 2 is damaged \(ExportRequested"):
        Journal.resume(path)


def begun_and_damaged(path: Path) -> bytes:
    """A journal that has named all its servers, none, and whose last line but one is changed."""

    async def main() -> None:
        with Journal.create(path) as journal:
            named = e.SelectionEnded(at=AT, servers=0)
            await journal.record([STARTED, named, e.ClockJumped(at=AT, jump_s=1.0), ENDED])

    anyio.run(main)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"jump_s":1', b'"jump_s":7'))
    return whole


def test_a_resume_takes_the_journal_that_a_repair_has_put_in_its_place(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process repairs it between our opening it and our holding it."""
    begun_and_damaged(path)
    hold = lock.hold

    def repaired_meanwhile(descriptor: int, path: Path) -> None:
        monkeypatch.setattr(lock, "hold", hold)
        Journal.resume(path, at=AT)[0].close()
        hold(descriptor, path)

    monkeypatch.setattr(lock, "hold", repaired_meanwhile)
    journal, state = Journal.resume(path, at=AT)
    with journal:
        assert (journal.repaired, state.repairs) == (None, 1)
        with pytest.raises(RunHeld):
            Journal.resume(path)


def test_a_repaired_journal_is_held_and_goes_on(path: Path) -> None:
    begun_and_damaged(path)
    journal, _ = Journal.resume(path, at=AT)
    with journal:
        assert is_held(path)
        anyio.run(journal.record, [ENDED])
    *_, repaired, ended = Journal.read(path)
    assert (repaired, ended) == (journal.repaired, ENDED)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_repair_that_the_disk_fails_says_so_and_loses_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """At each call of the disk; the next repair comes to the end of it."""
    begun_and_damaged(path)
    damaged = path.read_bytes()
    for failing in count(1):
        home = path.parent / str(failing)
        home.mkdir()
        journal = home / path.name
        journal.write_bytes(damaged)
        with monkeypatch.context() as disk:
            failed = fail_at(disk, failing, number)
            try:
                Journal.resume(journal, at=AT)[0].close()
            except CollectorError as error:
                assert os.strerror(number) in str(error)  # noqa: PT017  # the last one ends without
        assert damaged in [left.read_bytes() for left in home.iterdir()]
        if not failed:
            break
        resumed, state = Journal.resume(journal, at=AT)
        resumed.close()
        assert (state.repairs, state.selected, state.ended) == (1, True, None)
        assert (home / "journal.damaged-1.jsonl").read_bytes() == damaged
        assert {one.name for one in home.iterdir()} == {path.name, "journal.damaged-1.jsonl"}
    assert failing > 8


@pytest.mark.parametrize("failing", [2, 3])
def test_a_torn_line_that_the_disk_does_not_let_go_is_cut_off_the_next_time(
    path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """Where cutting it off fails, and where syncing that does."""
    whole = begun_and_damaged(path)
    path.write_bytes(whole + b"\0" * 4096)
    with monkeypatch.context() as disk:
        fail_at(disk, failing, errno.EIO)
        with pytest.raises(CollectorError, match=r"cannot repair .*Input/output error"):
            Journal.resume(path, at=AT)
    assert path.read_bytes().startswith(whole)
    Journal.resume(path, at=AT)[0].close()
    assert path.read_bytes() == whole


def fail_at(disk: pytest.MonkeyPatch, number: int, code: int) -> list[str]:
    """Let the n-th change of the disk fail; the list gets its name when it does."""
    calls = count(1)
    failed: list[str] = []

    def failing(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401  # as the call has them
            if next(calls) == number:
                failed.append(name)
                raise OSError(code, os.strerror(code))
            return call(*arguments, **options)

        return called

    for name in ("open_to_write", "write", "sync", "truncate", "rename", "sync_directory"):
        disk.setattr(files, name, failing(name, getattr(files, name)))
    return failed


def test_where_there_are_no_locks_nobody_holds_a_run(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.touch()

    def no_locks(_descriptor: int, _kind: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr("fcntl.flock", no_locks)
    assert not is_held(path)


def test_a_journal_of_a_newer_version_names_its_writer(path: Path) -> None:
    newer = dataclasses.replace(STARTED, schema_version=2, collector_version="9.1")
    with Journal.create(path) as journal:
        anyio.run(journal.record, [newer])
    with pytest.raises(CollectorError, match=r"collector 9\.1 in schema version 2"):
        list(Journal.read(path))


def test_head_of_an_empty_journal_is_zeros(journal: Journal) -> None:
    assert (journal.lines, journal.head) == (0, NO_HASH)


def test_one_process_holds_a_run(journal: Journal, path: Path) -> None:
    anyio.run(journal.record, [STARTED])
    with pytest.raises(RunHeld, match="process 4711 on ops-1"):
        Journal.resume(path)
    assert is_held(path)


HOLDING = """
import sys
from pathlib import Path
from collector.rundir.journal.journal import Journal

with Journal.create(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_run_is_held_across_processes_and_free_when_its_holder_is_killed(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(RunHeld, match="in use by another process"):
            Journal.resume(path)
        holder.kill()
    assert not is_held(path)


def test_looking_whether_a_run_is_held_never_keeps_one_from_taking_it(path: Path) -> None:
    path.touch()
    looks = os.open(path, os.O_RDONLY)
    fcntl.flock(looks, fcntl.LOCK_SH)
    gone = threading.Timer(0.01, os.close, [looks])
    gone.start()
    Journal.resume(path)[0].close()
    gone.join()


def test_a_closed_journal_lets_the_run_go(path: Path) -> None:
    Journal.create(path).close()
    assert not is_held(path)


def test_an_existing_journal_is_not_begun_again(path: Path) -> None:
    path.touch()
    with pytest.raises(CollectorError, match="File exists"):
        Journal.create(path)
