"""Repair of a damaged journal: kept under another name; the run continues from its valid part."""

from __future__ import annotations

import contextlib
import hashlib
import os
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from collector import files
from collector.archive.names import PART
from collector.errors import CollectorError
from collector.model.events import JournalRepaired
from collector.rundir import lock
from collector.rundir.journal.lines import encode
from collector.rundir.layout import MANIFEST, SHA256SUMS

if TYPE_CHECKING:
    from pathlib import Path

    from collector.rundir.journal.reading import Reading

DAMAGED = "journal.damaged-{}.jsonl"
_ANEW = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL
_BLOCK = 1 << 20
LARGEST_BYTES = 4 << 30
"""A journal of a million servers is smaller."""


class Repaired(NamedTuple):
    """The descriptor of the new journal, locked, and the event that records the repair."""

    descriptor: int
    event: JournalRepaired


def repair(path: Path, reading: Reading, at: str) -> Repaired:
    """Set a journal aside, and start a new one from its longest valid prefix.

    The event becomes its last line, unless no line is left: a journal starts with another event.

    The run's lock is held on both files, so there is no moment without it. After a crash at any
    point the journal is either the damaged one or the complete new one.

    Args:
        path: of the journal, whose lock is held.
        reading: of it, up to the damage.
        at: the time now, as a journal writes it.

    Raises:
        OSError: the disk refuses; the journal is as before.
        CollectorError: it is too large to copy.
    """
    if path.lstat().st_size > LARGEST_BYTES:
        raise CollectorError(
            f"{path} is damaged and larger than {LARGEST_BYTES >> 30} GiB, more than any journal "
            "needs; it is not copied: start a new run"
        )
    old_sha256 = _sha256(path)
    damage = reading.damage
    event = JournalRepaired(
        at=at,
        old_sha256=old_sha256,
        lines_kept=reading.lines,
        kept_as=_keep(path, old_sha256),
        message=f"line {damage.line}: {damage.what}" if damage is not None else "",
    )
    unfinished = path.with_name(f"{path.name}{PART}")
    with contextlib.suppress(FileNotFoundError):
        files.remove(unfinished)
    descriptor = files.open_to_write(unfinished, _ANEW)
    try:
        lock.hold(descriptor, path)
        _copy(path, descriptor, reading.size)
        if reading.lines:
            files.write_all(descriptor, encode(event, reading.head)[0])
        files.sync(descriptor)
        files.rename(unfinished, path)
        files.sync_directory(path.parent)
    except BaseException:
        os.close(descriptor)
        raise
    return Repaired(descriptor, event)


def unnamed(directory: Path) -> str:
    """Say what to do with a run whose journal does not name all its servers."""
    # These are written only after that: the journal lost lines, or a repair was interrupted.
    later = [MANIFEST, SHA256SUMS, DAMAGED.format(1)]
    if any((directory / name).exists() for name in later):
        return (
            f"{directory}: the journal has lost lines and no longer names all servers of the run; "
            "give the INVENTORY with --resume"
        )
    return (
        f"{directory} was stopped before its journal named all servers; nothing was sent; start a "
        "new run"
    )


def _keep(path: Path, sha256: str) -> str:
    """Keep a copy under the first free name, unless an earlier one has it; return that name."""
    for number in count(1):
        kept = path.with_name(DAMAGED.format(number))
        if os.path.lexists(kept):
            if _is_copy(kept, path, sha256):
                return kept.name  # an earlier repair got this far
            continue
        unfinished = kept.with_name(f"{kept.name}{PART}")
        with contextlib.suppress(FileNotFoundError):
            files.remove(unfinished)
        descriptor = files.open_to_write(unfinished, _ANEW)
        try:
            _copy(path, descriptor, path.stat().st_size)
            files.sync(descriptor)
        finally:
            os.close(descriptor)
        files.rename(unfinished, kept)
        return kept.name
    raise AssertionError("numbers do not end")


def _is_copy(kept: Path, path: Path, sha256: str) -> bool:
    try:
        return kept.lstat().st_size == path.lstat().st_size and _sha256(kept) == sha256
    except OSError:
        return False  # something else has this name


def _copy(path: Path, descriptor: int, size: int) -> None:
    """Copy the first bytes of a file."""
    with open(files.open_to_read(path), "rb") as file:  # noqa: PTH123  # a descriptor has no path
        while size and (block := file.read(min(size, _BLOCK))):
            files.write_all(descriptor, block)
            size -= len(block)


def _sha256(path: Path) -> str:
    with open(files.open_to_read(path), "rb") as file:  # noqa: PTH123  # as above
        return hashlib.file_digest(file, "sha256").hexdigest()
