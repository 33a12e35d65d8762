"""Walks through the pages of one project's servers.

A page is asked for by the last server of the page before, so pages come one after the other. A list
that changes while it is read shows: a server comes twice, or the total that each page tells is not
what was listed. Then the project is listed once more, and whatever either list had is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from collector.model.answers import Problem, ProblemKind

if TYPE_CHECKING:
    from collector.discovery.asking import Asker
    from collector.providers.directory import Directory, ListedServer, ServersPage
    from collector.providers.protocol import ProjectAddress

PAGE: Final = 1000
"""Servers of a page: the most that the API sends."""
PAGES_MAX: Final = 2000
"""Pages of one project, in case they have no end."""
SERVERS_MAX: Final = 1_000_000
"""Servers of one project, likewise."""
EMPTY_MAX: Final = 3
"""Empty pages in a row that name a further one."""
UNUSABLE_MAX: Final = 10_000
"""Entries that cannot be used and are remembered."""
UNUSABLE_NOTED: Final = 3
"""Entries that cannot be used and are told one by one; all are counted."""


@dataclass(slots=True)
class Servers:
    """The servers of one project, as its pages list them.

    Attributes:
        found: by their ids, in the order of the list.
        problem: why the list has gaps; None if it is whole.
        notes: what is odd about it, for people.
    """

    directory: Directory
    address: ProjectAddress
    asker: Asker
    manage_state: str | None = None
    found: dict[str, ListedServer] = field(default_factory=dict)
    problem: Problem | None = None
    notes: list[str] = field(default_factory=list)
    _unusable: dict[str, None] = field(default_factory=dict)

    async def list(self) -> None:
        """List all pages; once more where the list has changed meanwhile."""
        first = _Walk(self)
        self.problem = await first.go()
        if self.problem is None and first.moved:
            again = _Walk(self)
            # What the first walk found stays: a second one that fails takes nothing away.
            broken = await again.go()
            how = f"the second try failed: {broken.message}" if broken else "it was listed twice"
            self.notes.append(f"the list changed while it was read ({first.moved}); {how}")
            if broken is None and again.moved:
                self.notes.append(f"and changed again ({again.moved}); servers may be missing")
        if first.twice:
            self.notes.append(f"entries that repeat others: {first.twice}")
        if self._unusable:
            shown = "; ".join(list(self._unusable)[:UNUSABLE_NOTED])
            more = len(self._unusable) - UNUSABLE_NOTED
            also = f"; and {more} more" if more > 0 else ""
            self.notes.append(f"entries left out: {len(self._unusable)}: {shown}{also}")

    async def page(self, marker: str | None) -> ServersPage | Problem:
        """Ask for one page."""
        return await self.asker.ask(
            lambda: self.directory.list_servers(
                self.address, marker=marker, limit=PAGE, manage_state=self.manage_state
            )
        )

    def take(self, page: ServersPage) -> None:
        """Keep what a page lists."""
        for server in page.servers:
            self.found.setdefault(server.id, server)
        if len(self._unusable) < UNUSABLE_MAX:
            self._unusable.update(dict.fromkeys(page.unusable))


@dataclass(slots=True)
class _Walk:
    """One way through all pages.

    Attributes:
        moved: how it shows that the list changed meanwhile; "" where it does not.
        twice: how many entries repeat another one of this walk.
    """

    of: Servers
    moved: str = ""
    twice: int = 0
    _entries: int = 0
    _total: int | None = None
    _per_page: bool = False
    _empty: int = 0
    _ids: set[str] = field(default_factory=set)
    _markers: set[str | None] = field(default_factory=set)

    async def go(self) -> Problem | None:
        """Walk through the pages; return what stopped it before their end."""
        marker: str | None = None
        while True:
            self._markers.add(marker)
            page = await self.of.page(marker)
            if isinstance(page, Problem):
                return page
            self.of.take(page)
            moved = self.moved
            fresh = self._count(page)
            following = self._following(page)
            if following is None:
                self._compare()
                return None
            self._empty = 0 if page.entries else self._empty + 1
            if following in self._markers or (not fresh and not 0 < self._empty <= EMPTY_MAX):
                if self._total is not None and self._unique >= self._total:
                    self.moved = moved  # all is here: the service merely knows no last page
                    return None
                return self._endless(
                    "a page repeats the ones before and names a further one"
                    if not fresh
                    else "a page that was read already is named as the next one"
                )
            if len(self._markers) >= PAGES_MAX or len(self.of.found) > SERVERS_MAX:
                return self._endless(f"there are more than {len(self._markers):,} pages")
            marker = following

    def _count(self, page: ServersPage) -> int:
        """Count what a page lists; return how many entries are new."""
        before = len(self._ids)
        self._ids.update(server.id for server in page.servers)
        repeated = len(page.servers) - (len(self._ids) - before)
        within = len(page.servers) - len({server.id for server in page.servers})
        self.twice += repeated
        if repeated > within:
            self.moved = self.moved or "servers of one page came again on a later one"
        self._count_total(page)
        self._entries += page.entries
        return page.entries - repeated

    def _count_total(self, page: ServersPage) -> None:
        if page.total is None or page.total < page.entries or self._per_page:
            return  # less than what this one page has is no total
        if self._total == self._entries > 0 and page.total == page.entries:
            self._per_page, self._total = True, None  # it counts each page by itself
            return
        if self._total is not None and page.total != self._total:
            self.moved = self.moved or f"its total went from {self._total} to {page.total}"
        self._total = page.total

    def _following(self, page: ServersPage) -> str | None:
        """Return what the next page is asked for with; None where there is none."""
        if page.ends or (not page.entries and page.next_marker is None):
            return None
        whole = self._unique == self._total
        if page.next_marker is not None:
            # A total of one page alone may be a count of that page.
            return None if whole and self._entries > page.entries else page.next_marker
        if whole or not page.servers:
            return None
        return page.servers[-1].id

    @property
    def _unique(self) -> int:
        return self._entries - self.twice

    def _compare(self) -> None:
        """Compare what was listed with what the service counts, where it counts the same."""
        counted = None if self.of.manage_state else self._total
        if counted not in (None, self._unique, self._entries) and not self.moved:
            self.moved = f"it counts {counted} servers and lists {self._unique}"

    def _endless(self, what: str) -> Problem:
        return Problem(
            ProblemKind.UNREADABLE,
            f"the list has no end: {what}; {len(self.of.found):,} servers were listed until then",
            hint="tell the operator of the service; servers may be missing from the list",
        )
