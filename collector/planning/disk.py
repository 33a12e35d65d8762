"""The disk that archives need, and what there is of it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.engine.state import Phase
from collector.run.sizes import earlier_sizes

if TYPE_CHECKING:
    from pathlib import Path

    from collector.engine.state import RunState

ASSUMED_ARCHIVE_BYTES = 4_000_000
"""What a server's archive is taken to have, where nobody knows: a stated guess, no measurement."""


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk that the archives need.

    Attributes:
        needed: bytes.
        free: bytes where the run would be.
        known: how many servers' archives are taken to be as large as in an earlier run.
        assumed: how many are taken to have `assumed_archive_bytes`: the mean of the others, or
            `ASSUMED_ARCHIVE_BYTES` where there are none.
    """

    needed: int
    free: int
    known: int
    assumed: int
    assumed_archive_bytes: int

    @property
    def suffices(self) -> bool:
        """Whether the archives fit."""
        return self.needed <= self.free


def disk(state: RunState, out: Path, *, but: Path | None = None) -> Disk:
    """Look at the earlier runs under `out`, and at the disk that it lies on, or would.

    Args:
        state: of a run, begun or not.
        out: the output directory; it need not exist.
        but: the run's own directory, where it has one.
    """
    wanted = {
        (project.endpoint, project.id, row.id)
        for row in state.servers
        if row.phase is not Phase.COLLECTED and row.phase is not Phase.FAILED
        for project in (state.projects[row.project],)
    }
    sizes = earlier_sizes(out, wanted, but=but) if wanted else {}
    assumed_bytes = ASSUMED_ARCHIVE_BYTES
    if sizes:
        assumed_bytes = round(sum(sizes.values()) / len(sizes))
    assumed = len(wanted) - len(sizes)
    needed = sum(sizes.values()) + assumed * assumed_bytes
    return Disk(needed, _free(out), len(sizes), assumed, assumed_bytes)


def _free(out: Path) -> int:
    """Return the bytes free where `out` is, or would be."""
    place = out.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free
