"""What the file system of an output directory does not support, and what that costs.

A run can do without symbolic links, permissions and directory sync. It cannot do without locks:
see `collector.rundir.lock`. A lock may be weaker than it looks, since `flock` on a network file
system may hold only on this machine. Then two machines could work on one run, and a run on another
machine would seem to be over.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from collector import files
from collector.rundir.layout import LATEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")

_ALONE = "its locks hold only on this machine"
_NEVER = {
    "9p": _ALONE,
    "afs": _ALONE,
    "virtiofs": _ALONE,
    "vboxsf": _ALONE,
    "davfs": _ALONE,
    "fuse.sshfs": _ALONE,
    "fuse.s3fs": _ALONE,
    "fuse.rclone": _ALONE,
    "fuse.gcsfuse": _ALONE,
    "fuse.mountpoint-s3": _ALONE,
}
_OPTIONS = {
    "nfs": ("nolock", "local_lock=flock", "local_lock=all"),
    "nfs4": ("nolock", "local_lock=flock", "local_lock=all"),
    "cifs": ("nobrl", "nolock"),
    "smb3": ("nobrl", "nolock"),
    "lustre": ("localflock", "noflock"),
    "ocfs2": ("localflocks",),
    "gfs2": ("localflocks", "lockproto=lock_nolock"),
}


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system.

    Attributes:
        point: where it is mounted.
        kind: the type of file system.
        options: of the mount and of the file system.
    """

    point: str
    kind: str
    options: frozenset[str]


def shortcomings(directory: Path, unlinked: OSError | None) -> Iterator[str]:
    """Yield a message about each feature that is missing there.

    Args:
        directory: of a run that was just created.
        unlinked: why there is no link to it, as `point_latest` returns it.
    """
    out = directory.parent
    if unlinked is not None:
        yield (
            f"{out} does not support symbolic links ({unlinked.strerror}), so {out / LATEST} is "
            f"missing; name the run, {directory.name}, or use `latest` for the most recent run"
        )
    if not _keeps_private(directory):
        yield (
            f"{out} does not keep permissions: other users may be able to read the archives; "
            "choose another --out if they must not"
        )
    if not files.can_sync(directory):
        yield (
            f"{out} cannot confirm that new files are safely on disk; after a power failure, run "
            "collector verify"
        )


def mount_of(path: Path) -> Mount | None:
    """Return the file system of a file or a directory; None where the system does not tell."""
    try:
        lines = MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    return _mount_of(os.path.realpath(path), lines)


def local_locks(path: Path, lines: Iterable[str] | None = None) -> str | None:
    """Return why locks there hold only on this machine; None if nothing suggests so.

    Args:
        path: a file or a directory.
        lines: of Linux's mountinfo, by default the current ones; other systems have none.
    """
    if lines is None:
        try:
            lines = MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
        except OSError:
            return None
    mount = _mount_of(os.path.realpath(path), lines)
    if mount is None:
        return None
    where = f"{mount.point} is {mount.kind}"
    if mount.kind in _NEVER:
        return f"{where}: {_NEVER[mount.kind]}"
    for option in _OPTIONS.get(mount.kind, ()):
        if option in mount.options:
            return f"{where}, mounted with {option}: {_ALONE}"
    return None


def _mount_of(path: str, lines: Iterable[str]) -> Mount | None:
    """Return the mount of a path: the last of those with the longest mount point above it."""
    found: Mount | None = None
    for mount in filter(None, map(_read, lines)):
        inside = path == mount.point or path.startswith(mount.point.rstrip("/") + "/")
        if inside and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def _read(line: str) -> Mount | None:
    """Read a line: `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`."""
    before, separator, after = line.partition(" - ")
    fields, last = before.split(" "), after.split(" ")
    if not separator or len(fields) < 6 or len(last) < 3:  # noqa: PLR2004  # as above
        return None
    point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4])
    options = frozenset([*fields[5].split(","), *last[2].split(",")])
    return Mount(point, last[0], options)


def _keeps_private(path: Path) -> bool:
    """Whether only its owner may enter a directory created here."""
    try:
        return not path.stat().st_mode & 0o077
    except OSError:
        return False  # nobody knows
