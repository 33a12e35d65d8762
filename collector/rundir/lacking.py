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
            f"{out} does not support symbolic links ({unlinked.strerror}), so {out / LATEST} is "
            f"missing; name the run, {directory.name}, or use `latest` for the most recent run"
        )
    if not files.keeps_private(directory):
        yield (
            f"{out} does not keep permissions: other users may be able to read the archives; "
            "choose another --out if they must not"
        )
    if not files.can_sync(directory):
        yield (
            f"{out} cannot confirm that new files are safely on disk; after a power failure, run "
            "collector verify"
        )
