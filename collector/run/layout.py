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
import hashlib
import os
import secrets
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
SHARED = ".collector"
"""What the runs of one output directory share lies there."""

DIRECTORY_BYTES = 255
"""The most that a directory's name has."""

_SUFFIX_DIGITS = (0, 8, 16, 32, 48)
"""Hex digits of the suffix that tells colliding names apart: more, should fewer collide again."""


def create_run(out: Path, *, run_id: str | None, now: datetime) -> Path:
    """Make a new run's directory, 0700, under `out`, which is made too where it is missing.

    Args:
        out: the output directory, which holds runs.
        run_id: the name that a person wants; None for the time and four random hex digits.
        now: the UTC time of the run's start.

    Raises:
        CollectorError: the id is no safe name or is taken, `out` cannot be written in, or
            `out/latest` is no link.
    """
    if run_id is not None:
        _check_run_id(run_id)
    try:
        _make_out(out)
        _check_latest(out)
        directory = _make_directory(out, run_id, now)
        files.sync_directory(out)
    except FileExistsError as error:
        if run_id is None:
            raise CollectorError(f"{out} is no directory; choose another with --out") from error
        raise CollectorError(
            f"{out / run_id} exists; leave --run-id out, or go on with that run: --resume {run_id}"
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
        raise CollectorError(f"--run-id {run_id!r} is no safe name for a directory; try {safe!r}")


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


def _check_latest(out: Path) -> None:
    latest = out / LATEST
    if os.path.lexists(latest) and not latest.is_symlink():
        raise CollectorError(
            f"{latest} is a file or directory of its own, not the link to the latest run; "
            "move it away, or choose another output directory with --out"
        )


def point_latest(directory: Path) -> None:
    """Let `latest` beside a run's directory name that run, from one instant to the next.

    Raises:
        CollectorError: `latest` is no link (it is left alone), or cannot be replaced.
    """
    out = directory.parent
    _check_latest(out)
    link = directory / f"{LATEST}{PART}"  # in the run's own directory: no other run's way
    try:
        with contextlib.suppress(FileNotFoundError):
            files.remove(link)
        files.make_link(directory.name, link)
        files.rename(link, out / LATEST)
        files.sync_directory(out)
    except OSError as error:
        raise CollectorError(f"cannot replace {out / LATEST}: {error.strerror}") from error


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
        ValueError: an id stands twice.
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

    Returns:
        The directory itself, links resolved: `latest` may point elsewhere in a moment.

    Raises:
        CollectorError: there is none, or it is no run; the text says what is missing.
    """
    path = Path(argument)
    if (
        out is not None
        and (str(argument) == LATEST or not path.exists())
        and path.name == str(path)
    ):
        path = out / path  # the word latest, or a run's id
    if path.is_symlink() and not path.exists():
        raise CollectorError(f"{path} points to {path.readlink()}, which is not there any more")
    if out is not None and path == out / LATEST and not path.exists():
        raise CollectorError(f"there is no run under {out}; name a run's directory")
    if not path.is_dir():
        what = "is a file, not a run's directory" if path.exists() else "does not exist"
        raise CollectorError(f"{path} {what}; `collector runs DIR` lists the runs under DIR")
    directory = path.resolve()
    if not is_run(directory):
        hint = f"it holds runs: try {path / LATEST}" if (path / LATEST).is_symlink() else ""
        raise CollectorError(
            f"{path} is no run: it has neither {JOURNAL} nor {MANIFEST}; "
            + (hint or "`collector runs DIR` lists the runs under DIR")
        )
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
    return [out / name for name in entries if is_run(out / name)]
