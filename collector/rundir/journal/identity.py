"""Whether an open journal is still the file that has its name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def has_name(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one with this name.

    Some file systems give a file a new inode number at each look. There, it counts as the same if
    it still has a name and the other one has the same size and time.

    Raises:
        OSError: nothing has the name, or it cannot be accessed.
    """
    mine, named = os.fstat(descriptor), path.lstat()
    if os.path.samestat(mine, named):
        return True
    return mine.st_nlink > 0 and _look(mine) == _look(named)


def _look(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_mode, found.st_size, found.st_mtime_ns
