from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import resource
import shutil
import tarfile
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from collector import files
from collector.archive.local import LocalDirectory, mount_point
from collector.archive.staged import ArchivePolicy, StagedArchive
from collector.archive.store import AT_ONCE_BYTES, PIECE_BYTES, ArchiveStore, ArchiveStream
from collector.archive.targz import TAR_GZ
from collector.archive.workers import Workers
from collector.model.answers import Checksum, Problem, ProblemKind, Stored
from tests.support.open_files import no_file_left

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

OPEN_FILES = Path("/dev/fd")
NAME = "SN1-dump.tar.gz"


def archive_of(size: int, *, level: int = 9) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for number, mtime in enumerate([1_700_000_000, 1_600_000_000]):
            info = tarfile.TarInfo(f"var/log/{number}")
            info.size, info.mtime = size, mtime
            tar.addfile(info, io.BytesIO(b"0123456789abcdef" * (size // 16)))
    return gzip.compress(out.getvalue(), level, mtime=0)


SMALL = archive_of(4_096)
LARGE = archive_of(2 * PIECE_BYTES, level=0)


def in_chunks(body: bytes, size: int = 100_000) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


async def arriving(chunks: Iterable[bytes | Problem]) -> AsyncIterator[bytes | Problem]:
    for chunk in chunks:
        yield chunk


def store_of(
    directory: Path,
    policy: ArchivePolicy | None = None,
    throttle: Callable[[int], Awaitable[None]] | None = None,
) -> tuple[ArchiveStore, str]:
    """Return the store of the run that a server's directory is in, and that one's name in it."""
    run = directory.parent.parent
    store = ArchiveStore(LocalDirectory(run), policy, throttle=throttle, workers=Workers(2))
    return store, str(directory.relative_to(run))


def stored(
    directory: Path,
    chunks: Iterable[bytes | Problem],
    *,
    length: int | None = None,
    offset: int = 0,
    checksums: tuple[Checksum, ...] = (),
    policy: ArchivePolicy | None = None,
    throttle: Callable[[int], Awaitable[None]] | None = None,
) -> Stored | Problem:
    """Store what comes; with an offset, after what an earlier try has left."""

    async def main() -> Stored | Problem:
        store, name = store_of(directory, policy, throttle)
        staged = store.stage(name, NAME, TAR_GZ)
        if offset:
            await store.resume(staged)
        return await store.store(
            ArchiveStream(arriving(chunks), length, NAME, offset, checksums), staged
        )

    return anyio.run(main)


def unwritable(directory: Path, why: str) -> str:
    return f"cannot write {directory / NAME} on the disk at {mount_point(directory)}: {why}"


def part_of(directory: Path) -> bytes | None:
    part = directory / f"{NAME}.part"
    return part.read_bytes() if part.exists() else None


def kind(answer: Stored | Problem) -> ProblemKind:
    assert isinstance(answer, Problem)
    return answer.kind


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "payments" / "bms-001"


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("told", [True, False], ids=["with length", "without length"])
def test_a_whole_archive_is_stored_under_its_name(directory: Path, body: bytes, told: bool) -> None:
    answer = stored(directory, in_chunks(body), length=len(body) if told else None)
    assert isinstance(answer, Stored)
    assert answer == Stored(
        file_name=NAME,
        bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        members=2,
        oldest_s=1_600_000_000,
        newest_s=1_700_000_000,
    )
    assert [path.name for path in directory.iterdir()] == [NAME]
    assert (directory / NAME).read_bytes() == body


def test_the_file_is_synced_before_it_is_named_and_the_directories_after(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[tuple[int, bool]] = []
    sync = os.fsync

    def logged_sync(fd: int) -> None:
        log.append((os.fstat(fd).st_ino, (directory / NAME).exists()))
        sync(fd)

    monkeypatch.setattr(os, "fsync", logged_sync)
    stored(directory, [SMALL])
    file, *directories = [directory / NAME, directory, directory.parent, directory.parent.parent]
    assert log == [(file.stat().st_ino, False)] + [
        (grown.stat().st_ino, True) for grown in directories
    ]


@pytest.mark.parametrize("refused", [1, 2, 3])
def test_an_archive_whose_name_cannot_be_synced_does_not_keep_it(
    directory: Path, monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    syncs = iter(range(9))

    def refuse(descriptor: int) -> None:
        if next(syncs) == refused:  # of the directories: the file's is the first
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(files, "sync", refuse)
    assert kind(stored(directory, [SMALL])) is ProblemKind.DISK
    assert not list(directory.iterdir())


@pytest.mark.parametrize("surplus", [-1, 0, 1])
def test_no_byte_is_lost_where_small_and_large_meet(directory: Path, surplus: int) -> None:
    body = SMALL + bytes(AT_ONCE_BYTES + surplus - len(SMALL))
    assert isinstance(stored(directory, [body], length=len(body)), Stored)
    assert (directory / NAME).read_bytes() == body


def test_empty_chunks_mean_nothing(directory: Path) -> None:
    assert isinstance(stored(directory, [b"", SMALL[:9], b"", SMALL[9:], b""]), Stored)


def test_files_and_directories_are_their_owners_alone(directory: Path) -> None:
    mask = os.umask(0)
    try:
        stored(directory, [SMALL])
    finally:
        os.umask(mask)
    for path, mode in [
        (directory / NAME, 0o600),
        (directory, 0o700),
        (directory.parent, 0o700),
    ]:
        assert path.stat().st_mode & 0o777 == mode


CUT_OFF = Problem(ProblemKind.CUT, "the connection was reset")


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_a_cut_is_the_answer_and_what_came_is_kept(directory: Path, body: bytes) -> None:
    assert stored(directory, [*in_chunks(body[:-1]), CUT_OFF]) is CUT_OFF
    assert [path.name for path in directory.iterdir()] == [f"{NAME}.part"]
    assert part_of(directory) == body[:-1]


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_a_body_with_fewer_bytes_than_promised_is_cut(directory: Path, body: bytes) -> None:
    answer = stored(directory, in_chunks(body), length=len(body) + 1)
    assert answer == Problem(
        ProblemKind.CUT, f"{len(body)} of the {len(body) + 1} bytes promised arrived"
    )
    assert part_of(directory) == body


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_of_a_body_with_more_bytes_than_promised_nothing_is_kept(
    directory: Path, body: bytes
) -> None:
    answer = stored(directory, in_chunks(body), length=len(body) - 1)
    assert answer == Problem(
        ProblemKind.INVALID_ARCHIVE, f"more than the {len(body) - 1} bytes promised arrived"
    )
    assert not directory.exists() or not list(directory.iterdir())


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_an_unfinished_gzip_is_cut_unless_all_promised_bytes_arrived(
    directory: Path, body: bytes
) -> None:
    cut = body[:-1]
    assert stored(directory, in_chunks(cut)) == Problem(
        ProblemKind.CUT, "the gzip is cut off; the service had not said how long it is"
    )
    assert stored(directory, in_chunks(cut), length=len(cut)) == Problem(
        ProblemKind.INVALID_ARCHIVE,
        f"the gzip is cut off, though all {len(cut)} bytes promised arrived",
    )


def test_what_is_no_archive_never_touches_the_disk_where_it_is_small(directory: Path) -> None:
    answer = stored(directory, [b"<html>sorry</html>"])
    assert answer == Problem(ProblemKind.INVALID_ARCHIVE, "not a gzip but a web page (HTML)")
    assert not directory.exists()


def test_an_empty_body_is_no_archive(directory: Path) -> None:
    answer = stored(directory, [], length=0)
    assert answer == Problem(ProblemKind.INVALID_ARCHIVE, "the body is empty")


def test_the_rest_of_a_damaged_archive_is_not_asked_for(directory: Path) -> None:
    damaged = bytearray(LARGE)
    damaged[PIECE_BYTES : PIECE_BYTES + 70_000] = b"\xff" * 70_000
    rest = iter(in_chunks(bytes(damaged), PIECE_BYTES))
    assert kind(stored(directory, rest)) is ProblemKind.INVALID_ARCHIVE
    assert list(rest)
    assert not list(directory.iterdir())


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_what_an_earlier_try_has_left_is_replaced(directory: Path, body: bytes) -> None:
    directory.mkdir(parents=True)
    (directory / f"{NAME}.part").write_bytes(b"stale")
    (directory / NAME).write_bytes(b"cut by a crash of the disk")
    assert isinstance(stored(directory, in_chunks(body)), Stored)
    assert [path.name for path in directory.iterdir()] == [NAME]
    assert (directory / NAME).read_bytes() == body


def test_what_an_earlier_try_has_left_goes_with_the_problem(directory: Path) -> None:
    directory.mkdir(parents=True)
    (directory / f"{NAME}.part").write_bytes(b"stale")
    assert stored(directory, [CUT_OFF]) is CUT_OFF
    assert not list(directory.iterdir())


@pytest.mark.parametrize("planted", [NAME, f"{NAME}.part"])
def test_a_planted_link_is_replaced_and_not_followed(
    directory: Path, tmp_path: Path, planted: str
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    directory.mkdir(parents=True)
    (directory / planted).symlink_to(victim)
    assert isinstance(stored(directory, [SMALL]), Stored)
    assert victim.read_bytes() == b"precious"
    assert not (directory / NAME).is_symlink()
    assert (directory / NAME).read_bytes() == SMALL


def test_a_link_in_place_of_the_directory_is_not_followed(directory: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    directory.parent.mkdir()
    directory.symlink_to(elsewhere)
    assert kind(stored(directory, [SMALL])) is ProblemKind.FILE_REFUSED
    assert not list(elsewhere.iterdir())


def test_a_refusal_of_a_file_names_the_file_the_disk_and_the_reason(directory: Path) -> None:
    directory.parent.write_bytes(b"a file in the way")
    assert stored(directory, [SMALL]) == Problem(
        ProblemKind.FILE_REFUSED,
        unwritable(directory, "Not a directory (ENOTDIR)"),
    )


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_a_file_that_may_not_grow_further_is_no_error_of_the_disk(
    directory: Path, body: bytes
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = len(body) // 2  # the system writes up to here, and refuses the rest
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        answer = stored(directory, in_chunks(body))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert answer == Problem(
        ProblemKind.FILE_REFUSED,
        unwritable(directory, "File too large (EFBIG)"),
    )
    assert not list(directory.iterdir())


def test_too_many_open_files_pause_downloads_and_are_not_called_the_disks(directory: Path) -> None:
    run = LocalDirectory(directory.parent.parent)
    staged = StagedArchive(run, "payments/bms-001", NAME, TAR_GZ, ArchivePolicy())
    with no_file_left():
        answer = staged.write([SMALL])
    assert answer is not None
    assert answer.kind is ProblemKind.DISK
    assert "this process has reached its limit on open files and connections" in answer.message
    assert "on the disk" not in answer.message
    assert answer.hint is not None
    assert "ulimit -n" in answer.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to a read-only directory")
def test_a_read_only_directory_is_a_disk_error(directory: Path) -> None:
    directory.mkdir(parents=True, mode=0o500)
    assert stored(directory, [SMALL]) == Problem(
        ProblemKind.DISK,
        unwritable(directory, "Permission denied (EACCES)"),
    )


def test_a_directory_under_the_archives_name_is_no_error_of_the_disk(directory: Path) -> None:
    (directory / NAME).mkdir(parents=True)
    assert kind(stored(directory, [SMALL])) is ProblemKind.FILE_REFUSED
    assert [path.name for path in directory.iterdir()] == [NAME]


def test_a_run_that_was_removed_is_not_made_anew(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert kind(stored(run / "payments" / "bms-001", [SMALL])) is ProblemKind.DISK
    assert not run.exists()


def test_a_directory_removed_meanwhile_is_a_disk_error(directory: Path) -> None:
    def removing() -> Iterator[bytes]:
        yield from in_chunks(LARGE[:-9])
        shutil.rmtree(directory)
        yield LARGE[-9:]

    assert kind(stored(directory, removing())) is ProblemKind.DISK


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_a_cancelled_download_has_no_name_and_no_open_file(directory: Path, body: bytes) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:

            async def stopped() -> AsyncIterator[bytes | Problem]:
                for chunk in in_chunks(body):
                    yield chunk
                tasks.cancel_scope.cancel()
                await anyio.sleep_forever()

            store, name = store_of(directory)
            await store.store(ArchiveStream(stopped(), None, NAME), store.stage(name, NAME, TAR_GZ))

    anyio.run(main)  # imports and worker threads are there from now on
    opened = len(list(OPEN_FILES.iterdir()))
    anyio.run(main)
    assert len(list(OPEN_FILES.iterdir())) == opened
    assert not (directory / NAME).exists()


def test_each_chunk_passes_the_throttle_before_the_next_is_asked_for(directory: Path) -> None:
    log: list[str] = []

    async def throttle(size: int) -> None:
        log.append(f"throttled {size}")

    def logged() -> Iterator[bytes]:
        for chunk in in_chunks(SMALL, 300):
            log.append(f"sent {len(chunk)}")
            yield chunk

    assert isinstance(stored(directory, logged(), throttle=throttle), Stored)
    sizes = [len(chunk) for chunk in in_chunks(SMALL, 300)]
    assert log == [line for size in sizes for line in (f"sent {size}", f"throttled {size}")]


def test_memory_does_not_grow_with_the_archive(directory: Path) -> None:
    info = tarfile.TarInfo("noise")
    info.size = 24 << 20
    squeeze = zlib.compressobj(0, wbits=31)

    def chunks() -> Iterator[bytes]:
        yield squeeze.compress(info.tobuf())
        for _ in range(24 * 16):
            yield squeeze.compress(os.urandom(1 << 16))
        yield squeeze.compress(bytes(1_024)) + squeeze.flush()

    tracemalloc.start()
    try:
        assert isinstance(stored(directory, chunks()), Stored)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("told", [True, False], ids=["with length", "without length"])
@pytest.mark.parametrize("tenth", range(1, 10))
@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_what_was_cut_is_gone_on_with(directory: Path, body: bytes, tenth: int, told: bool) -> None:
    cut = len(body) * tenth // 10
    overlap = min(cut - 1, 1_000)
    length = len(body) if told else None
    assert stored(directory, [*in_chunks(body[:cut]), CUT_OFF], length=length) is CUT_OFF
    rest = in_chunks(body[cut - overlap :])
    answer = stored(directory, rest, length=length, offset=cut - overlap)
    assert isinstance(answer, Stored)
    assert answer.sha256 == hashlib.sha256(body).hexdigest()
    assert (directory / NAME).read_bytes() == body
    assert part_of(directory) is None


def test_a_complete_part_needs_but_an_overlap_to_become_the_archive(directory: Path) -> None:
    stored(directory, [*in_chunks(LARGE), CUT_OFF])
    answer = stored(directory, [LARGE[-500:]], length=len(LARGE), offset=len(LARGE) - 500)
    assert isinstance(answer, Stored)
    assert (directory / NAME).read_bytes() == LARGE


def test_a_rest_that_does_not_overlap_as_it_should_is_another_archives(directory: Path) -> None:
    stored(directory, [*in_chunks(LARGE[:900_000]), CUT_OFF])
    other = bytearray(LARGE)
    other[899_990] ^= 1
    answer = stored(directory, in_chunks(bytes(other[899_000:])), offset=899_000)
    assert kind(answer) is ProblemKind.CHANGED
    assert not list(directory.iterdir())


def test_what_lies_there_is_hashed_anew_and_not_trusted(directory: Path) -> None:
    stored(directory, [*in_chunks(LARGE[:900_000]), CUT_OFF])
    part = directory / f"{NAME}.part"
    spoilt = bytearray(part.read_bytes())
    spoilt[500_000] ^= 1  # as a bad disk does it
    part.write_bytes(spoilt)
    answer = stored(directory, in_chunks(LARGE[899_000:]), length=len(LARGE), offset=899_000)
    assert kind(answer) is ProblemKind.INVALID_ARCHIVE
    assert not list(directory.iterdir())


def test_a_part_with_a_second_name_is_not_gone_on_with(directory: Path, tmp_path: Path) -> None:
    directory.mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_bytes(LARGE[:900_000])
    (directory / f"{NAME}.part").hardlink_to(victim)
    store, name = store_of(directory)

    async def main() -> int:
        staged = store.stage(name, NAME, TAR_GZ)
        here = await store.resume(staged)
        staged.close()
        return here

    assert anyio.run(main) == 0


def digests(body: bytes) -> list[Checksum]:
    return [
        Checksum(name, hashlib.new(name, body).hexdigest(), f"X-{name}")
        for name in ("md5", "sha1", "sha256", "sha512")
    ]


@pytest.mark.parametrize("given", digests(LARGE), ids=lambda given: given.algorithm)
@pytest.mark.parametrize("cut", [0, 900_000], ids=["whole", "gone on with"])
def test_a_checksum_that_the_service_gives_is_compared(
    directory: Path, given: Checksum, cut: int
) -> None:
    for right in (False, True):
        if cut:
            stored(directory, [*in_chunks(LARGE[:cut]), CUT_OFF])
        checksum = given if right else replace(given, digest="0" * len(given.digest))
        offset = max(0, cut - 100)
        answer = stored(directory, in_chunks(LARGE[offset:]), offset=offset, checksums=(checksum,))
        if right:
            assert isinstance(answer, Stored)
        else:
            assert kind(answer) is ProblemKind.INVALID_ARCHIVE
            assert isinstance(answer, Problem)
            assert f"X-{given.algorithm} says 000" in answer.message
            assert not list(directory.iterdir())


def test_an_archive_that_announces_more_than_is_allowed_is_not_begun(directory: Path) -> None:
    answer = stored(directory, [SMALL], length=1 << 60)
    assert kind(answer) is ProblemKind.TOO_LARGE
    assert not directory.exists()


def test_an_archive_that_does_not_fit_on_the_disk_is_refused_before_it_fills_it(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.mkdir(parents=True)
    free = shutil.disk_usage(directory).free
    answer = stored(directory, in_chunks(LARGE), length=free + (64 << 20))
    assert kind(answer) is ProblemKind.DISK
    assert isinstance(answer, Problem)
    assert answer.message.startswith(f"no room for {directory / NAME} on the disk at ")
    assert not list(directory.iterdir())


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_what_is_rejected_is_kept_whole_where_that_was_asked_for_and_only_there(
    directory: Path, body: bytes, kept: bool
) -> None:
    spoilt = bytearray(body)
    spoilt[len(spoilt) // 2] ^= 0xFF
    answer = stored(directory, in_chunks(bytes(spoilt)), policy=ArchivePolicy(keep_rejected=kept))
    assert kind(answer) is ProblemKind.INVALID_ARCHIVE
    rejected = directory / f"{NAME}.rejected"
    assert rejected.exists() == kept
    if kept:
        assert rejected.read_bytes() == spoilt
        assert isinstance(
            stored(directory, [body], policy=ArchivePolicy(keep_rejected=True)), Stored
        )
        assert [path.name for path in directory.iterdir()] == [NAME]


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_relaxed_durability_waits_for_no_disk(
    directory: Path, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    assert isinstance(
        stored(directory, in_chunks(body), policy=ArchivePolicy(durable=False)), Stored
    )
    assert synced == []
    assert (directory / NAME).read_bytes() == body
