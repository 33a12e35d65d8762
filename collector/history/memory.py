"""A run's access to what is remembered."""

from __future__ import annotations

import errno
import logging
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from collector.history.entries import Remembered
from collector.history.file import FILE, WITHOUT, DamagedMemory, load, save

if TYPE_CHECKING:
    from pathlib import Path

    from collector.model.state import RunState

_ODD = (errno.EINVAL, errno.ELOOP, errno.EISDIR, errno.EEXIST, errno.EMLINK)
_log = logging.getLogger(__name__)


class Memory:
    """A run's access to what is remembered; problems are reported once.

    Args:
        directory: where it is kept; None to remember nothing.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def recall(self) -> Remembered:
        """Return what earlier runs have learned, if it can be read. For a worker thread."""
        if self._directory is None:
            return Remembered()
        try:
            return load(self._directory, datetime.now(UTC))
        except DamagedMemory as error:
            _log.warning(str(error))
        except OSError as error:
            directory, self._directory = self._directory, None
            path = directory / FILE
            # A directory closed to this user was never theirs; an existing file was.
            there = os.path.lexists(path) or isinstance(error, NotADirectoryError)
            log = _log.warning if there else _log.info
            log(f"cannot read {path}: {error.strerror}; {WITHOUT}")
        return Remembered()

    def keep(self, state: RunState) -> None:
        """Keep what a run has learned, if possible. For a worker thread."""
        if self._directory is None:
            return
        try:
            save(self._directory, state, datetime.now(UTC))
        except OSError as error:
            path = error.filename or self._directory / FILE
            # An unwritable directory is no surprise; one with something odd in it is.
            log = _log.warning if error.errno in _ODD else _log.info
            log(
                f"cannot write {path}: {error.strerror}; the next run will have to learn the "
                "service's limits again"
            )
