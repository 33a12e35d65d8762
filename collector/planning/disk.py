"""The disk space that archives need, and what is free."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.rundir.sizes import earlier_sizes, latest_manifests
from collector.sizes import size

if TYPE_CHECKING:
    from pathlib import Path

    from collector.model.state import RunState
    from collector.rundir.sizes import Server

ASSUMED_ARCHIVE_BYTES = 4_000_000
"""The assumed size of an archive where nothing is known: a guess, reported as one."""


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk space that the archives need.

    Attributes:
        needed: bytes.
        free: bytes free where the run would be; None if unknown.
        known: how many archives are expected at their size in an earlier run.
        assumed: how many are expected at `assumed_archive_bytes`: the mean of the others, or
            `ASSUMED_ARCHIVE_BYTES` if there are none.
    """

    needed: int
    free: int | None
    known: int
    assumed: int
    assumed_archive_bytes: int

    @property
    def suffices(self) -> bool:
        """Whether the archives fit, as far as is known."""
        return self.free is None or self.needed <= self.free

    def shortage(self, out: Path) -> str | None:
        """Return a warning that a disk is too small, for a run that begins; None where it is not.

        Args:
            out: the output directory.
        """
        if self.free is None or self.suffices:
            return None
        guess = "" if self.known else f", if an archive has {size(self.assumed_archive_bytes)}"
        return (
            f"the disk may be too small: about {size(self.needed)} needed under {out}{guess}; "
            f"{size(self.free)} free. Free up space, or stop and choose another directory with "
            "--out"
        )


def disk(state: RunState, out: Path, *, but: Path | None = None) -> Disk:
    """Look at the earlier runs under `out`, and at its disk.

    Args:
        state: of a run, begun or not.
        out: the output directory; it need not exist.
        but: the run's own directory, if it has one.
    """
    sizes: dict[Server, int] = {}
    if state.pending and (manifests := latest_manifests(out, but=but)):
        sizes = earlier_sizes(manifests, _pending(state))
    assumed_bytes = ASSUMED_ARCHIVE_BYTES
    if sizes:
        assumed_bytes = round(sum(sizes.values()) / len(sizes))
    assumed = state.pending - len(sizes)
    needed = sum(sizes.values()) + assumed * assumed_bytes
    return Disk(needed, _free(out), len(sizes), assumed, assumed_bytes)


def _pending(state: RunState) -> set[Server]:
    return {
        (project.endpoint, project.id, row.id)
        for row in state.servers
        if not row.phase.ended
        for project in (state.projects[row.project],)
    }


def _free(out: Path) -> int | None:
    """Return the bytes free where `out` is or would be; None if the disk does not say."""
    place = out
    try:
        while not os.path.exists(place) and place != place.parent:  # noqa: PTH110  # asks a path of any length
            place = place.parent
        found = shutil.disk_usage(place)
    except OSError:
        return None
    return found.free if found.total else None
