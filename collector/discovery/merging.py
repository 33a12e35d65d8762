"""Merges what was listed into an inventory as a person has written it.

Servers are added and never taken away: one that the service does not list any more gets the tag
`gone` with the date, and loses it when it comes back. What was listed of a server is brought up to
date. Everything else, comments included, stays as it is to the letter (`yaml_edits.py`).
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from collector.discovery.filling import server_of
from collector.discovery.filters import Filter
from collector.discovery.yaml_edits import Document
from collector.errors import CollectorError
from collector.inventory import load
from collector.inventory.models import FACTS, Discover

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from collector.discovery.listing import Found
    from collector.inventory import Inventory, Project, Server

GONE: Final = "gone"
"""The tag of servers that are not listed any more; its value is the day when that was seen."""


class UnmergeableError(CollectorError):
    """A file is written in a way that cannot be changed without touching the rest of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"{path} cannot be merged into as it is written; nothing was changed: write to another "
            "--output and copy what is new"
        )


@dataclass(slots=True)
class Changes:
    """What a merge changes in one project.

    Attributes:
        project: as the file has it, or will have it.
        new: whether the file does not have it yet.
        added: servers that the file does not have yet.
        facts: by a server's id, what is listed of it now; None for what is not any more.
        gone: ids of servers that are not listed any more.
        back: ids of servers that are again.
    """

    project: Project
    new: bool = False
    added: list[Server] = field(default_factory=list)
    facts: dict[str, dict[str, str | None]] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    back: list[str] = field(default_factory=list)


def changes(project: Project, found: Found, *, new: bool) -> Changes:
    """Return what a list changes in a project.

    A server is gone only where all servers were listed, to the end of the list.
    """
    made = Changes(project, new=new)
    own = {server.id: server for server in project.servers}
    for listed in Filter(project.discover or Discover()).of(found.servers.values()):
        if listed.id not in own:
            made.added.append(server_of(listed, found.alarms))
    asked = project.discover is not None and project.discover.alarms_s is not None
    alarms_known = asked and found.alarms_problem is None
    whole = found.problem is None and found.state is None
    for server in own.values():
        listed_now = found.servers.get(server.id)
        if listed_now is not None:
            now = server_of(listed_now, found.alarms)
            different: dict[str, str | None] = {
                name: value for name, value in now.facts.items() if value != getattr(server, name)
            }
            if alarms_known and now.alarm is None and server.alarm is not None:
                different["alarm"] = None
            if different:
                made.facts[server.id] = different
            if GONE in server.tags:
                made.back.append(server.id)
        elif whole and GONE not in server.tags:
            made.gone.append(server.id)
    return made


def merged(text: str, path: Path, before: Inventory, made: Sequence[Changes], day: str) -> str:
    """Return a file's text with changes made to it.

    Args:
        text: as it is.
        path: of the file.
        before: what the text says.
        made: what to change.
        day: the value of the tag `gone`.

    Raises:
        UnmergeableError: that is not possible without touching what is to stay.
    """
    document = Document(text)
    indexes = {(one.endpoint, one.id): number for number, one in enumerate(before.projects)}
    try:
        for one in made:
            if not one.new:
                _change(document, indexes[one.project.endpoint, one.project.id], one, day)
        document.add_projects(
            [(_fields(one.project), one.added) for one in made if one.new and one.added]
        )
        after = document.text()
        found = load(io.BytesIO(after.encode()), name=str(path), environ={}, sends=False)
    except (LookupError, TypeError, ValueError, CollectorError) as error:
        raise UnmergeableError(path) from error
    if _contents(found.projects) != _contents(_expected(before, made, day)):
        raise UnmergeableError(path)
    return after


def _change(document: Document, index: int, made: Changes, day: str) -> None:
    tags: dict[str, tuple[str, str | None]] = {
        **dict.fromkeys(made.gone, (GONE, day)),
        **dict.fromkeys(made.back, (GONE, None)),
    }
    for server_id in made.facts.keys() | tags.keys():
        document.change_server(
            index,
            server_id,
            made.facts.get(server_id, {}),
            tags.get(server_id),
        )
    document.add_servers(index, made.added)


def _fields(project: Project) -> dict[str, str]:
    """Return what a project's own entry says, without its servers."""
    where = {"endpoint": project.endpoint} if project.region is None else {"region": project.region}
    return {"id": project.id, **where, "credentials": project.credentials}


def _expected(before: Inventory, made: Sequence[Changes], day: str) -> list[Project]:
    """Return the projects as they are to be, without a look at the text."""
    by_place = {(one.project.endpoint, one.project.id): one for one in made}
    projects = [
        replace(project, servers=tuple(_after(project.servers, by_place.get(key), day)))
        for project in before.projects
        for key in ((project.endpoint, project.id),)
    ]
    return [
        *projects,
        *(replace(one.project, servers=tuple(one.added)) for one in made if one.new and one.added),
    ]


def _after(servers: Iterable[Server], made: Changes | None, day: str) -> Iterable[Server]:
    if made is None:
        yield from servers
        return
    gone, back = set(made.gone), set(made.back)
    for server in servers:
        tags = dict(server.tags)
        if server.id in gone:
            tags[GONE] = day
        if server.id in back:
            del tags[GONE]
        facts: Mapping[str, str | None] = made.facts.get(server.id, {})
        yield replace(
            server, tags=tags, **{name: facts.get(name, getattr(server, name)) for name in FACTS}
        )
    yield from made.added


def _contents(projects: Iterable[Project]) -> list[object]:
    """Return what a merge must not get wrong."""
    return [
        (
            one.id,
            one.endpoint,
            one.credentials,
            [(s.id, s.name, dict(s.tags), s.facts) for s in one.servers],
        )
        for one in projects
    ]
