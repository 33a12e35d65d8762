"""`members.jsonl.gz`: what is inside the archives that the journal names, whatever happened."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from collector.run.layout import MEMBERS
from collector.run.members import Members, TornMembersError, lines

if TYPE_CHECKING:
    from pathlib import Path

ARCHIVES = {"web/a/x.tar.gz": 3, "web/b/x.tar.gz": 40, "db/c/x.tar.gz": 1}


def listing(path: str, count: int) -> bytes:
    rows = ({"archive": path, "name": f"log/{number}"} for number in range(count))
    return gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode(), mtime=0)


def read_anew(path: Path, name: str) -> bytes | None:
    assert path.name == "x.tar.gz"
    return listing(name, ARCHIVES[name])


def listed(directory: Path) -> dict[str, int]:
    counts: dict[str, int] = {}
    for archive, _ in lines(directory / MEMBERS):
        counts[archive] = counts.get(archive, 0) + 1
    return counts


@pytest.fixture
def members(tmp_path: Path) -> Members:
    members = Members(tmp_path)
    for path, count in ARCHIVES.items():
        members.add(listing(path, count))
    members.append(members.take())
    return members


def test_what_was_added_is_appended_once(members: Members, tmp_path: Path) -> None:
    members.append(members.take())
    assert listed(tmp_path) == ARCHIVES
    assert (tmp_path / MEMBERS).stat().st_mode & 0o777 == 0o600


def test_a_file_that_agrees_stays_as_it_is(members: Members, tmp_path: Path) -> None:
    before = (tmp_path / MEMBERS).stat()
    members.agree(ARCHIVES, read_anew)
    assert (tmp_path / MEMBERS).stat().st_ino == before.st_ino


def test_cut_at_any_byte_it_is_made_whole_again(members: Members, tmp_path: Path) -> None:
    whole = (tmp_path / MEMBERS).read_bytes()
    for cut in range(len(whole)):
        (tmp_path / MEMBERS).write_bytes(whole[:cut])
        members.agree(ARCHIVES, read_anew)
        assert listed(tmp_path) == ARCHIVES
        assert [path.name for path in tmp_path.iterdir()] == [MEMBERS]


def test_an_archive_that_is_gone_or_stands_twice_is_put_right(
    members: Members, tmp_path: Path
) -> None:
    members.append([listing("web/a/x.tar.gz", 3), listing("web/gone/x.tar.gz", 2)])
    members.agree(ARCHIVES, read_anew)
    assert listed(tmp_path) == ARCHIVES


def test_a_run_without_archives_gets_no_file(tmp_path: Path) -> None:
    Members(tmp_path).agree({}, read_anew)
    assert not list(tmp_path.iterdir())


def test_an_archive_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    def read_nothing(_path: Path, _name: str) -> None:
        return None

    Members(tmp_path).agree(ARCHIVES, read_nothing)
    assert listed(tmp_path) == {}


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / MEMBERS).symlink_to(victim)
    members = Members(tmp_path)
    members.add(listing("web/a/x.tar.gz", 3))
    with pytest.raises(OSError, match="symbolic"):
        members.append(members.take())
    assert victim.read_bytes() == b"precious"


@pytest.mark.parametrize(
    "spoilt", [b"no gzip", gzip.compress(b"no json\n"), gzip.compress(b"{}\n")]
)
def test_what_is_no_list_of_members_is_told(tmp_path: Path, spoilt: bytes) -> None:
    (tmp_path / MEMBERS).write_bytes(spoilt)
    with pytest.raises(TornMembersError):
        list(lines(tmp_path / MEMBERS))
