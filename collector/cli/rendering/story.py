"""One server's story: every event of its that the journal of a run has, in order."""

from __future__ import annotations

import dataclasses
import difflib
from typing import TYPE_CHECKING, Any

from collector.cli.rendering.wording import short, wrapped
from collector.errors import CollectorError
from collector.model import events as e
from collector.model.state import RunState
from collector.observe.narration import line_of
from collector.rundir.standing import standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from collector.rundir.standing import Standing

_PRIVATE = frozenset({"location", "validator"})
"""Members of events that are for the provider alone."""


class Story:
    """The events of the servers that a person means, gathered while a journal is read.

    Args:
        name: a server's name, its id, or PROJECT/NAME; several servers may have one name.
    """

    def __init__(self, name: str) -> None:
        self.state = RunState()
        self.events: dict[int, list[tuple[e.Event, str]]] = {}
        self._name = name

    def follow(self, event: e.Event) -> None:
        """Keep an event that is part of the state now, if it is one of theirs."""
        server = getattr(event, "server", None)
        if isinstance(event, e.ServerSelected):
            project = self.state.projects[event.project].name
            if self._name in (event.name, event.id, f"{project}/{event.name}"):
                self.events[event.server] = []
        elif server in self.events:
            self.events[server].append((event, line_of(event, self.state)))

    def lines(self, found: Standing) -> Iterator[str]:
        """Yield what happened to each of them, times in UTC, and how it stands at the end."""
        for server, events in self.events.items():
            row = self.state.servers[server]
            name = f"{self.state.projects[row.project].name}/{row.name}"
            known = "" if row.id == row.name else f" ({row.id})"
            yield from wrapped(f"{name}{known}, times in UTC:", "", "  ")
            day = ""
            for event, line in events:
                if event.at[:10] != day:
                    day = event.at[:10]
                    yield f"  {day}"
                said = line.removeprefix(f"{name}: ").removeprefix(f"{name} ")
                yield from wrapped(said, f"  {event.at[11:19]}  ", " " * 12)
                if isinstance(event, e.ServerFailed):
                    yield from wrapped(f"-> {event.hint}", " " * 12, " " * 15)
            path = f": {short(str(found.directory / row.archive.path))}" if row.archive else ""
            yield from ("", f"{name}: {row.phase}{path}", "")

    def as_json(self) -> list[dict[str, Any]]:
        """Return the same for programs: who it is, how it stands, and its events."""
        return [
            {
                "id": row.id,
                "name": row.name,
                "project": {"id": project.id, "name": project.name},
                "phase": row.phase,
                "events": [_as_json(event) for event, _ in events],
            }
            for server, events in self.events.items()
            for row in (self.state.servers[server],)
            for project in (self.state.projects[row.project],)
        ]


def story_of(directory: Path, name: str) -> tuple[Story, Standing]:
    """Read the story of a server from its run's journal.

    Raises:
        CollectorError: the run has no such server, or its journal cannot be read.
    """
    story = Story(name)
    found = standing(directory, story.follow, story.state)
    if not story.events:
        names = [row.name for row in story.state.servers]
        alike = difflib.get_close_matches(name, names[:100_000], n=3, cutoff=0.7)
        raise CollectorError(
            f"{directory.name} has no server {name!r}; {_suggested(alike)}names, ids and "
            "PROJECT/NAME are known"
        )
    return story, found


def _suggested(alike: Sequence[str]) -> str:
    return f"did you mean {', '.join(map(repr, alike))}? " if alike else ""


def _as_json(event: e.Event) -> dict[str, Any]:
    fields = (one.name for one in dataclasses.fields(event) if one.name not in _PRIVATE)
    return {"event": type(event).__name__, **{name: getattr(event, name) for name in fields}}
