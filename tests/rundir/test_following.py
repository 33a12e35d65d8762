"""Following the journal of a run that another process writes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

import anyio
import pytest

from collector.errors import CollectorError
from collector.model import events as e
from collector.rundir.following import Following
from collector.rundir.journal.journal import Journal
from collector.rundir.journal.lines import NO_HASH, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from collector.model.state import RunState

AT = "2026-11-23T08:41:03Z"
ENDED = e.RunEnded(at=AT, reason="finished")
RESUMED = e.RunResumed(
    at=AT,
    collector_version="0.1.0",
    host="ops-2",
    user="oncall",
    pid=4712,
    argv=("collector", "collect", "--resume", "latest"),
)


class Writer:
    """A process that writes lines as a collector does, and holds the run or not."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "journal.jsonl"
        self.head = NO_HASH

    def lines(self, *events: e.Event) -> bytes:
        written = []
        for event in events:
            line, self.head = encode(event, self.head)
            written.append(line)
        return b"".join(written)

    def append(self, *events: e.Event) -> None:
        self.append_bytes(self.lines(*events))

    def append_bytes(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)


def state_of(following: Following) -> str:
    return following.report.head.run.state


HOLD = """
import fcntl, sys
file = open(sys.argv[1])
fcntl.flock(file, fcntl.LOCK_EX)
print(flush=True)
sys.stdin.read()
"""


@contextmanager
def held(path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path)


@pytest.fixture
def following(tmp_path: Path) -> Iterator[Following]:
    with Following(tmp_path) as one:
        yield one


def test_what_is_there_is_folded_and_then_what_is_appended(
    writer: Writer,
    following: Following,
    selection: list[e.Event],
    collected: Callable[[int], list[e.Event]],
    folded: Callable[[list[e.Event]], RunState],
) -> None:
    writer.append(*selection)
    assert following.poll() == selection
    assert following.poll() == []
    more = collected(1)
    writer.append(*more)
    assert following.poll() == more
    assert following.state == folded([*selection, *more])
    assert following.lines == len(selection) + len(more)
    assert following.head == writer.head


def test_a_look_reads_no_line_twice(
    writer: Writer, following: Following, selection: list[e.Event]
) -> None:
    writer.append(*selection)
    following.poll()
    state = following.state
    first = writer.path.read_bytes()
    # Whoever read them again would not get past these.
    with writer.path.open("r+b") as file:
        file.write(b"x" * len(first))
    writer.append(ENDED)
    assert following.poll() == [ENDED]
    assert following.state is state


def test_a_look_reads_as_much_as_it_is_told(
    writer: Writer, following: Following, selection: list[e.Event]
) -> None:
    writer.append(*selection)
    assert following.poll(most=3) == selection[:3]
    assert not following.is_current
    assert following.poll(most=100) == selection[3:]
    assert following.is_current


def test_a_line_that_is_being_written_is_waited_for(
    writer: Writer, following: Following, selection: list[e.Event]
) -> None:
    writer.append(*selection)
    with held(writer.path):
        line = writer.lines(ENDED)
        for piece in (line[:1], line[1:20], line[20:-1]):
            writer.append_bytes(piece)
            following.poll()
            assert following.is_current
            assert following.damage is None
            assert following.state.ended is None
        writer.append_bytes(line[-1:])
        assert following.poll() == [ENDED]


def test_what_a_killed_process_leaves_of_a_line_is_damage_until_it_is_resumed(
    writer: Writer, following: Following, selection: list[e.Event]
) -> None:
    writer.append(*selection)
    whole = writer.path.stat().st_size
    writer.append_bytes(b'{"event":"RunEn')
    following.poll()
    assert "torn=True" in str(following.damage)
    os.truncate(writer.path, whole)
    writer.append(RESUMED)
    assert following.poll() == [RESUMED]
    assert following.damage is None


def test_it_knows_whether_a_process_holds_the_run(
    writer: Writer, following: Following, selection: list[e.Event]
) -> None:
    writer.append(*selection)
    with held(writer.path):
        following.poll()
        assert (following.alive, following.was_killed, state_of(following)) == (
            True,
            False,
            "running",
        )
    following.poll()
    assert (following.alive, following.was_killed, state_of(following)) == (
        False,
        True,
        "interrupted",
    )
    writer.append(RESUMED)
    with held(writer.path):
        assert following.poll() == [RESUMED]
        assert not following.was_killed
        assert following.state.process == RESUMED
        writer.append(ENDED)
    following.poll()
    assert not following.was_killed
    assert following.state.ended == ENDED


def test_looking_keeps_nobody_from_taking_the_run(
    writer: Writer, following: Following, selection: list[e.Event]
) -> None:
    writer.append(*selection)
    following.poll()
    with held(writer.path):
        following.poll()
        assert following.alive


def test_a_repaired_journal_is_read_anew(
    tmp_path: Path, writer: Writer, following: Following, selection: list[e.Event]
) -> None:
    writer.append(*selection, ENDED)
    writer.append_bytes(b"junk\njunk\n")
    following.poll()
    before = following.state
    assert "the line does not end with its hash" in str(following.damage)
    journal, state = Journal.resume(tmp_path / "journal.jsonl", at=AT)
    with journal:
        events = following.poll()
        assert events[: len(selection)] == selection
        assert isinstance(events[-1], e.JournalRepaired)
        assert following.damage is None
        assert following.state is not before
        assert following.state == state
        assert following.alive


def test_damage_is_not_read_again_at_each_look(
    writer: Writer, following: Following, selection: list[e.Event]
) -> None:
    writer.append(*selection)
    writer.append_bytes(b"junk\njunk\n")
    following.poll()
    state = following.state
    for _ in range(3):
        assert following.poll() == []
        assert following.is_current
        assert following.state is state
        assert following.damage is not None


def test_lines_that_were_taken_back_are_forgotten(
    writer: Writer,
    following: Following,
    selection: list[e.Event],
    collected: Callable[[int], list[e.Event]],
    folded: Callable[[list[e.Event]], RunState],
) -> None:
    writer.append(*selection)
    size, head = writer.path.stat().st_size, writer.head
    writer.append(e.ExportRequested(at=AT, server=3))
    following.poll()
    os.truncate(writer.path, size)
    writer.head = head
    writer.append(RESUMED, *collected(0))
    following.poll()
    looks = 1
    while not following.is_current:  # it looks from the first line on
        following.poll()
        looks += 1
    assert looks == 2
    assert following.damage is None
    assert following.state == folded([*selection, RESUMED, *collected(0)])


def test_a_journal_that_became_shorter_is_read_anew(
    writer: Writer, following: Following, selection: list[e.Event]
) -> None:
    writer.append(*selection)
    size = writer.path.stat().st_size
    writer.append(ENDED)
    following.poll()
    os.truncate(writer.path, size)
    assert following.poll() == selection
    assert following.state.ended is None


def test_an_event_that_cannot_follow_is_damage(
    writer: Writer, following: Following, selection: list[e.Event]
) -> None:
    writer.append(*selection)
    following.poll()
    writer.append(e.ExportRequested(at=AT, server=99))
    following.poll()
    following.poll()
    assert following.damage is not None
    assert following.damage.line == len(selection) + 1
    assert "server 99" in following.damage.what
    assert len(following.state.servers) == 4


def test_a_run_that_is_removed_is_gone_and_what_was_known_stays(
    tmp_path: Path, selection: list[e.Event]
) -> None:
    directory = tmp_path / "run"
    directory.mkdir()
    Writer(directory).append(*selection)
    with Following(directory) as following:
        following.poll()
        shutil.rmtree(directory)
        assert following.poll() == []
        assert (following.is_gone, following.alive) == (True, False)
        assert len(following.state.servers) == 4
        directory.mkdir()
        Writer(directory).append(*selection[:1])
        assert following.poll() == selection[:1]
        assert not following.is_gone
        assert following.state.servers == []


def test_a_run_that_has_no_journal_yet_is_found_when_it_has(
    writer: Writer, following: Following, selection: list[e.Event]
) -> None:
    assert following.poll() == []
    assert (following.is_gone, following.is_current) == (True, True)
    writer.append(*selection)
    assert following.poll() == selection


def test_a_journal_of_a_newer_version_is_refused_at_each_look(
    writer: Writer, following: Following, selection: list[e.Event]
) -> None:
    writer.append(*selection)
    writer.path.write_bytes(
        writer.path.read_bytes() + _next_line(writer.head, b'{"event":"Teleported","at":"x"}')
    )
    for _ in range(2):
        with pytest.raises(CollectorError, match="a newer collector has worked on this run"):
            following.poll()


def _next_line(head: str, body: bytes) -> bytes:
    opened = body.removesuffix(b"}")
    digest = sha256(head.encode() + opened).hexdigest()
    return b'%b,"hash":"%b"}\n' % (opened, digest.encode())


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_what_is_no_file_is_refused(tmp_path: Path, following: Following, kind: str) -> None:
    path = tmp_path / "journal.jsonl"
    if kind == "link":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(CollectorError, match="cannot read"):
        following.poll()


def test_a_journal_that_is_written_meanwhile_is_followed_to_its_end(
    tmp_path: Path, following: Following, selection: list[e.Event]
) -> None:
    calls = [e.CallsCounted(at=AT, project=0, calls=n + 1, throttled=0) for n in range(300)]
    seen: list[e.Event] = []

    async def write() -> None:
        with Journal.create(tmp_path / "journal.jsonl") as journal:
            await journal.record(selection)
            for call in calls:
                await journal.record([call])
                if call.calls % 7 == 0:
                    seen.extend(following.poll())
            await journal.record([ENDED])

    anyio.run(write)
    seen.extend(following.poll())
    assert seen == [*selection, *calls, ENDED]
    assert following.damage is None
