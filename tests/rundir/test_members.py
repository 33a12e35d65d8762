"""`members.jsonl.gz`: what is inside the archives that the journal names, whatever happened."""

from __future__ import annotations

import gzip
import json
import os
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint

from collector.errors import CollectorError
from collector.rundir.layout import MEMBERS
from collector.rundir.members import GATHERED_BYTES, Members, TornMembersError, count, lines

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ARCHIVES = {"web/a/x.tar.gz": 3, "web/b/x.tar.gz": 40, "db/c/x.tar.gz": 1}


def listing(path: str, members: int) -> bytes:
    rows = ({"archive": path, "name": f"log/{number}"} for number in range(members))
    return gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode(), mtime=0)


def listed(directory: Path) -> dict[str, int]:
    counts, torn = count(directory / MEMBERS)
    assert torn is None
    return dict(counts)


def append(members: Members, listings: Iterable[bytes]) -> None:
    for one in listings:
        members.add(one)
    anyio.run(members.flush)


def resumed(directory: Path, archives: dict[str, int]) -> list[str]:
    """Do what a resume does; the archives that were read once more."""
    members = Members(directory)
    unlisted = members.reconcile(archives)
    append(members, [listing(path, archives[path]) for path in unlisted])
    return unlisted


@pytest.fixture
def members(tmp_path: Path) -> Members:
    members = Members(tmp_path)
    append(members, [listing(path, number) for path, number in ARCHIVES.items()])
    return members


def test_what_was_added_is_appended_once(members: Members, tmp_path: Path) -> None:
    append(members, [])
    assert listed(tmp_path) == ARCHIVES
    assert (tmp_path / MEMBERS).stat().st_mode & 0o777 == 0o600


def test_much_is_appended_before_anybody_asks_for_it(tmp_path: Path) -> None:
    members = Members(tmp_path)
    failures: list[CollectorError] = []

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(members.keep, failures.append)
            for _ in range(2):
                members.add(b"x" * GATHERED_BYTES)
                while members.is_full:
                    await checkpoint()
            await members.flush()  # waits for the one under way
            tasks.cancel_scope.cancel()

    anyio.run(main)
    assert (tmp_path / MEMBERS).stat().st_size == 2 * GATHERED_BYTES


def test_nothing_is_lost_by_whoever_is_cancelled(tmp_path: Path) -> None:
    members = Members(tmp_path)

    async def main() -> None:
        for path, number in ARCHIVES.items():
            members.add(listing(path, number))
            with anyio.CancelScope() as scope:
                scope.cancel()
                await members.flush()
        await members.flush()

    anyio.run(main)
    assert listed(tmp_path) == ARCHIVES


def test_those_who_flush_at_once_append_each_archive_once(tmp_path: Path) -> None:
    members = Members(tmp_path)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for path, number in ARCHIVES.items():
                members.add(listing(path, number))
                tasks.start_soon(members.flush)

    anyio.run(main)
    assert listed(tmp_path) == ARCHIVES


def test_what_cannot_be_written_is_written_later(tmp_path: Path) -> None:
    members = Members(tmp_path)
    (tmp_path / MEMBERS).mkdir()
    with pytest.raises(CollectorError, match="cannot update"):
        append(members, [listing("web/a/x.tar.gz", 3)])
    (tmp_path / MEMBERS).rmdir()
    append(members, [listing("web/b/x.tar.gz", 40)])
    assert listed(tmp_path) == {"web/a/x.tar.gz": 3, "web/b/x.tar.gz": 40}


def test_a_write_that_fails_halfway_leaves_the_file_as_it_was(
    members: Members, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource")
    before = (tmp_path / MEMBERS).read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))
    try:
        with pytest.raises(CollectorError, match="cannot update"):
            append(members, [listing("web/d/x.tar.gz", 5)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / MEMBERS).read_bytes() == before
    append(members, [])
    assert listed(tmp_path) == ARCHIVES | {"web/d/x.tar.gz": 5}


def test_a_file_that_agrees_stays_as_it_is(members: Members, tmp_path: Path) -> None:
    before = (tmp_path / MEMBERS).stat()
    assert members.reconcile(ARCHIVES) == []
    after = (tmp_path / MEMBERS).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_one_that_only_lacks_archives_is_not_replaced(members: Members, tmp_path: Path) -> None:
    before = (tmp_path / MEMBERS).stat().st_ino
    assert members.reconcile(ARCHIVES | {"web/d/x.tar.gz": 5}) == ["web/d/x.tar.gz"]
    assert (tmp_path / MEMBERS).stat().st_ino == before


def test_cut_at_any_byte_it_is_made_whole_again(members: Members, tmp_path: Path) -> None:
    assert members.reconcile(ARCHIVES) == []
    whole = (tmp_path / MEMBERS).read_bytes()
    for cut in range(len(whole)):
        (tmp_path / MEMBERS).write_bytes(whole[:cut])
        resumed(tmp_path, ARCHIVES)
        assert listed(tmp_path) == ARCHIVES
        assert [path.name for path in tmp_path.iterdir()] == [MEMBERS]


def test_of_a_file_that_is_cut_only_the_last_archive_is_read_again(
    members: Members, tmp_path: Path
) -> None:
    assert members.reconcile(ARCHIVES) == []
    whole = (tmp_path / MEMBERS).read_bytes()
    (tmp_path / MEMBERS).write_bytes(whole[:-15])
    assert resumed(tmp_path, ARCHIVES) == ["db/c/x.tar.gz"]


def test_an_archive_that_is_gone_or_stands_twice_is_put_right(
    members: Members, tmp_path: Path
) -> None:
    append(members, [listing("web/a/x.tar.gz", 3), listing("web/gone/x.tar.gz", 2)])
    assert resumed(tmp_path, ARCHIVES) == ["web/a/x.tar.gz"]
    assert listed(tmp_path) == ARCHIVES


def test_what_a_killed_resume_left_unfinished_is_in_nobodys_way(
    members: Members, tmp_path: Path
) -> None:
    (tmp_path / f"{MEMBERS}.part").write_bytes(b"half")
    append(members, [listing("web/gone/x.tar.gz", 2)])
    assert resumed(tmp_path, ARCHIVES) == []
    assert [path.name for path in tmp_path.iterdir()] == [MEMBERS]


def test_a_run_without_archives_gets_no_file(tmp_path: Path) -> None:
    assert resumed(tmp_path, {}) == []
    assert not list(tmp_path.iterdir())


def test_a_run_that_has_none_is_to_list_all_its_archives(tmp_path: Path) -> None:
    assert resumed(tmp_path, ARCHIVES) == list(ARCHIVES)
    assert listed(tmp_path) == ARCHIVES


def test_a_planted_link_is_not_followed_and_a_resume_replaces_it(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(listing("web/a/x.tar.gz", 3))
    before = victim.read_bytes()
    (tmp_path / MEMBERS).symlink_to(victim)
    with pytest.raises(CollectorError, match="a link, which is not followed"):
        append(Members(tmp_path), [listing("web/a/x.tar.gz", 3)])
    assert resumed(tmp_path, ARCHIVES) == list(ARCHIVES)
    assert not (tmp_path / MEMBERS).is_symlink()
    assert victim.read_bytes() == before


def test_a_pipe_is_not_waited_at_and_a_resume_replaces_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / MEMBERS)
    with pytest.raises(CollectorError, match="cannot update"):
        append(Members(tmp_path), [listing("web/a/x.tar.gz", 3)])
    assert resumed(tmp_path, ARCHIVES) == list(ARCHIVES)
    assert listed(tmp_path) == ARCHIVES


@pytest.mark.parametrize(
    "spoilt",
    [
        b"no gzip",
        gzip.compress(b"no json\n", mtime=0),
        gzip.compress(b"{}\n", mtime=0),
        gzip.compress(b'{"archive":[]}\n', mtime=0),
        gzip.compress(b'{"archive":"no end"}', mtime=0),
        gzip.compress(b"[" * 60_000 + b"\n", mtime=0),
    ],
)
def test_what_is_no_list_of_members_is_told(tmp_path: Path, spoilt: bytes) -> None:
    (tmp_path / MEMBERS).write_bytes(spoilt)
    with pytest.raises(TornMembersError):
        list(lines(tmp_path / MEMBERS))


def test_what_could_not_be_appended_is_tried_again_before_more_gathers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.rundir.members.AGAIN_S", 0.01)
    members = Members(tmp_path)
    failures: list[CollectorError] = []
    (tmp_path / MEMBERS).mkdir()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(members.keep, failures.append)
            members.add(b"x" * GATHERED_BYTES)
            while not failures:
                await checkpoint()
            (tmp_path / MEMBERS).rmdir()
            while members.is_full:
                await checkpoint()
            await members.flush()
            tasks.cancel_scope.cancel()

    anyio.run(main)
    assert (tmp_path / MEMBERS).read_bytes() == b"x" * GATHERED_BYTES
