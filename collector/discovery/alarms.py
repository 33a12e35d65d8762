"""The worst alarm of each server that holds, from the pages of a project's alarms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from collector.model.answers import Problem, ProblemKind
from collector.providers.directory import ALARM_LEVELS

if TYPE_CHECKING:
    from collector.discovery.asking import Asker
    from collector.providers.directory import AlarmsPage, Directory
    from collector.providers.protocol import ProjectAddress

PAGE: Final = 100
"""Alarms of a page: services of this kind send no more."""
PAGES_MAX: Final = 1000
"""Pages of one project, in case they have no end."""


@dataclass(slots=True)
class Alarms:
    """The alarms of one project.

    Attributes:
        since_s: only those that began since then, in Unix seconds.
        worst: the worst level by the server's id, of alarms that hold.
        problem: why not all are known; None if they are.
    """

    directory: Directory
    address: ProjectAddress
    asker: Asker
    since_s: float
    worst: dict[str, str] = field(default_factory=dict)
    problem: Problem | None = None

    async def list(self) -> None:
        """List all pages."""
        offset = 0
        for _ in range(PAGES_MAX):
            page = await self._page(offset)
            if isinstance(page, Problem):
                self.problem = page
                return
            for alarm in page.alarms:
                if alarm.active:
                    self._hear(alarm.server_id, alarm.level)
            offset += page.entries
            if not page.entries or (page.total is not None and offset >= page.total):
                return
            if page.total is None and page.entries < PAGE:
                return
        self.problem = Problem(
            ProblemKind.UNREADABLE,
            f"the list of alarms has no end: {offset:,} were read until then",
            hint="tell the operator of the service; alarms may be missing",
        )

    async def _page(self, offset: int) -> AlarmsPage | Problem:
        return await self.asker.ask(
            lambda: self.directory.list_alarms(
                self.address, offset=offset, limit=PAGE, since_s=self.since_s
            )
        )

    def _hear(self, server_id: str, level: str) -> None:
        known = self.worst.get(server_id)
        if known is None or _rank(level) < _rank(known):
            self.worst[server_id] = level


def _rank(level: str) -> int:
    return ALARM_LEVELS.index(level) if level in ALARM_LEVELS else len(ALARM_LEVELS)
