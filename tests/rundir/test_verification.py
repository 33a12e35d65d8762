from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from collector.archive.examination import StoredArchives
from collector.archive.local import LocalDirectory
from collector.archive.targz import TAR_GZ
from collector.errors import CollectorError
from collector.model import events as e
from collector.model.state import RunState, apply
from collector.rundir import manifest
from collector.rundir.journal.journal import Journal
from collector.rundir.layout import MEMBERS
from collector.rundir.members import Members
from collector.rundir.verification import Mismatch, verify

if TYPE_CHECKING:
    from pathlib import Path

AT = "2026-11-23T08:41:03Z"
SERVERS = 3

STARTED = e.RunStarted(
    at=AT,
    schema_version=1,
    run_id="run-1",
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
PROJECT = e.ProjectSelected(
    at=AT,
    project=0,
    id="p0",
    name="web",
    endpoint="https://clouddc.example.com",
    credential="ops",
    directory="web",
    requests_per_second=None,
    exports_in_flight=None,
    share=0.95,
)
ENDED = e.RunEnded(at=AT, reason="finished")


def archive(text: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        info = tarfile.TarInfo("var/log/messages")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    return packed.getvalue()


def path_of(server: int) -> str:
    return f"web/bms-{server}/SN-dump.tar.gz"


def stored(server: int, content: bytes) -> list[e.Event]:
    return [
        e.ExportRequested(at=AT, server=server),
        e.ExportStarted(at=AT, server=server, export_id="1"),
        e.ExportCompleted(at=AT, server=server, polls=1),
        e.ArchiveStored(
            at=AT,
            server=server,
            path=path_of(server),
            file_name="SN-dump.tar.gz",
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            members=1,
            covers_from=None,
            covers_to=None,
        ),
    ]


@dataclass
class Run:
    """A run on disk, as a collect leaves it."""

    directory: Path

    def write(self, events: list[e.Event], *, manifest_of: int | None = None) -> None:
        """Record events, with a manifest as of the first `manifest_of` (default: all) of them."""
        state = RunState()
        journal = Journal.create(self.directory / "journal.jsonl")

        async def record() -> None:
            for number, event in enumerate(events, start=1):
                await journal.record([event])
                apply(state, event)
                if number == (len(events) if manifest_of is None else manifest_of):
                    manifest.write(state, self.directory, lines=journal.lines, head=journal.head)
            members = Members(self.directory)
            archives = StoredArchives(LocalDirectory(self.directory), lambda _: TAR_GZ)
            for path in [row.archive.path for row in state.servers if row.archive]:
                if (listing := archives.list_again(path)) is not None:
                    members.add(listing)
            await members.flush()

        with journal:
            anyio.run(record)

    def store(self, server: int) -> list[e.Event]:
        path = self.directory / path_of(server)
        path.parent.mkdir(parents=True)
        path.write_bytes(archive(b"%d logs\n" % server * 100))
        return stored(server, path.read_bytes())

    def edit_manifest(self, old: str, new: str) -> None:
        path = self.directory / "manifest.json"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    def mismatches(self) -> set[tuple[str, str]]:
        return {(mismatch.path, mismatch.what) for mismatch in verify(self.directory).mismatches}


def selection() -> list[e.Event]:
    servers = [
        e.ServerSelected(
            at=AT,
            server=server,
            project=0,
            id=f"id-{server}",
            name=f"bms-{server}",
            tags={},
            directory=f"web/bms-{server}",
            first=False,
        )
        for server in range(SERVERS)
    ]
    return [STARTED, PROJECT, *servers, e.SelectionEnded(at=AT, servers=SERVERS)]


def collected(run: Run) -> list[e.Event]:
    return [*selection(), *(event for server in range(SERVERS) for event in run.store(server))]


@pytest.fixture
def empty(tmp_path: Path) -> Run:
    return Run(tmp_path)


@pytest.fixture
def run(empty: Run) -> Run:
    """A run that collected all of its three servers."""
    empty.write([*collected(empty), ENDED])
    return empty


@pytest.fixture
def killed(empty: Run) -> Run:
    """A run that was killed after its third archive, with a manifest from before the second."""
    events = collected(empty)
    empty.write(events, manifest_of=len(events) - 8)
    return empty


def test_a_run_that_is_whole_is_ok(run: Run) -> None:
    found = verify(run.directory)
    assert found.ok
    assert (found.mismatches, found.notes) == ((), ())
    assert found.archives == SERVERS
    assert found.bytes == sum(
        (run.directory / path_of(server)).stat().st_size for server in range(SERVERS)
    )


def test_latest_is_verified_as_the_run_it_names(run: Run, tmp_path: Path) -> None:
    link = tmp_path.with_name(f"{tmp_path.name}-latest")
    link.symlink_to(run.directory)
    assert verify(link).ok


def test_nothing_is_changed_by_verifying(killed: Run) -> None:
    def contents() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in killed.directory.rglob("*") if path.is_file()}

    before = contents()
    verify(killed.directory)
    assert contents() == before


# Archives


def test_a_changed_byte_of_an_archive_is_told(run: Run) -> None:
    path = run.directory / path_of(1)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    assert run.mismatches() == {(path_of(1), "archive"), (path_of(1), "sha256")}
    assert verify(run.directory).archives == SERVERS - 1


def test_another_whole_archive_in_its_place_is_told_with_both_hashes(run: Run) -> None:
    path = run.directory / path_of(1)
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    other = archive(b"other")
    path.write_bytes(other)
    assert (
        Mismatch(path_of(1), "sha256", before, hashlib.sha256(other).hexdigest())
        in verify(run.directory).mismatches
    )
    assert (path_of(1), "bytes") in run.mismatches()


def test_a_cut_archive_is_told(run: Run) -> None:
    path = run.directory / path_of(2)
    path.write_bytes(path.read_bytes()[:-1])
    assert run.mismatches() == {
        (path_of(2), "archive"),
        (path_of(2), "bytes"),
        (path_of(2), "sha256"),
    }


def test_an_archive_whose_tar_has_no_end_is_told_whatever_its_hash(empty: Run) -> None:
    events = collected(empty)
    content = gzip.compress(b"no tar" * 200)
    (empty.directory / path_of(0)).write_bytes(content)
    events[6:10] = stored(0, content)
    empty.write([*events, ENDED])
    assert empty.mismatches() == {(path_of(0), "archive")}


def test_another_number_of_members_is_told(empty: Run) -> None:
    events = collected(empty)
    last = events[-1]
    assert isinstance(last, e.ArchiveStored)
    events[-1] = replace(last, members=9)
    empty.write([*events, ENDED])
    assert verify(empty.directory).mismatches == (Mismatch(path_of(2), "members", 9, 1),)


def test_a_missing_archive_is_told(run: Run) -> None:
    (run.directory / path_of(0)).unlink()
    assert run.mismatches() == {(path_of(0), "missing")}


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads whatever it likes")
def test_an_archive_that_cannot_be_read_is_told(run: Run) -> None:
    (run.directory / path_of(0)).chmod(0)
    assert run.mismatches() == {(path_of(0), "unreadable")}


# The tree


def test_a_file_that_no_record_names_is_told(run: Run) -> None:
    (run.directory / "web" / "bms-0" / "stranger").touch()
    (run.directory / ".hidden").touch()
    assert run.mismatches() == {("web/bms-0/stranger", "unknown file"), (".hidden", "unknown file")}


def test_an_archive_behind_a_link_is_not_followed(run: Run, tmp_path: Path) -> None:
    path = run.directory / path_of(0)
    elsewhere = tmp_path.with_name(f"{tmp_path.name}-elsewhere")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    assert run.mismatches() == {(path_of(0), "link"), (path_of(0), "missing")}


def test_a_directory_behind_a_link_is_not_followed(run: Run, tmp_path: Path) -> None:
    server = run.directory / "web" / "bms-0"
    elsewhere = tmp_path.with_name(f"{tmp_path.name}-elsewhere")
    server.rename(elsewhere)
    server.symlink_to(elsewhere)
    assert run.mismatches() == {("web/bms-0", "link"), (path_of(0), "missing")}


def test_a_pipe_is_told_and_not_opened(run: Run) -> None:
    path = run.directory / path_of(0)
    path.unlink()
    os.mkfifo(path)
    assert run.mismatches() == {(path_of(0), "special file"), (path_of(0), "missing")}


def test_an_unfinished_file_is_a_note(run: Run) -> None:
    (run.directory / "web" / "bms-0" / "x.tar.gz.part").touch()
    found = verify(run.directory)
    assert found.ok
    assert "x.tar.gz.part is unfinished" in found.notes[0]


# The list of members


def test_a_list_of_members_that_lacks_an_archive_or_has_a_strange_one_is_told(run: Run) -> None:
    write_members(run, {path_of(0): 1, path_of(2): 2, "web/other.tar.gz": 1})
    assert run.mismatches() == {
        (MEMBERS, f"members of {path_of(1)}"),
        (MEMBERS, f"members of {path_of(2)}"),
        (MEMBERS, "members of web/other.tar.gz"),
    }


@pytest.mark.parametrize(
    "spoilt",
    [
        b"no gzip",
        gzip.compress(b'{"archive":[]}\n', mtime=0),
        gzip.compress(b'{"archive":5}\n', mtime=0),
        gzip.compress(b"[" * 60_000 + b"\n", mtime=0),
        gzip.compress(b'{"archive":"web/bms-0/SN-dump.tar.gz"}', mtime=0),
    ],
)
def test_a_list_of_members_that_is_none_is_told(run: Run, spoilt: bytes) -> None:
    (run.directory / MEMBERS).write_bytes(spoilt)
    assert run.mismatches() == {(MEMBERS, "gzip")}


def test_a_list_of_members_that_is_cut_at_any_byte_is_told(run: Run) -> None:
    whole = (run.directory / MEMBERS).read_bytes()
    for size in range(0, len(whole), 7):
        (run.directory / MEMBERS).write_bytes(whole[:size])
        assert {path for path, _ in run.mismatches()} == {MEMBERS}


def test_a_list_of_members_that_is_a_pipe_or_a_link_is_not_opened(run: Run) -> None:
    path = run.directory / MEMBERS
    path.unlink()
    os.mkfifo(path)
    assert run.mismatches() == {(MEMBERS, "special file")}
    path.unlink()
    path.symlink_to("/dev/zero")
    assert run.mismatches() == {(MEMBERS, "link")}


def test_a_run_of_a_version_that_listed_no_members_is_ok(run: Run) -> None:
    (run.directory / MEMBERS).unlink()
    found = verify(run.directory)
    assert found.ok
    assert "are not listed" in found.notes[0]


def test_a_killed_run_whose_list_of_members_is_cut_at_any_byte_lags(killed: Run) -> None:
    whole = (killed.directory / MEMBERS).read_bytes()
    for size in range(0, len(whole), 7):
        (killed.directory / MEMBERS).write_bytes(whole[:size])
        found = verify(killed.directory)
        assert found.ok
        assert any(note.startswith(f"{MEMBERS} is behind") for note in found.notes)


def test_a_list_of_members_never_leads_the_journal_of_a_killed_run(killed: Run) -> None:
    write_members(killed, {path_of(server): 1 for server in range(SERVERS)} | {"web/x/y": 1})
    assert killed.mismatches() == {(MEMBERS, "members of web/x/y")}


def test_a_run_left_for_a_resume_may_lack_members_and_a_finished_one_may_not(empty: Run) -> None:
    events = [*selection(), *empty.store(0), replace(ENDED, reason="stopped")]
    empty.write(events)
    write_members(empty, {})
    found = verify(empty.directory)
    assert found.ok
    assert "is behind" in found.notes[0]


def write_members(run: Run, counts: dict[str, int]) -> None:
    """List so many members of each archive."""
    text = "".join(
        json.dumps({"archive": path}) + "\n" for path in counts for _ in range(counts[path])
    )
    (run.directory / MEMBERS).write_bytes(gzip.compress(text.encode()))


# Records of a run that ended


def test_a_missing_record_is_told(run: Run) -> None:
    for name in ("manifest.json", "SHA256SUMS", "journal.jsonl"):
        copy = run.directory.with_name(f"{run.directory.name}-{name}")
        shutil.copytree(run.directory, copy)
        (copy / name).unlink()
        assert Run(copy).mismatches() == {(name, "missing")}


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('"state": "complete"', '"state": "failed"', "run.state"),
        ('"collected": 3', '"collected": 2', "totals.collected"),
        ('"name": "bms-1"', '"name": "bms-9"', "projects[p0 at URL].servers[id-1].name"),
        ('"id": "id-2"', '"id": "id-7"', "projects[p0 at URL].servers[id-2]"),
        ('"id": "id-2"', '"id": "id-1"', "projects[p0 at URL].servers[id-1]"),
        ('"members": 1', '"members": true', "projects[p0 at URL].servers[id-0].archive.members"),
        ('"lines": 19', '"lines": 18', "run.journal.lines"),
        ('"schema_version": 1', '"schema_version": 1, "more": 2', "more"),
    ],
)
def test_a_manifest_that_says_otherwise_than_the_journal_is_told_with_the_place(
    run: Run, old: str, new: str, what: str
) -> None:
    run.edit_manifest(old, new)
    assert ("manifest.json", what.replace("URL", PROJECT.endpoint)) in run.mismatches()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "[" * 100_000, '{"projects": [{"servers": 3}]}']
)
def test_a_manifest_that_is_none_is_told(run: Run, content: str) -> None:
    (run.directory / "manifest.json").write_text(content)
    assert {path for path, _ in run.mismatches()} == {"manifest.json"}


def test_a_checksum_that_is_changed_missing_or_too_much_is_told(run: Run) -> None:
    sums = run.directory / "SHA256SUMS"
    first, second, third = sums.read_text().splitlines()
    other = f"{'0' * 64}  web/other.tar.gz"
    sums.write_text("\n".join([f"{'1' * 64}{first[64:]}", third, other, ""]))
    assert second
    assert run.mismatches() == {
        ("SHA256SUMS", path_of(0)),
        ("SHA256SUMS", path_of(1)),
        ("SHA256SUMS", "web/other.tar.gz"),
    }


def test_a_line_that_is_no_checksum_is_told(run: Run) -> None:
    sums = run.directory / "SHA256SUMS"
    text = sums.read_text()
    sums.write_text(text + text.splitlines()[0] + "\nnonsense\n")
    assert [mismatch.what for mismatch in verify(run.directory).mismatches] == ["line", "line"]


def test_a_changed_journal_is_told_by_its_line_and_the_archives_are_checked_all_the_same(
    run: Run,
) -> None:
    path = run.directory / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"export_id":"1"', b'"export_id":"2"', 1))
    found = verify(run.directory)
    assert [(mismatch.path, mismatch.what) for mismatch in found.mismatches] == [
        ("journal.jsonl", "line 8")
    ]
    assert found.archives == SERVERS
    assert "could be checked against it" in found.notes[0]


def test_a_journal_with_something_after_its_end_is_told(run: Run) -> None:
    with (run.directory / "journal.jsonl").open("a") as journal:
        journal.write('{"event":')
    assert run.mismatches() == {("journal.jsonl", "line 20")}


def test_a_journal_that_speaks_of_nobody_is_told(empty: Run) -> None:
    journal = Journal.create(empty.directory / "journal.jsonl")
    anyio.run(journal.record, [STARTED, e.ExportRequested(at=AT, server=5)])
    journal.close()
    assert ("journal.jsonl", "line 2") in empty.mismatches()


def test_a_path_that_leads_outside_is_not_followed(empty: Run, tmp_path: Path) -> None:
    outside = tmp_path.with_name(f"{tmp_path.name}-outside.tar.gz")
    outside.write_bytes(archive(b"secret"))
    events = collected(empty)
    last = events[-1]
    assert isinstance(last, e.ArchiveStored)
    events[-1] = replace(last, path=f"../{outside.name}")
    empty.write([*events, ENDED])
    assert (f"../{outside.name}", "missing") in empty.mismatches()


# Runs that did not end


def test_a_killed_run_that_lags_has_notes_and_no_mismatches(killed: Run) -> None:
    found = verify(killed.directory)
    assert found.mismatches == ()
    assert found.archives == SERVERS
    assert found.notes[:2] == (
        "the run was killed: manifest.json is behind the journal (line 10 of 18)",
        "the run was killed: SHA256SUMS is behind the journal (1 of 3 archives)",
    )


def test_a_run_killed_before_its_first_manifest_is_no_mismatch(killed: Run) -> None:
    (killed.directory / "manifest.json").unlink()
    (killed.directory / "SHA256SUMS").unlink()
    assert verify(killed.directory).ok


def test_a_run_killed_before_its_first_line_is_no_mismatch(empty: Run) -> None:
    (empty.directory / "journal.jsonl").touch()
    assert verify(empty.directory).ok


def test_a_running_run_is_checked_as_far_as_it_is(killed: Run) -> None:
    journal, _ = Journal.resume(killed.directory / "journal.jsonl")
    with journal:
        found = verify(killed.directory)
    assert found.ok
    assert "the run is running" in found.notes[0]


def test_a_torn_last_line_of_a_killed_run_is_a_note(killed: Run) -> None:
    with (killed.directory / "journal.jsonl").open("a") as journal:
        journal.write('{"event":"Expo')
    found = verify(killed.directory)
    assert found.ok
    assert "line 19 is unfinished" in found.notes[0]


def test_an_archive_that_a_kill_kept_from_being_recorded_is_a_note(empty: Run) -> None:
    events = [*selection(), *empty.store(0)]
    empty.write(events[:-1])
    found = verify(empty.directory)
    assert found.ok
    assert any("was not recorded" in note for note in found.notes)


def test_an_ended_run_must_not_lag(empty: Run) -> None:
    events = [*collected(empty), ENDED]
    empty.write(events, manifest_of=len(events) - 8)
    found = empty.mismatches()
    assert ("manifest.json", "run.state") in found
    assert ("SHA256SUMS", path_of(2)) in found


def test_a_manifest_that_leads_its_journal_is_told(killed: Run) -> None:
    journal = killed.directory / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:8]))
    assert killed.mismatches() == {
        ("manifest.json", "run.journal.lines"),
        ("manifest.json", f"archive {path_of(0)}"),
        ("SHA256SUMS", path_of(0)),
        *((MEMBERS, f"members of {path_of(server)}") for server in range(SERVERS)),
    }


def test_another_head_in_a_killed_runs_manifest_is_told(killed: Run) -> None:
    document: dict[str, Any] = json.loads((killed.directory / "manifest.json").read_text())
    head = document["run"]["journal"]["head"]
    killed.edit_manifest(head, "f" * 64)
    assert verify(killed.directory).mismatches == (
        Mismatch("manifest.json", "run.journal.head", head, "f" * 64),
    )


def test_what_is_no_run_is_an_error_and_no_mismatch(tmp_path: Path) -> None:
    with pytest.raises(CollectorError, match="is not a run directory"):
        verify(tmp_path)


def test_a_manifest_of_before_there_were_estimates_agrees_with_its_journal(run: Run) -> None:
    path = run.directory / "manifest.json"
    document = json.loads(path.read_bytes())
    assert document["run"].pop("estimate") is None
    path.write_text(json.dumps(document))
    assert verify(run.directory).ok
