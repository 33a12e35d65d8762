"""A run whose archives are kept elsewhere collects, is killed, resumes and verifies."""

from __future__ import annotations

import contextlib
import hashlib
import json
import signal
import sqlite3
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.from_thread import start_blocking_portal

import collector
from collector.emulator import Emulator, Fault
from tests.support.drill import (
    access_to,
    begin,
    collected,
    files_of,
    follow,
    manifest_of,
    rows,
    scenario_of,
    server,
    servers,
)
from tests.support.second_destination import BLOCK_BYTES, SqliteDestination

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("impatient")

SIZE = 2_000_000
RECORDS = {"journal.jsonl", "manifest.json", "SHA256SUMS", "members.jsonl.gz", "report.html"}


class Store:
    """The database that the runs of a test collect to."""

    def __init__(self, home: Path) -> None:
        self.database = home / "archives.db"
        self.destination = partial(SqliteDestination, database=self.database)
        self.terms = collector.Terms(destination=self.destination)

    @contextlib.contextmanager
    def sql(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.database)) as connection, connection:
            yield connection

    def staged_bytes(self) -> int:
        with contextlib.suppress(sqlite3.Error), self.sql() as connection:
            found = connection.execute(
                "SELECT sum(length(bytes)) FROM blocks, archives "
                "WHERE archive = number AND NOT committed AND path LIKE '%slow%'"
            )
            return found.fetchone()[0] or 0
        return 0

    def verify(self, directory: Path) -> collector.Verification:
        return collector.verify(directory, destination=self.destination)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def collected_changed_and_resumed(store: Store, out: Path, change: Callable[[Path], None]) -> Path:
    """Collect from two servers, change what that has left, and resume; the run's directory."""

    async def main() -> Path:
        async with Emulator(scenario_of(servers(2), archive_bytes=100_000)) as emulator:
            run = begin(emulator, out, terms=store.terms)
            await follow(run)
            change(run.directory)
            access = access_to(emulator)
            again = collector.resume(
                run.directory, trust_journal=True, terms=store.terms, access=access
            )
            await follow(again)
            return run.directory

    return anyio.run(main)


def test_a_run_that_is_killed_in_a_download_is_resumed_and_whole(
    store: Store, tmp_path: Path
) -> None:
    slow = Fault("slow", bytes_per_s=1_000_000, times=1)
    emulator = Emulator(scenario_of([server("slow", slow), *servers(2)], archive_bytes=SIZE))
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(emulator):
        (tmp_path / "fleet.json").write_text(json.dumps(emulator.inventory()))
        directory = tmp_path / "out" / "killed"

        def start(**asked: str) -> subprocess.Popen[bytes]:
            asked |= {"database": str(store.database)}
            command = [sys.executable, "-m", "tests.support.collecting", json.dumps(asked)]
            return subprocess.Popen(command, env={"CLOUDDC_TOKEN": emulator.token})

        with start(inventory=str(tmp_path / "fleet.json"), out=str(directory.parent)) as process:
            while store.staged_bytes() < SIZE // 3:
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
        assert store.staged_bytes() >= SIZE // 3
        assert store.verify(directory).ok
        with start(resume=str(directory)) as process:
            assert process.wait(timeout=60) == 0
        truth = {server_id: emulator.truth(server_id) for server_id in ("id-slow", "id-0", "id-1")}

    found = rows(manifest_of(directory))
    assert found["id-slow"]["archive"]["resumed"] == 1
    with contextlib.closing(store.destination(directory)) as destination:
        for server_id, row in found.items():
            kept = b"".join(bytes(piece) for piece in destination.read(row["archive"]["path"]))
            assert hashlib.sha256(kept).hexdigest() == truth[server_id]["sha256"]
    verification = store.verify(directory)
    assert (verification.mismatches, verification.notes) == ((), ())
    assert verification.archives == 3
    assert files_of(directory) == RECORDS


def test_a_download_that_is_cut_is_continued_at_the_destination(
    store: Store, tmp_path: Path
) -> None:
    cut = server("cut", Fault("cut", at=0.5, times=1))
    run = anyio.run(
        partial(collected, scenario_of([cut], archive_bytes=SIZE), tmp_path, terms=store.terms)
    )
    assert run.rows["id-cut"]["archive"]["resumed"] == 1
    assert store.verify(run.directory).ok


def test_what_a_server_that_fails_has_staged_is_discarded(store: Store, tmp_path: Path) -> None:
    cut = server("cut", Fault("cut", at=0.5))
    terms = collector.Terms(max_attempts=2, destination=store.destination)
    run = anyio.run(
        partial(collected, scenario_of([cut], archive_bytes=SIZE), tmp_path, terms=terms)
    )
    assert run.rows["id-cut"]["state"] == "failed"
    with contextlib.closing(store.destination(run.directory)) as destination:
        assert list(destination.entries()) == []


def test_what_is_lost_at_the_destination_is_collected_again(store: Store, tmp_path: Path) -> None:
    def lose(directory: Path) -> None:
        with store.sql() as connection:
            connection.execute("DELETE FROM archives")
            connection.execute("DELETE FROM blocks")
        assert [one.what for one in store.verify(directory).mismatches] == ["missing"] * 2

    directory = collected_changed_and_resumed(store, tmp_path, lose)
    found = store.verify(directory)
    assert (found.mismatches, found.archives) == ((), 2)


def test_damage_at_the_destination_is_named(store: Store, tmp_path: Path) -> None:
    def damage(directory: Path) -> None:
        with store.sql() as connection:
            connection.execute(
                "UPDATE blocks SET bytes = zeroblob(?) WHERE start = 0", (BLOCK_BYTES,)
            )
            connection.execute(
                "INSERT INTO archives VALUES (99, ?, 'p/s/stranger', 1)", (directory.name,)
            )
        wrong = [(one.path, one.what) for one in store.verify(directory).mismatches]
        assert [what for _, what in wrong].count("sha256") == 2
        assert ("p/s/stranger", "unknown file") in wrong

    collected_changed_and_resumed(store, tmp_path, damage)


def test_members_that_a_kill_kept_from_being_listed_are_listed_from_the_destination(
    store: Store, tmp_path: Path
) -> None:
    def forget(directory: Path) -> None:
        (directory / "members.jsonl.gz").unlink()
        with (directory / "journal.jsonl").open("rb+") as journal:  # as if its end was not written
            lines = journal.read().splitlines(keepends=True)
            journal.truncate(sum(map(len, lines[:-1])))
        assert store.verify(directory).notes

    found = store.verify(collected_changed_and_resumed(store, tmp_path, forget))
    assert (found.mismatches, found.notes) == ((), ())


def test_a_resume_that_cannot_ask_the_destination_changes_nothing(
    store: Store, tmp_path: Path
) -> None:
    def break_and_resume(directory: Path) -> None:
        journal = (directory / "journal.jsonl").read_bytes()
        whole = store.database.read_bytes()
        store.database.write_bytes(b"no database " * 100)
        access = collector.Access(environ={"CLOUDDC_TOKEN": "unused"})
        with pytest.raises(collector.CollectorError, match="cannot look for the archives of"):
            collector.resume(directory, trust_journal=True, terms=store.terms, access=access)
        assert (directory / "journal.jsonl").read_bytes() == journal
        store.database.write_bytes(whole)

    collected_changed_and_resumed(store, tmp_path, break_and_resume)
