"""The file: many runs read and write it at once, and none loses what another wrote."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from collector import files
from collector.errors import CollectorError
from collector.history import text
from collector.history.entries import (
    Remembered,
    better_founded,
    fresh,
    learned_by,
    merged,
    unrefuted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from collector.model.state import RunState

FILE = "learned.json"
LOCK = "learned.lock"
LARGEST_FILE = 4 << 20
LOCKED_WITHIN_S = 2.0
"""How long to wait for another run's writing; after that, the last writer wins."""
WITHOUT = "the run starts without limits learned earlier"


class DamagedMemory(CollectorError):  # noqa: N818  # a state of affairs, not a mishap of ours
    """The file cannot be understood; the run continues without it.

    Attributes:
        path: the file.
        is_newer: it was written by a newer version, and is left as it is.
    """

    def __init__(self, path: Path, what: str, *, is_newer: bool = False) -> None:
        self.path = path
        self.is_newer = is_newer
        super().__init__(f"{path} {what}; {WITHOUT}")


def load(directory: Path, now: datetime) -> Remembered:
    """Read what earlier runs have learned, without what is too old.

    Args:
        directory: the user's state directory, or another one.
        now: the UTC time.

    Raises:
        DamagedMemory: the file was not written by a collector.
        OSError: it cannot be read.
    """
    path = directory / FILE
    content = _content(path)
    if content is None:
        return Remembered()
    try:
        return fresh(text.read(content), now)
    except text.NewerVersionError as error:
        raise DamagedMemory(path, str(error), is_newer=True) from error
    except (ValueError, OverflowError) as error:  # a number or a year is too large
        raise DamagedMemory(path, "was not written by a collector") from error


def save(directory: Path, state: RunState, now: datetime) -> None:
    """Merge what a run has learned into the file, safely with other runs.

    Args:
        directory: created, 0700, if it is missing.
        state: of the run.
        now: the UTC time.

    Raises:
        OSError: it cannot be written.
    """
    own = learned_by(state)
    if own == Remembered():
        return
    files.make_directories(directory)
    with _locked(directory):
        try:
            there = load(directory, now)
        except DamagedMemory as error:
            if error.is_newer:
                return
            there = Remembered()
        both = Remembered(
            unrefuted(merged(there.limits, own.limits)),
            merged(there.exports_limits, own.exports_limits),
            merged(there.durations, better_founded(there.durations, own.durations)),
            merged(there.of_models, better_founded(there.of_models, own.of_models)),
        )
        _write(directory, fresh(both, now))


def _content(path: Path) -> bytes | None:
    """Read the file, if there is one."""
    try:
        return files.read_within(path, LARGEST_FILE)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        if os.path.lexists(path.parent):
            raise
        return None


def _write(directory: Path, found: Remembered) -> None:
    """Replace the file atomically."""
    descriptor, name = tempfile.mkstemp(dir=directory, prefix=f"{FILE}.", suffix=".part")
    files.keep_private(descriptor, 0o600)  # the umask may have removed even that
    unfinished = Path(name)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  # as above
            file.write(text.written(found))
            file.flush()
            files.sync(descriptor)
        files.rename(unfinished, directory / FILE)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Keep other runs from writing, if the file system has locks."""
    descriptor = files.open_to_lock(directory / LOCK)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            files.lock(descriptor, LOCKED_WITHIN_S)
        yield
    finally:
        os.close(descriptor)
