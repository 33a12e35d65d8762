"""Selection expressions such as `project=payments,tag:role=db`."""

from __future__ import annotations

import fnmatch
import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile
from operator import eq
from typing import TYPE_CHECKING

from collector.inventory.mistakes import BadExpression, InventoryError, Mistake, nearest, quoted

if TYPE_CHECKING:
    from collector.inventory.models import Project, Server

Match = Callable[[str], "re.Match[str] | None"]
Term = tuple[str, Match]
Filter = tuple[Term, ...]
Place = tuple["Project", "Server"]

KEYS = ("project", "id", "name")
TAG = "tag:"
NEAR_MAX = 100
"""How many words are compared in full with a possibly misspelt one."""
DISCOVERED = ("health", "rack", "alarm")
SHAPE = "use key=value (keys: project, id, name, tag:KEY; if discovered also health, rack, alarm)"


def read(*, discovered: bool, **options: Sequence[str]) -> list[tuple[Filter, ...]]:
    """Parse each option's expressions into filters, in the order of the options.

    Args:
        discovered: Whether servers can have health, rack and alarm.
        **options: Expressions by the option's name, which appears in error messages.

    Raises:
        InventoryError: With every mistake in every expression.
    """
    mistakes: list[Mistake] = []
    filters = [
        tuple(tuple(_terms(option, text, mistakes, discovered=discovered)) for text in expressions)
        for option, expressions in options.items()
    ]
    if mistakes:
        raise InventoryError(mistakes)
    return filters


def matches(filters: tuple[Filter, ...], project: Project, server: Server) -> bool:
    """Whether the server matches all terms of any filter."""
    return any(
        all(_holds(key, match, project, server) for key, match in terms) for terms in filters
    )


def may_match(filters: tuple[Filter, ...], project: Project) -> bool:
    """Whether a filter can match some server of a project, whatever servers it has."""
    return any(
        all(any(map(match, _names(project))) for key, match in terms if key == "project")
        for terms in filters
    )


def covers(filters: tuple[Filter, ...], project: Project) -> bool:
    """Whether a filter matches every server of a project, whatever servers it has."""
    return any(
        all(key == "project" and any(map(match, _names(project))) for key, match in terms)
        for terms in filters
    )


def asks_for(key: str, filters: tuple[Filter, ...]) -> bool:
    """Whether any filter has a term with this key."""
    return any(key == one for terms in filters for one, _ in terms)


def _names(project: Project) -> tuple[str, ...]:
    return (project.name, project.id)


def unmatched(
    option: str,
    expressions: Sequence[str],
    filters: tuple[Filter, ...],
    servers: Sequence[Place],
    what: str,
) -> Iterator[str]:
    """Return a message for each expression that matches none of these servers.

    Args:
        option: The option's name.
        expressions: As they were given.
        filters: The same, parsed.
        servers: The servers to match, with their projects.
        what: A word for these servers.
    """
    for text, terms in zip(expressions, filters, strict=True):
        if not any(matches((terms,), project, server) for project, server in servers):
            yield f"--{option} {_shown(text)} matches no {what}{_meant(text, terms, servers)}"


def _meant(text: str, terms: Filter, servers: Sequence[Place]) -> str:
    """Return a suggestion for the first term that matches no server by itself."""
    for term, (key, match) in zip(text.split(","), terms, strict=True):
        values = {value for project, server in servers for value in _values(key, project, server)}
        if any(map(match, values)):
            continue
        value = term.partition("=")[2].strip()
        if values:
            near = _near(value, values)
            return f"; did you mean {_shown(f'{key}={near}')}?" if near else ""
        tags = {f"{TAG}{tag}" for _, server in servers for tag in server.tags}
        near = _near(key, tags) if key.startswith(TAG) else None
        if near is None:
            return f"; no {key} is known of any" if key in DISCOVERED else ""
        return f"; did you mean {_shown(f'{near}={value}')}?"
    return ": none has all of these at once" if len(terms) > 1 else ""


def _near(word: str, known: Iterable[str]) -> str | None:
    """Return the nearest of many words; only those with similar ends are compared in full."""
    here = word.lower()

    def alike(other: str) -> int:
        there = other.lower()
        return _same(here, there) + _same(here[::-1], there[::-1])

    return nearest(word, heapq.nlargest(NEAR_MAX, sorted(known), key=alike))


def _same(here: str, there: str) -> int:
    """Return the length of the common prefix of two words."""
    return sum(takewhile(bool, map(eq, here, there)))


def _shown(text: str) -> str:
    return quoted(text)[1:-1]


def _terms(
    option: str, expression: str, mistakes: list[Mistake], *, discovered: bool
) -> Iterator[Term]:
    column = 1
    for term in expression.split(","):
        key, equals, value = (part.strip() for part in term.partition("="))
        if problem := _problem(key, value if equals else "", discovered=discovered):
            what, instead = problem
            where = f"--{option} {quoted(expression)}"
            if not instead and term != expression:
                what = f"{quoted(term)}: {what}"
            mistakes.append(BadExpression(where, 1, column, what, instead))
        else:
            yield key, re.compile(fnmatch.translate(value)).match
        column += len(term) + 1


def _problem(key: str, value: str, *, discovered: bool) -> tuple[str, str] | None:
    if not value:
        return SHAPE, ""
    if key in KEYS or (key.startswith(TAG) and key != TAG):
        return None
    if key in DISCOVERED:
        what = f"{key} works only for discovered servers; there are none here"
        return None if discovered else (what, SHAPE)
    near = nearest(key, KEYS + DISCOVERED if discovered else KEYS)
    instead = (
        f"did you mean {quoted(near)}?" if near else f"{SHAPE}, such as {TAG}{key or 'KEY'}=VALUE"
    )
    return f"unknown key {quoted(key)}", instead


def _holds(key: str, match: Match, project: Project, server: Server) -> bool:
    return any(map(match, _values(key, project, server)))


def _values(key: str, project: Project, server: Server) -> tuple[str, ...]:
    """Return a server's value for a key."""
    if key == "project":
        return _names(project)
    if key == "id":
        return (server.id,)
    if key == "name":
        return (server.name,)
    value = getattr(server, key) if key in DISCOVERED else server.tags.get(key.removeprefix(TAG))
    return () if value is None else (value,)
