"""Whether a lock on a file is one for all machines that see the file: not all file systems say so.

`flock` on a network file system may hold on this machine alone. Then two machines could work on one
run, and a run on another machine would seem to be over.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")

_ALONE = "its locks hold on this machine alone"
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
        point: where.
        kind: its type, as the system calls it.
        options: of the mount and of the file system.
    """

    point: str
    kind: str
    options: frozenset[str]


def distrusted(path: Path, lines: Iterable[str] | None = None) -> str | None:
    """Tell why a lock on a file there is not one for all machines; None where nothing says so.

    Args:
        path: a file or a directory.
        lines: what is mounted, as Linux tells it; by default asked. Other systems do not tell.
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
    """Return the mount that a path lies on: the last of those that reach furthest down to it."""
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
