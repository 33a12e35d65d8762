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
from typing import TYPE_CHECKING, Any

import pytest
from anyio.from_thread import start_blocking_portal

import collector
from collector.emulator import Emulator, Fault
from tests.archive.second_destination import BLOCK_BYTES, SqliteDestination
from tests.integration.drill import files_of, manifest_of, rows, scenario_of, server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = 3_000_000
RECORDS = {"journal.jsonl", "manifest.json", "SHA256SUMS", "members.jsonl.gz"}
SLOW = Fault("slow", bytes_per_s=1_000_000, times=1)


class Runs:
    """Runs of a fleet of three, one of which is slow at first, in processes of their own."""

    def __init__(self, home: Path, emulator: Emulator) -> None:
        self.emulator = emulator
        self.directory = home / "out" / "killed"
        self.database = home / "archives.db"
        self.destination = partial(SqliteDestination, database=self.database)
        (home / "fleet.json").write_text(json.dumps(emulator.inventory()))
        self._asked = {
            "inventory": str(home / "fleet.json"),
            "out": str(home / "out"),
            "database": str(self.database),
        }

    def start(self, **asked: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.integration.collecting"]
        environ = {"CLOUDDC_TOKEN": self.emulator.token, "PATH": ""}
        return subprocess.Popen(
            [*command, json.dumps(self._asked | asked)], stdout=subprocess.PIPE, env=environ
        )

    def run(self, **asked: str) -> dict[str, Any]:
        with self.start(**asked) as process:
            out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        summary: dict[str, Any] = json.loads(out)
        return summary

    def kill_in_the_middle_of_a_download(self) -> None:
        with self.start() as process:
            while self.staged_bytes() < SIZE // 3:
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)

    def staged_bytes(self) -> int:
        with contextlib.suppress(sqlite3.Error), self.sql() as connection:
            found = connection.execute(
                "SELECT sum(length(bytes)) FROM blocks, archives "
                "WHERE archive = number AND NOT committed AND path LIKE '%slow%'"
            )
            return found.fetchone()[0] or 0
        return 0

    @contextlib.contextmanager
    def sql(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.database)) as connection, connection:
            yield connection

    def verify(self) -> collector.Verification:
        return collector.verify(self.directory, destination=self.destination)


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    servers = [server("slow", SLOW), server(1), server(2)]
    emulator = Emulator(scenario_of(servers, archive_bytes=SIZE))
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(emulator):
        yield Runs(tmp_path, emulator)


def test_a_run_that_is_killed_in_a_download_is_resumed_and_whole(runs: Runs) -> None:
    runs.kill_in_the_middle_of_a_download()
    assert runs.staged_bytes() >= SIZE // 3
    assert runs.verify().ok
    summary = runs.run(resume=str(runs.directory))
    assert summary["totals"]["collected"] == 3

    found = rows(manifest_of(runs.directory))
    assert found["id-slow"]["archive"]["resumed"] == 1
    with contextlib.closing(runs.destination(runs.directory)) as destination:
        for server_id, row in found.items():
            kept = b"".join(bytes(piece) for piece in destination.read(row["archive"]["path"]))
            assert hashlib.sha256(kept).hexdigest() == runs.emulator.truth(server_id)["sha256"]
    verification = runs.verify()
    assert (verification.mismatches, verification.notes) == ((), ())
    assert (verification.archives, verification.bytes) == (3, summary["totals"]["bytes"])


def test_nothing_but_the_records_lies_in_the_run_directory(runs: Runs) -> None:
    runs.run()
    assert files_of(runs.directory) == RECORDS


def test_damage_at_the_destination_is_named_and_what_is_lost_is_collected_again(
    runs: Runs,
) -> None:
    runs.run()
    with runs.sql() as connection:
        connection.execute("UPDATE blocks SET bytes = zeroblob(?) WHERE start = 0", (BLOCK_BYTES,))
        connection.execute("INSERT INTO archives VALUES (99, 'killed', 'p/s/stranger', 1)")
    wrong = runs.verify().mismatches
    assert [one.what for one in wrong].count("sha256") == 3
    assert ("p/s/stranger", "unknown file") in [(one.path, one.what) for one in wrong]

    with runs.sql() as connection:
        connection.execute("DELETE FROM archives")
        connection.execute("DELETE FROM blocks")
    assert [one.what for one in runs.verify().mismatches] == ["missing"] * 3
    assert runs.run(resume=str(runs.directory))["totals"]["collected"] == 3
    assert runs.verify().ok


def test_members_that_a_kill_kept_from_being_listed_are_listed_from_the_destination(
    runs: Runs,
) -> None:
    runs.run()
    (runs.directory / "members.jsonl.gz").unlink()
    assert runs.verify().notes
    with (runs.directory / "journal.jsonl").open("rb+") as journal:  # as if its end was not written
        lines = journal.read().splitlines(keepends=True)
        journal.truncate(sum(map(len, lines[:-1])))
    runs.run(resume=str(runs.directory))
    assert (runs.verify().mismatches, runs.verify().notes) == ((), ())


def test_a_resume_that_cannot_ask_the_destination_changes_nothing(runs: Runs) -> None:
    runs.run()
    journal = (runs.directory / "journal.jsonl").read_bytes()
    runs.database.write_bytes(b"no database " * 100)
    terms = collector.Terms(destination=runs.destination)
    connect = collector.clouddc.connector(environ={"CLOUDDC_TOKEN": runs.emulator.token})
    with pytest.raises(collector.CollectorError, match="cannot look for the archives of"):
        collector.resume(runs.directory, connect, trust_journal=True, terms=terms)
    assert (runs.directory / "journal.jsonl").read_bytes() == journal
