"""Where things lie: run ids, run directories, and a directory for each project and server.

```
OUT/latest -> RUN_ID
OUT/.collector/exports.jsonl
OUT/RUN_ID/manifest.json, journal.jsonl, SHA256SUMS, members.jsonl.gz
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
LATEST = "latest"
LARGEST_MANIFEST = LARGEST_SUMS = 256 << 20
"""Bytes of a manifest and of a SHA256SUMS that are read: those of 100,000 servers are smaller."""
SHARED = ".collector"
"""What the runs of one output directory share lies there."""

DIRECTORY_BYTES = 255
"""The most that a directory's name has."""
_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
_WHICH = "`collector runs DIR` lists the runs under DIR"
_log = logging.getLogger(__name__)

_TROUBLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""What befalls a disk, and says nothing of what its file system can do."""
_FIRST_LINE = 1 << 20
"""Bytes that a journal's first line has at most: it holds the command's arguments."""
_SUFFIX_DIGITS = (0, 8, 16, 32, 48)
"""Hex digits of the suffix that tells colliding names apart: more, should fewer collide again."""


def create_run(out: Path, *, run_id: str | None, now: datetime) -> Path:
    """Make a new run's directory, 0700, under `out`, which is made too where it is missing.

    Args:
        out: the output directory, which holds runs.
        run_id: the name that a person wants; None for the time and four random hex digits.
        now: the UTC time of the run's start.

    Raises:
        CollectorError: the id is no safe name or is taken, or `out` cannot be written in.
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
            f"cannot make a run's directory in {out}: {error.strerror}; choose another with --out"
        ) from error
    return directory


def _make_out(out: Path) -> None:
    """Make the output directory where it is missing, on disk: no power cut takes it away."""
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
    """Make the directory: of two runs in one second, the later finds its id taken and tries on."""
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
    """Let `latest` beside a run's directory name that run, from one instant to the next.

    What has that name and is no link is left alone, and said.

    Returns:
        Why there is no `latest` now, where the file system has no links; None elsewhere.

    Raises:
        CollectorError: `latest` cannot be replaced.
    """
    out = directory.parent
    latest = out / LATEST
    if os.path.lexists(latest) and not latest.is_symlink():
        _log.warning(f"{latest} is not a link to the latest run and stays as it is; move it away")
        return None
    link = directory / f"{LATEST}{PART}"  # in the run's own directory: no other run's way
    refused: OSError | None = None
    try:
        with contextlib.suppress(FileNotFoundError):
            files.remove(link)
        try:
            files.make_link(directory.name, link)
        except OSError as error:
            if error.errno in _TROUBLE:
                raise
            refused = error  # other things can be made there: the directory just was
            with contextlib.suppress(FileNotFoundError):
                files.remove(out / LATEST)  # it would name an older run
        else:
            files.rename(link, out / LATEST)
        files.sync_directory(out)
    except OSError as error:
        raise CollectorError(f"cannot replace {out / LATEST}: {error.strerror}") from error
    return refused


def latest_run(out: Path) -> Path | None:
    """Find the run under `out` that began last, for where no link says so; None for none."""
    try:
        runs = runs_under(out)
    except CollectorError:
        return None
    return max(runs, key=lambda run: (_began_at(run), run.name), default=None)


def _began_at(run: Path) -> str:
    """Return the time that a run's journal begins with; the run's own name may be anything."""
    try:
        with open(files.open_to_read(run / JOURNAL), "rb") as journal:  # noqa: PTH123  # a descriptor has no path
            return str(json.loads(journal.readline(_FIRST_LINE))["at"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ""


def project_directories(projects: Sequence[tuple[str, str, str]]) -> list[str]:
    """Name the directory of each project of a whole inventory.

    Args:
        projects: (id, endpoint, name) of every project, also of those that are not selected: a
            directory's name must not hang on the selection. An empty name means the id.

    Returns:
        A name for each project, in the same order.
    """
    return _distinct([(f"{id_} {endpoint}", name or id_) for id_, endpoint, name in projects])


def server_directories(servers: Sequence[tuple[str, str]]) -> list[str]:
    """Name the directory of each server of one project of an inventory, below the project's.

    Args:
        servers: (id, name) of every server of the project, also of those that are not selected.
            An empty name means the id.

    Returns:
        A name for each server, in the same order.
    """
    return _distinct([(id_, name or id_) for id_, name in servers])


def _distinct(entries: Sequence[tuple[str, str]]) -> list[str]:
    """Make (id, name) pairs safe names that no file system takes for one another.

    All names of a collision get a suffix from a hash of their ids, not all but the first, so that
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
    """Find the places of the names that some file system takes for another one of them."""
    alike = [folded(name) for name in names]
    if len(set(alike)) == len(alike):
        return []
    places = defaultdict(list)
    for index, name in enumerate(alike):
        places[name].append(index)
    return [index for indices in places.values() if len(indices) > 1 for index in indices]


def with_suffix(name: str, digest: str) -> str:
    """Tell a name from one that is taken; where it is too long for that, it is cut."""
    return safe_name(f"{name}-{digest}", fallback=digest, limit_bytes=DIRECTORY_BYTES)


def folded(name: str) -> str:
    """Make names alike that differ only in letter case or in how an accent is composed."""
    if name.isascii():
        return name.lower()
    decomposed = unicodedata.normalize("NFD", name).casefold()
    return unicodedata.normalize("NFC", decomposed)


def find_run(argument: str | Path, *, out: Path | None = None) -> Path:
    """Find the run's directory that a person means.

    Args:
        argument: a path; or, where `out` is given, the word `latest` or a run's id.
        out: the output directory whose run is meant.

    Where `latest` is no link, since the file system has none, it means the run that began last.

    Returns:
        The directory itself, links resolved: `latest` may point elsewhere in a moment.

    Raises:
        CollectorError: there is none, or it is no run; the text says what is missing.
    """
    try:
        return _found(argument, out)
    except OSError as error:
        raise CollectorError(
            f"cannot look at {error.filename or argument}: {error.strerror}; name a run's directory"
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
        raise CollectorError(f"there is no run under {out}; name a run's directory")
    try:
        is_directory = stat.S_ISDIR(path.stat().st_mode)
    except OSError as error:
        if error.errno == errno.ENOENT and path.is_symlink():
            what = f"points to {path.readlink()}, which is not there any more"
            raise CollectorError(f"{path} {what}") from None
        what = "does not exist" if error.errno == errno.ENOENT else f"({error.strerror})"
        raise CollectorError(f"{path} {what}; {_WHICH}") from error
    if not is_directory:
        raise CollectorError(f"{path} is a file, not a run's directory; {_WHICH}")
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
    """Tell whether a directory is a run's: it has a journal, or at least a manifest."""
    return any(os.path.lexists(directory / name) for name in (JOURNAL, MANIFEST))


def runs_under(out: Path) -> list[Path]:
    """List the runs of an output directory by name, which is by time.

    Raises:
        CollectorError: `out` is no directory or cannot be read.
    """
    try:
        entries = sorted(
            entry.name for entry in os.scandir(out) if entry.is_dir(follow_symlinks=False)
        )
    except OSError as error:
        raise CollectorError(f"cannot list the runs under {out}: {error.strerror}") from error
    return [out / name for name in entries if is_run(out / name) or _is_closed(out / name)]


def _is_closed(directory: Path) -> bool:
    """Tell whether a directory has a run's name, and is closed to this user."""
    return bool(_RUN_ID.fullmatch(directory.name)) and not os.access(directory, os.X_OK)
