"""One server's story: every event of its that a run's journal has, in order."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from collector.model.events import ServerSelected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.model.events import Event
    from collector.model.rows import ProjectRow, ServerRow
    from collector.model.state import RunState

_PRIVATE: Final = frozenset({"location", "validator"})
"""Members of events that are for the provider alone."""


class Stories:
    """The events of the servers that a person means, gathered while a journal is read.

    Args:
        state: that the journal is folded into.
        name: a server's name, its id, or PROJECT/NAME; several servers may have one name.
    """

    def __init__(self, state: RunState, name: str) -> None:
        self._state = state
        self._name = name
        self._events: dict[int, list[Event]] = {}

    def __iter__(self) -> Iterator[tuple[ProjectRow, ServerRow, list[Event]]]:
        """Yield each of these servers as it stands, with what happened to it."""
        for server, events in self._events.items():
            row = self._state.servers[server]
            yield self._state.projects[row.project], row, events

    def follow(self, event: Event) -> None:
        """Keep an event that is part of the state now, if it is one of theirs."""
        if isinstance(event, ServerSelected):
            project = self._state.projects[event.project].name
            if self._name in (event.name, event.id, f"{project}/{event.name}"):
                self._events[event.server] = []
            return
        server: int | None = getattr(event, "server", None)
        if server in self._events:
            self._events[server].append(event)

    def as_json(self) -> list[dict[str, Any]]:
        """Return the stories for programs: who it is, how it stands, and its events."""
        return [
            {
                "id": row.id,
                "name": row.name,
                "project": {"id": project.id, "name": project.name},
                "phase": row.phase,
                "events": list(map(_as_json, events)),
            }
            for project, row, events in self
        ]


def _as_json(event: Event) -> dict[str, Any]:
    fields = (one.name for one in dataclasses.fields(event) if one.name not in _PRIVATE)
    return {"event": type(event).__name__, **{name: getattr(event, name) for name in fields}}
