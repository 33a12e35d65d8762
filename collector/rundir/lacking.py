"""What the file system of an output directory lacks that a run can do without, and what that costs.

What it cannot do without are locks: `collector.rundir.lock` says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector import files
from collector.rundir.layout import LATEST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def lacking(directory: Path, unlinked: OSError | None) -> Iterator[str]:
    """Yield what a person should know, in words.

    Args:
        directory: of a run that was just made.
        unlinked: why there is no link to it, as `point_latest` returns it.
    """
    out = directory.parent
    if unlinked is not None:
        yield (
            f"{out} cannot hold symbolic links ({unlinked.strerror}): {out / LATEST} is not made; "
            f"name the run itself, {directory.name}, or `latest` for the run that began last"
        )
    if not files.keeps_private(directory):
        yield (
            f"{out} does not keep permissions: what is collected can be read by whoever the file "
            "system lets in; choose another --out if that must not be"
        )
    if not files.can_sync(directory):
        yield (
            f"{out} cannot say when a new file is safe on the disk: after a power cut, run "
            "collector verify"
        )
