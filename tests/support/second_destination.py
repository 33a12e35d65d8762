"""A destination that is no directory: the archives of all runs in one SQLite database.

It is the example of docs/how-to/new-destination.md. An archive is a row of `archives`, and a row of
`blocks` for each 64 KiB. Bytes gather in memory until they fill a block, so a crash takes the last
of them: what `resume` finds may be less than what was appended.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import threading
from typing import TYPE_CHECKING

from collector.archive.names import PART

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from collector.archive.destination import Pieces, Steps

BLOCK_BYTES = 64 << 10

_SCHEMA = """
CREATE TABLE IF NOT EXISTS archives (
    number INTEGER PRIMARY KEY, run TEXT, path TEXT, committed INTEGER,
    UNIQUE (run, path, committed)
);
CREATE TABLE IF NOT EXISTS blocks (
    archive INTEGER REFERENCES archives ON DELETE CASCADE, start INTEGER, bytes BLOB,
    PRIMARY KEY (archive, start)
);
"""


class Database:
    """One connection, used by one thread at a time; it is made when it is first needed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Do several things, or none of them.

        Raises:
            OSError: the database refuses.
        """
        with self._turn:
            try:
                connection = self._connected()
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                number = errno.ENOSPC if "is full" in str(error) else errno.EIO
                raise OSError(number, str(error), str(self.path)) from error

    def sync(self) -> None:
        """Have what was written outlast a power cut: so far it was left to the system."""
        with self._turn:
            for path in (self.path, self.path.parent):
                descriptor = os.open(path, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def close(self) -> None:
        with self._turn:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA synchronous = OFF")
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._connection.executescript(_SCHEMA)
        return self._connection


class SqliteDestination:
    """Keeps the archives of one run in a database that other runs may use as well."""

    def __init__(self, run_directory: Path, *, database: Path) -> None:
        self._run = run_directory.name
        self._database = Database(database)

    def stage(self, path: str) -> SqliteFile:
        return SqliteFile(self._database, self._run, path)

    def size(self, path: str) -> int | None:
        with self._database.transaction() as connection:
            number = _number(connection, self._run, path, committed=True)
            return None if number is None else _end(connection, number)

    def read(self, path: str) -> Pieces:
        with self._database.transaction() as connection:
            number = _number(connection, self._run, path, committed=True)
        if number is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return _blocks(self._database, number, 0)

    def remove(self, path: str) -> None:
        with self._database.transaction() as connection:
            _remove(connection, self._run, path, committed=True)

    def entries(self) -> Iterator[str]:
        with self._database.transaction() as connection:
            found = connection.execute(
                "SELECT path, committed FROM archives WHERE run = ?", (self._run,)
            ).fetchall()
        return (path if committed else f"{path}{PART}" for path, committed in found)

    def room(self) -> int | None:
        return None

    def describe(self, path: str) -> str:
        return f"{self._run}/{path} in {self._database.path}"

    def close(self) -> None:
        self._database.close()


class SqliteFile:
    """One archive on its way into the database."""

    def __init__(self, database: Database, run: str, path: str) -> None:
        self._database = database
        self._run = run
        self._path = path
        self._number: int | None = None
        self._committed = False
        self._end = 0  # of what is in the database
        self._waiting: list[bytes] = []

    def resume(self) -> int:
        try:
            with self._database.transaction() as connection:
                self._number = _number(connection, self._run, self._path, committed=False)
                self._end = 0 if self._number is None else _end(connection, self._number)
        except OSError:
            self._number = None
        return 0 if self._number is None else self._end

    def read(self, offset: int = 0) -> Pieces:
        self._flush()
        if self._number is not None:
            yield from _blocks(self._database, self._number, offset)

    def append(self, pieces: Sequence[bytes]) -> None:
        if self._number is None:
            with self._database.transaction() as connection:
                self._number = _make(connection, self._run, self._path)
        self._waiting += pieces
        if sum(map(len, self._waiting)) >= BLOCK_BYTES:
            self._flush()

    def commit(self, path: str, *, durable: bool) -> Steps[None]:
        self._flush()
        yield ()
        with self._database.transaction() as connection:
            if self._number is None:
                raise FileNotFoundError(errno.ENOENT, "nothing is staged", self._path)
            _remove(connection, self._run, path, committed=True)
            connection.execute(
                "UPDATE archives SET path = ?, committed = 1 WHERE number = ?", (path, self._number)
            )
        self._path, self._committed = path, True
        if durable:
            yield [self._database.sync]

    def discard(self) -> None:
        self.close()
        with contextlib.suppress(OSError), self._database.transaction() as connection:
            _remove(connection, self._run, self._path, committed=self._committed)

    def close(self) -> None:
        self._waiting.clear()

    def _flush(self) -> None:
        waiting, self._waiting = b"".join(self._waiting), []
        if not waiting:
            return
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT INTO blocks VALUES (?, ?, ?)",
                (
                    (self._number, self._end + start, waiting[start : start + BLOCK_BYTES])
                    for start in range(0, len(waiting), BLOCK_BYTES)
                ),
            )
        self._end += len(waiting)


def _number(connection: sqlite3.Connection, run: str, path: str, *, committed: bool) -> int | None:
    found = connection.execute(
        "SELECT number FROM archives WHERE run = ? AND path = ? AND committed = ?",
        (run, path, committed),
    ).fetchone()
    return None if found is None else int(found[0])


def _make(connection: sqlite3.Connection, run: str, path: str) -> int:
    _remove(connection, run, path, committed=False)
    made = connection.execute(
        "INSERT INTO archives (run, path, committed) VALUES (?, ?, 0)", (run, path)
    )
    assert made.lastrowid is not None
    return made.lastrowid


def _remove(connection: sqlite3.Connection, run: str, path: str, *, committed: bool) -> None:
    connection.execute(
        "DELETE FROM archives WHERE run = ? AND path = ? AND committed = ?", (run, path, committed)
    )


def _end(connection: sqlite3.Connection, number: int) -> int:
    found = connection.execute(
        "SELECT coalesce(sum(length(bytes)), 0) FROM blocks WHERE archive = ?", (number,)
    ).fetchone()
    return int(found[0])


def _blocks(database: Database, number: int, offset: int) -> Pieces:
    """Read an archive's blocks one by one, so that others have their turns between."""
    while True:
        with database.transaction() as connection:
            found = connection.execute(
                "SELECT start, bytes FROM blocks WHERE archive = ? AND start + length(bytes) > ? "
                "ORDER BY start LIMIT 1",
                (number, offset),
            ).fetchone()
        if found is None:
            return
        start, block = found
        yield block[offset - start :]
        offset = start + len(block)
