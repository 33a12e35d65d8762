"""The layout of runs on disk: run ids and directories, and a directory for each project and server.

```
OUT/latest -> RUN_ID
OUT/.collector/exports.jsonl
OUT/RUN_ID/manifest.json, journal.jsonl, SHA256SUMS, members.jsonl.gz, report.html
OUT/RUN_ID/PROJECT/SERVER/FILE
```
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import re
import secrets
import shlex
import stat
import unicodedata
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from collector import files
from collector.archive.names import PART, safe_name
from collector.errors import CollectorError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

JOURNAL = "journal.jsonl"
MANIFEST = "manifest.json"
SHA256SUMS = "SHA256SUMS"
MEMBERS = "members.jsonl.gz"
REPORT = "report.html"
LATEST = "latest"
LARGEST_MANIFEST = LARGEST_SUMS = 256 << 20
"""The largest manifest and SHA256SUMS that are read; those of 100,000 servers are smaller."""
SHARED = ".collector"
"""The directory for what the runs of one output directory share."""

DIRECTORY_BYTES = 255
"""The longest name of a directory."""
_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
_WHICH = "`collector runs DIR` lists the runs under DIR"
_log = logging.getLogger(__name__)

_TROUBLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""Trouble with a disk, as opposed to something that its file system does not support."""
_FIRST_LINE = 1 << 20
"""The longest first line of a journal, in bytes; it holds the command's arguments."""
_SUFFIX_DIGITS = (0, 8, 16, 32, 48)
"""Lengths of the suffix that tells colliding names apart; longer ones if these collide again."""


def create_run(out: Path, *, run_id: str | None, now: datetime) -> Path:
    """Create a new run's directory, 0700, under `out`, which is created if it is missing.

    Args:
        out: the output directory, which holds runs.
        run_id: the name that a person chose; None for the time and four random hex digits.
        now: the UTC time of the run's start.

    Raises:
        CollectorError: the id is not a safe name or is taken, or `out` is not writable.
    """
    if run_id is not None:
        _check_run_id(run_id)
    try:
        _make_out(out)
        directory = _make_directory(out, run_id, now)
        files.sync_directory(out)
    except FileExistsError as error:
        if run_id is None:
            raise CollectorError(f"{out} is not a directory; choose another with --out") from error
        raise CollectorError(
            f"{out / run_id} already exists; resume it (collector collect --resume "
            f"{shlex.quote(str(out / run_id))}), or choose another --run-id"
        ) from error
    except OSError as error:
        raise CollectorError(
            f"cannot create a run directory in {out}: {error.strerror}; choose another with --out"
        ) from error
    return directory


def _make_out(out: Path) -> None:
    """Create the output directory if it is missing, and sync it."""
    missing = [one for one in (out, *out.parents) if not one.exists()]
    files.make_directories(out)
    for one in missing:
        files.sync_directory(one.parent)


def _check_run_id(run_id: str) -> None:
    safe = safe_name(run_id, fallback="run")
    if run_id != safe:
        raise CollectorError(
            f"invalid --run-id {run_id!r}: not a safe directory name; try {safe!r}"
        )


def _make_directory(out: Path, run_id: str | None, now: datetime) -> Path:
    """Create the directory; if the generated id is taken, try another."""
    if run_id is not None:
        directory = out / run_id
        files.make_directory(directory)
        return directory
    while True:
        directory = out / f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        try:
            files.make_directory(directory)
        except FileExistsError:
            continue
        return directory


def point_latest(directory: Path) -> OSError | None:
    """Point `latest` beside a run's directory to that run, atomically.

    If something else than a link has that name, it is left alone, with a warning.

    Returns:
        Why there is no `latest`, if the file system does not support links; else None.

    Raises:
        CollectorError: `latest` cannot be replaced.
    """
    out = directory.parent
    latest = out / LATEST
    if os.path.lexists(latest) and not latest.is_symlink():
        _log.warning(f"{latest} is not a link to the latest run, so it is left alone; move it away")
        return None
    link = directory / f"{LATEST}{PART}"  # in the run's own directory, out of other runs' way
    refused: OSError | None = None
    try:
        with contextlib.suppress(FileNotFoundError):
            files.remove(link)
        try:
            files.make_link(directory.name, link)
        except OSError as error:
            if error.errno in _TROUBLE:
                raise
            refused = error  # links are unsupported: a directory has just been created there
            with contextlib.suppress(FileNotFoundError):
                files.remove(out / LATEST)  # it would point to an older run
        else:
            files.rename(link, out / LATEST)
        files.sync_directory(out)
    except OSError as error:
        raise CollectorError(f"cannot replace {out / LATEST}: {error.strerror}") from error
    return refused


def latest_run(out: Path) -> Path | None:
    """Find the run under `out` that started last, without the link; None if there is none."""
    try:
        runs = runs_under(out)
    except CollectorError:
        return None
    return max(runs, key=lambda run: (began_at(run), run.name), default=None)


def began_at(run: Path) -> str:
    """Return a run's start time from its journal, since its name may be anything; or nothing."""
    try:
        with open(files.open_to_read(run / JOURNAL), "rb") as journal:  # noqa: PTH123  # a descriptor has no path
            return str(json.loads(journal.readline(_FIRST_LINE))["at"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ""


def project_directories(projects: Sequence[tuple[str, str, str]]) -> list[str]:
    """Name the directory of each project of a whole inventory.

    Args:
        projects: (id, endpoint, name) of every project, selected or not, because a directory's
            name must not depend on the selection. An empty name means the id.

    Returns:
        A name for each project, in the same order.
    """
    return _distinct([(f"{id_} {endpoint}", name or id_) for id_, endpoint, name in projects])


def server_directories(servers: Sequence[tuple[str, str]]) -> list[str]:
    """Name the directory of each server of one project of an inventory, below the project's.

    Args:
        servers: (id, name) of every server of the project, selected or not. An empty name means
            the id.

    Returns:
        A name for each server, in the same order.
    """
    return _distinct([(id_, name or id_) for id_, name in servers])


def _distinct(entries: Sequence[tuple[str, str]]) -> list[str]:
    """Turn (id, name) pairs into safe names that no file system confuses.

    All names of a collision get a suffix from a hash of their ids, the first one included, so that
    the order of the inventory does not matter.

    Raises:
        ValueError: an id is listed twice.
    """
    names = [safe_name(name, fallback=id_) for id_, name in entries]
    digits = [0] * len(entries)
    while collisions := _collisions(names):
        for index in collisions:
            id_, name = entries[index]
            longer = [more for more in _SUFFIX_DIGITS if more > digits[index]]
            if not longer:
                raise ValueError(f"the id is listed twice: {id_}")
            digits[index] = longer[0]
            digest = hashlib.sha256(id_.encode("utf-8", "surrogatepass")).hexdigest()
            names[index] = f"{safe_name(name, fallback=id_)}-{digest[: longer[0]]}"
    return names


def _collisions(names: Sequence[str]) -> list[int]:
    """Return the indices of names that some file system confuses with another one."""
    alike = [folded(name) for name in names]
    if len(set(alike)) == len(alike):
        return []
    places = defaultdict(list)
    for index, name in enumerate(alike):
        places[name].append(index)
    return [index for indices in places.values() if len(indices) > 1 for index in indices]


def with_suffix(name: str, digest: str) -> str:
    """Add a suffix to a name that is taken, shortening it if necessary."""
    return safe_name(f"{name}-{digest}", fallback=digest, limit_bytes=DIRECTORY_BYTES)


def folded(name: str) -> str:
    """Map names that differ only in letter case or Unicode composition to one name."""
    if name.isascii():
        return name.lower()
    decomposed = unicodedata.normalize("NFD", name).casefold()
    return unicodedata.normalize("NFC", decomposed)


def find_run(argument: str | Path, *, out: Path | None = None) -> Path:
    """Find the run directory that a person means.

    Args:
        argument: a path; or, where `out` is given, the word `latest` or a run's id.
        out: the output directory whose run is meant.

    If the file system has no links, `latest` means the run that started last.

    Returns:
        The directory itself, with links resolved, since `latest` may change at any moment.

    Raises:
        CollectorError: there is none, or it is not a run; the text says what is missing.
    """
    try:
        return _found(argument, out)
    except OSError as error:
        raise CollectorError(
            f"cannot access {error.filename or argument}: {error.strerror}; name a run directory"
        ) from error


def _found(argument: str | Path, out: Path | None) -> Path:
    path = Path(argument)
    if (
        out is not None
        and (str(argument) == LATEST or not os.path.exists(path))  # noqa: PTH110  # asks a path of any length
        and path.name == str(path)
    ):
        path = out / path  # the word latest, or a run's id
    if path.name == LATEST and not os.path.lexists(path):
        path = latest_run(path.parent) or path
    if out is not None and path == out / LATEST and not os.path.lexists(path):
        raise CollectorError(f"there is no run under {out}; name a run directory")
    try:
        is_directory = stat.S_ISDIR(path.stat().st_mode)
    except OSError as error:
        if error.errno == errno.ENOENT and path.is_symlink():
            what = f"points to {path.readlink()}, which no longer exists"
            raise CollectorError(f"{path} {what}") from None
        what = "does not exist" if error.errno == errno.ENOENT else f"({error.strerror})"
        raise CollectorError(f"{path} {what}; {_WHICH}") from error
    if not is_directory:
        raise CollectorError(f"{path} is a file, not a run directory; {_WHICH}")
    directory = path.resolve()
    if not os.access(directory, os.X_OK):
        raise CollectorError(f"cannot read {path}: {os.strerror(errno.EACCES)}")
    if not is_run(directory):
        what = f"{path} is not a run directory"
        if latest_run(path) is not None:
            raise CollectorError(f"{what}; it holds runs: try {path / LATEST}")
        raise CollectorError(f"{what}: it has neither {JOURNAL} nor {MANIFEST}; {_WHICH}")
    return directory


def is_run(directory: Path) -> bool:
    """Whether a directory is a run's: it has a journal, or at least a manifest."""
    return any(os.path.lexists(directory / name) for name in (JOURNAL, MANIFEST))


def runs_under(out: Path) -> list[Path]:
    """List the runs of an output directory by name, which is by time.

    Raises:
        CollectorError: `out` is not a directory or cannot be read.
    """
    try:
        entries = sorted(
            entry.name for entry in os.scandir(out) if entry.is_dir(follow_symlinks=False)
        )
    except FileNotFoundError as error:
        raise CollectorError(
            f"cannot list the runs under {out}: there is no such directory; name the one with runs"
        ) from error
    except OSError as error:
        raise CollectorError(f"cannot list the runs under {out}: {error.strerror}") from error
    return [out / name for name in entries if is_run(out / name) or _is_closed(out / name)]


def _is_closed(directory: Path) -> bool:
    """Whether a directory has a run's name, but this user may not enter it."""
    return bool(_RUN_ID.fullmatch(directory.name)) and not os.access(directory, os.X_OK)
