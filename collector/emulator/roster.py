"""The fleet as the service knows it, which may change while it is listed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.emulator.chance import opaque
from collector.emulator.scenario import ServerSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.emulator.scenario import ProjectSpec, Scenario


@dataclass(frozen=True, slots=True)
class Page:
    """Some servers of a project, in its order.

    Attributes:
        servers: Those of the page.
        before: The server before the first of them, if there is one.
        is_last: Whether there are none after them.
    """

    servers: tuple[ServerSpec, ...]
    before: ServerSpec | None
    is_last: bool


class Roster:
    """The servers of a project, in the order in which they are listed.

    A server keeps its place when it is gone, so that its id is still good as a marker. A place is
    found by a dictionary: no page costs more the farther back it is.
    """

    def __init__(self, seed: int, project: ProjectSpec) -> None:
        self.project = project
        self._seed = seed
        self._servers: list[ServerSpec | None] = list(project.servers)
        self._places = {server.id: place for place, server in enumerate(project.servers)}
        self._states: Counter[str] = Counter(server.manage_state for server in project.servers)
        self._appeared = 0

    def find(self, server_id: str) -> ServerSpec | None:
        """Return the server with that id, if it is there."""
        place = self._places.get(server_id)
        return None if place is None else self._servers[place]

    def count(self, state: str | None) -> int:
        """Return how many servers there are in that state; None means any."""
        return self._states.total() if state is None else self._states[state]

    def page(self, state: str | None, marker: str | None, limit: int) -> Page | None:
        """Return the servers after the marker; None if there never was a server with that id."""
        start = 0
        if marker is not None:
            if marker not in self._places:
                return None
            start = self._places[marker] + 1
        found: list[ServerSpec] = []
        for server in self._after(start, state):
            if len(found) == limit:
                return Page(tuple(found), self._before(start), is_last=False)
            found.append(server)
        return Page(tuple(found), self._before(start), is_last=True)

    def _after(self, start: int, state: str | None) -> Iterator[ServerSpec]:
        for place in range(start, len(self._servers)):
            server = self._servers[place]
            if server is not None and (state is None or server.manage_state == state):
                yield server

    def _before(self, start: int) -> ServerSpec | None:
        return self._servers[start - 1] if start else None

    def remove(self, server: ServerSpec) -> None:
        """A server is gone."""
        self._servers[self._places[server.id]] = None
        self._states[server.manage_state] -= 1

    def appear(self) -> None:
        """A new server stands before all others."""
        self._appeared += 1
        digits = opaque(self._seed, self.project.id, "appeared", self._appeared)
        parts = digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]
        server = ServerSpec("-".join(parts), name=f"bms-new-{self._appeared}")
        self._servers.insert(0, server)
        self._places = {of: place + 1 for of, place in self._places.items()}
        self._places[server.id] = 0
        self._states[server.manage_state] += 1


class Fleet:
    """The rosters of all projects."""

    def __init__(self, scenario: Scenario) -> None:
        self._rosters = {
            project.id: Roster(scenario.seed, project) for project in scenario.projects
        }

    def roster(self, project_id: str) -> Roster | None:
        """Return the roster of a project, if there is such a project."""
        return self._rosters.get(project_id)

    def find(self, project_id: str, server_id: str) -> tuple[ProjectSpec, ServerSpec] | None:
        """Return the server with that project and id, if it is there."""
        roster = self._rosters.get(project_id)
        server = None if roster is None else roster.find(server_id)
        return None if roster is None or server is None else (roster.project, server)
