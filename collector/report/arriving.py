"""Bytes of downloads that are under way.

Counted is what arrives, and of that what no stored archive accounts for. Some of it is lost, where
a download failed and began anew. So no download is taken to have more than its length, and what is
left while none is under way is left out from then on.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collector.model.state import RunState
    from collector.report.phase_counts import PhaseCounts


class Arriving:
    """Tells how many bytes of unfinished downloads are here."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._lost: dict[int, int] = {}

    def of(self, counted: PhaseCounts, arrived: int | None) -> tuple[list[int], int]:
        """Return the bytes of each project's downloads, and those of all.

        Args:
            counted: of the state, as it is.
            arrived: all bytes that have arrived in the run; None: those that are counted.
        """
        of_projects: list[int] = []
        in_all, most_of_all = 0.0, 0.0
        for row, project in zip(self._state.projects, counted.projects, strict=False):
            here: float = row.arriving - self._lost.get(row.project, 0)
            if project.begun:
                most = self._most(project.begun)
                most_of_all += most
                here = min(here, most)
            elif row.arriving > 0:
                self._lost[row.project] = row.arriving
                here = 0
            in_all += here
            of_projects.append(int(max(0, here)) if project.begun else 0)
        if arrived is None:
            return of_projects, sum(of_projects)
        uncounted = arrived - sum(row.arrived for row in self._state.projects)
        return of_projects, int(max(0, min(in_all + max(0, uncounted), most_of_all)))

    def _most(self, begun: dict[int, str]) -> float:
        """Return what downloads come to at most."""
        most = 0.0
        for server in begun:
            download = self._state.servers[server].begun
            most += math.inf if download is None or download.length is None else download.length
        return most
