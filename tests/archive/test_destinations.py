"""What every destination promises: see `collector/archive/destination.py`.

A new destination is added to `DESTINATIONS`, and passes all of this.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import io
import os
import random
import signal
import subprocess
import sys
import tarfile
import threading
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest

from collector.archive.local import LocalDirectory
from collector.archive.names import PART, REJECTED
from collector.archive.staged import ArchivePolicy
from collector.archive.store import PIECE_BYTES, ArchiveStore, ArchiveStream
from collector.archive.targz import TAR_GZ
from collector.archive.workers import at_once
from collector.model.answers import Problem, ProblemKind, Stored
from tests.support.second_destination import SqliteDestination
from tests.support.shown import from_the_page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from pathlib import Path

    from collector.archive.destination import Destination, OpenDestination, StagedFile, Steps

DESTINATIONS: dict[str, Callable[[Path], OpenDestination]] = {
    "local directory": lambda _: LocalDirectory,
    "as documented": lambda home: partial(from_the_page("FlatStore"), root=home / "flat"),
    "sqlite": lambda home: partial(SqliteDestination, database=home / "archives.db"),
}
"""Given a directory of the test's own, each returns what opens the destination of a run."""

PATH = "payments/bms-001/SN1-dump.tar.gz"
OTHER = "payments/bms-002/SN2-dump.tar.gz"
PIECE = 40_000


@pytest.fixture(params=DESTINATIONS)
def opening(request: pytest.FixtureRequest, tmp_path: Path) -> OpenDestination:
    (tmp_path / "run").mkdir()
    return DESTINATIONS[request.param](tmp_path)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def destination(opening: OpenDestination, run: Path) -> Iterator[Destination]:
    with contextlib.closing(opening(run)) as opened:
        yield opened


def content(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311  # repeatable, no secret


def in_pieces(body: bytes, size: int = PIECE) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


def take(steps: Steps[None]) -> None:
    """Take steps to the last, and sync what they name."""
    for syncs in steps:
        for sync in syncs:
            sync()


def stage(destination: Destination, body: bytes, path: str = PATH) -> StagedFile:
    staged = destination.stage(path)
    for piece in in_pieces(body):
        staged.append([piece])
    return staged


def commit(
    destination: Destination, body: bytes, path: str = PATH, *, durable: bool = True
) -> None:
    staged = stage(destination, body, path)
    take(staged.commit(path, durable=durable))
    staged.close()


def kept(destination: Destination, path: str = PATH) -> bytes:
    return b"".join(bytes(piece) for piece in destination.read(path))


def staged_bytes(staged: StagedFile, offset: int = 0) -> bytes:
    return b"".join(bytes(piece) for piece in staged.read(offset))


def all_paths(destination: Destination, run: Path) -> set[str]:
    """What `verify` finds: in the run's directory, and elsewhere."""
    inside = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    return inside | set(destination.entries())


def test_to_stage_writes_nothing_yet(destination: Destination, run: Path) -> None:
    staged = destination.stage(PATH)
    staged.close()
    assert all_paths(destination, run) == set()
    assert destination.size(PATH) is None


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("size", [1, PIECE, 10 * PIECE + 7])
def test_what_was_committed_is_what_was_appended(
    destination: Destination, run: Path, size: int, durable: bool
) -> None:
    body = content(size)
    commit(destination, body, durable=durable)
    assert destination.size(PATH) == size
    assert kept(destination) == body
    assert all_paths(destination, run) == {PATH}


def test_what_is_staged_is_no_archive(destination: Destination, run: Path) -> None:
    staged = stage(destination, content(5 * PIECE))
    assert destination.size(PATH) is None
    with pytest.raises(FileNotFoundError):
        kept(destination)
    assert all_paths(destination, run) == {f"{PATH}{PART}"}
    staged.close()


def test_an_archive_replaces_the_one_before(destination: Destination, run: Path) -> None:
    for seed in (1, 2):
        body = content(3 * PIECE + seed, seed)
        commit(destination, body)
        assert kept(destination) == body
    assert all_paths(destination, run) == {PATH}


def test_the_archive_before_stays_until_the_next_is_committed(destination: Destination) -> None:
    commit(destination, content(PIECE))
    staged = stage(destination, content(3 * PIECE, 2))
    assert kept(destination) == content(PIECE)
    staged.discard()
    assert kept(destination) == content(PIECE)


@pytest.mark.parametrize("size", [1, 5 * PIECE + 7])
def test_what_is_staged_is_found_by_a_later_process(
    opening: OpenDestination, run: Path, size: int
) -> None:
    body = content(size)
    with contextlib.closing(opening(run)) as before:
        stage(before, body).close()
    with contextlib.closing(opening(run)) as after:
        staged = after.stage(PATH)
        here = staged.resume()
        assert 0 <= here <= size
        assert staged_bytes(staged) == body[:here]
        staged.append([body[here:]])
        take(staged.commit(PATH, durable=True))
        staged.close()
        assert kept(after) == body


def test_nothing_is_found_where_nothing_is_staged(destination: Destination) -> None:
    staged = destination.stage(PATH)
    assert staged.resume() == 0
    staged.append([b"begun anew"])
    take(staged.commit(PATH, durable=True))
    staged.close()
    assert kept(destination) == b"begun anew"


def test_without_a_resume_what_was_staged_is_replaced(destination: Destination) -> None:
    stage(destination, content(5 * PIECE)).close()
    commit(destination, content(PIECE, 2))
    assert kept(destination) == content(PIECE, 2)


@pytest.mark.parametrize("offset", [0, 1, PIECE, 3 * PIECE - 1, 3 * PIECE])
def test_staged_bytes_are_read_back_from_any_offset(destination: Destination, offset: int) -> None:
    body = content(3 * PIECE)
    staged = stage(destination, body)
    assert staged_bytes(staged, offset) == body[offset:]
    staged.close()


def test_reading_back_does_not_move_where_bytes_are_appended(destination: Destination) -> None:
    body = content(3 * PIECE)
    staged = stage(destination, body)
    pieces = staged.read(7)
    next(pieces)
    pieces.close()
    staged.append([b"more"])
    take(staged.commit(PATH, durable=False))
    staged.close()
    assert kept(destination) == body + b"more"


def test_what_is_discarded_leaves_nothing(destination: Destination, run: Path) -> None:
    staged = stage(destination, content(3 * PIECE))
    staged.discard()
    assert all_paths(destination, run) == set()
    assert destination.stage(PATH).resume() == 0


def test_what_another_process_has_staged_is_discarded_as_well(
    destination: Destination, run: Path
) -> None:
    stage(destination, content(3 * PIECE)).close()
    destination.stage(PATH).discard()
    assert all_paths(destination, run) == set()


def test_to_discard_nothing_is_no_error(destination: Destination) -> None:
    destination.stage(PATH).discard()


def test_a_commit_that_fails_in_a_sync_is_discarded_under_its_path(
    destination: Destination, run: Path
) -> None:
    commit(destination, b"the path has an archive")  # and its directory is made
    staged = stage(destination, content(3 * PIECE), OTHER)
    steps = staged.commit(OTHER, durable=True)
    while not next(steps):
        pass
    with pytest.raises(OSError, match="of the sync"):
        steps.throw(OSError(errno.EIO, "of the sync"))
    staged.discard()
    assert all_paths(destination, run) == {PATH}


def test_to_commit_what_was_never_appended_is_an_error_of_the_archive(
    destination: Destination,
) -> None:
    staged = destination.stage(PATH)
    with pytest.raises(OSError, match=r".") as caught:
        take(staged.commit(PATH, durable=True))
    assert caught.value.errno
    staged.close()


def test_close_may_come_twice_and_after_anything(destination: Destination) -> None:
    staged = destination.stage(PATH)
    staged.close()
    staged.append([b"x"])
    staged.close()
    staged.close()
    staged.discard()
    staged.close()


def test_a_rejected_archive_is_kept_beside_its_path_and_removed(
    destination: Destination, run: Path
) -> None:
    staged = stage(destination, content(PIECE))
    take(staged.commit(f"{PATH}{REJECTED}", durable=False))
    staged.close()
    assert destination.size(PATH) is None
    assert all_paths(destination, run) == {f"{PATH}{REJECTED}"}
    destination.remove(f"{PATH}{REJECTED}")
    assert all_paths(destination, run) == set()
    destination.remove(f"{PATH}{REJECTED}")


def test_runs_do_not_see_each_other(opening: OpenDestination, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with (
        contextlib.closing(opening(tmp_path / "run")) as one,
        contextlib.closing(opening(tmp_path / "other")) as other,
    ):
        commit(one, b"of one run")
        stage(other, b"of the other").close()
        assert other.size(PATH) is None
        assert kept(one) == b"of one run"


def test_archives_are_written_by_several_threads_at_once(destination: Destination) -> None:
    bodies = {f"p/s{number}/a.tar.gz": content(5 * PIECE, number) for number in range(6)}
    threads = [
        threading.Thread(target=commit, args=(destination, body, path))
        for path, body in bodies.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {path: kept(destination, path) for path in bodies} == bodies


def test_one_archive_is_written_by_one_thread_after_the_other(destination: Destination) -> None:
    body = content(5 * PIECE)
    staged = destination.stage(PATH)
    for piece in in_pieces(body):
        thread = threading.Thread(target=staged.append, args=([piece],))
        thread.start()
        thread.join()
    take(staged.commit(PATH, durable=True))
    staged.close()
    assert kept(destination) == body


@pytest.mark.parametrize("path", ["a", "p/s/t/u/a.tar.gz", "p/s/\n", "p/s/~", "p/s/%2e%2e"])
def test_of_a_path_that_nothing_was_committed_to_nothing_is_known(
    destination: Destination, path: str
) -> None:
    commit(destination, content(PIECE))
    assert destination.size(path) is None
    with pytest.raises(OSError, match=r"."):
        kept(destination, path)


def test_a_place_is_described_in_one_line_that_names_the_archive(destination: Destination) -> None:
    described = destination.describe(PATH)
    assert PATH in described
    assert described.isprintable()


def test_a_destination_that_was_not_used_can_be_closed(opening: OpenDestination, run: Path) -> None:
    opening(run).close()
    assert list(run.iterdir()) == []


CHILD = """
import sys
from functools import partial
from pathlib import Path
from tests.archive.test_destinations import DESTINATIONS, PATH, content, in_pieces, take

name, home, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
destination = DESTINATIONS[name](home)(home / "run")
staged = destination.stage(PATH)
for piece in in_pieces(content(size)):
    staged.append([piece])
    print("appended", flush=True)
print("committing", flush=True)
take(staged.commit(PATH, durable=True))
print("committed", flush=True)
input()
"""


@pytest.mark.parametrize("name", DESTINATIONS)
@pytest.mark.parametrize("lines", [1, 4, 8, 9, 10])
def test_a_kill_leaves_a_beginning_or_the_whole_archive(
    tmp_path: Path, name: str, lines: int
) -> None:
    (tmp_path / "run").mkdir()
    body = content(8 * PIECE)
    command = [sys.executable, "-c", CHILD, name, str(tmp_path), str(len(body))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
    assert said[-1]
    with contextlib.closing(DESTINATIONS[name](tmp_path)(tmp_path / "run")) as destination:
        size = destination.size(PATH)
        if size is not None:
            assert kept(destination) == body
            return
        assert said[-1] != b"committed\n"
        staged = destination.stage(PATH)
        here = staged.resume()
        assert staged_bytes(staged) == body[:here]
        staged.close()


# The archive store, on any destination.


def archive_of(size: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("var/log/messages")
        info.size = size
        tar.addfile(info, io.BytesIO(os.urandom(size)))
    return gzip.compress(out.getvalue(), 1, mtime=0)


SMALL = archive_of(4_096)
LARGE = archive_of(2 * PIECE_BYTES)
CUT_OFF = Problem(ProblemKind.CUT, "the connection was reset")


async def arriving(chunks: Iterable[bytes | Problem]) -> AsyncIterator[bytes | Problem]:
    for chunk in chunks:
        yield chunk


def stored(
    destination: Destination,
    chunks: Iterable[bytes | Problem],
    *,
    resumed: bool = False,
    overlap: int = 500,
    policy: ArchivePolicy | None = None,
) -> Stored | Problem:
    """Store what comes; a resumed archive's chunks are all of it, of which the rest is taken."""

    async def main() -> Stored | Problem:
        store = ArchiveStore(destination, policy)
        staged = store.stage("payments/bms-001", "SN1-dump.tar.gz", TAR_GZ)
        offset, coming = 0, list(chunks)
        if resumed and (here := await store.resume(staged)):
            offset = max(1, here - overlap)
            body = b"".join(chunk for chunk in coming if isinstance(chunk, bytes))
            coming = [body[offset:]]
        stream = ArchiveStream(arriving(coming), None, "SN1-dump.tar.gz", offset)
        return await store.store(stream, staged)

    return anyio.run(main)


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_an_archive_is_stored_whole(destination: Destination, run: Path, body: bytes) -> None:
    answer = stored(destination, in_pieces(body))
    assert isinstance(answer, Stored)
    assert answer.sha256 == hashlib.sha256(body).hexdigest()
    assert kept(destination) == body
    assert all_paths(destination, run) == {PATH}


@pytest.mark.parametrize("tenth", [1, 5, 9])
@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_an_archive_that_was_cut_is_continued(
    destination: Destination, run: Path, body: bytes, tenth: int
) -> None:
    cut = len(body) * tenth // 10
    assert stored(destination, [*in_pieces(body[:cut]), CUT_OFF]) is CUT_OFF
    assert all_paths(destination, run) == {f"{PATH}{PART}"}
    assert isinstance(stored(destination, [body], resumed=True), Stored)
    assert kept(destination) == body
    assert all_paths(destination, run) == {PATH}


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_an_archive_that_is_rejected_is_kept_beside_only_if_asked_for(
    destination: Destination, run: Path, body: bytes, keep: bool
) -> None:
    spoilt = bytearray(body)
    spoilt[len(spoilt) // 2] ^= 0xFF
    answer = stored(destination, [bytes(spoilt)], policy=ArchivePolicy(keep_rejected=keep))
    assert isinstance(answer, Problem)
    assert answer.kind is ProblemKind.INVALID_ARCHIVE
    assert all_paths(destination, run) == ({f"{PATH}{REJECTED}"} if keep else set())


def test_names_of_directories_that_another_made_are_on_disk_before_an_archive_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "payments" / "bms-001").mkdir(parents=True)
    synced: list[Path] = []
    monkeypatch.setattr("collector.archive.local.files.sync_directory", synced.append)
    staged = LocalDirectory(tmp_path).stage("payments/bms-001/a.tar.gz")
    staged.append([b"archive"])
    at_once(staged.commit("payments/bms-001/a.tar.gz", durable=True))
    staged.close()
    assert synced == [tmp_path / "payments", tmp_path]
