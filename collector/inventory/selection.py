"""Which servers an expression such as `project=payments,tag:role=db` means."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from collector.inventory.mistakes import InventoryError, Mistake, nearest, quoted

if TYPE_CHECKING:
    from collector.inventory.models import Project, Server

Match = Callable[[str], "re.Match[str] | None"]
Term = tuple[str, Match]
Filter = tuple[Term, ...]

KEYS = ("project", "id", "name")
TAG = "tag:"
DISCOVERED = ("health", "rack", "alarm")
SHAPE = "write key=value with the key project, id, name or tag:KEY"


def read(**options: Sequence[str]) -> list[tuple[Filter, ...]]:
    """The filters of each option's expressions, in the options' order.

    Args:
        **options: Expressions by the option's name, which appears in mistakes.

    Raises:
        InventoryError: With every mistake in every expression.
    """
    mistakes: list[Mistake] = []
    filters = [
        tuple(tuple(_terms(option, text, mistakes)) for text in expressions)
        for option, expressions in options.items()
    ]
    if mistakes:
        raise InventoryError(mistakes)
    return filters


def matches(filters: tuple[Filter, ...], project: Project, server: Server) -> bool:
    """Whether any filter matches the server in all its terms."""
    return any(
        all(_holds(key, match, project, server) for key, match in terms) for terms in filters
    )


def _terms(option: str, expression: str, mistakes: list[Mistake]) -> Iterator[Term]:
    column = 1
    for term in expression.split(","):
        key, equals, value = (part.strip() for part in term.partition("="))
        if problem := _problem(term, key, value if equals else ""):
            what, instead = problem
            where = f"--{option} {quoted(expression)}"
            mistakes.append(Mistake(where, 1, column, what, instead))
        else:
            yield key, re.compile(fnmatch.translate(value)).match
        column += len(term) + 1


def _problem(term: str, key: str, value: str) -> tuple[str, str] | None:
    if not value:
        return f"{quoted(term)} is no key=value", SHAPE
    if key in KEYS or (key.startswith(TAG) and key != TAG):
        return None
    if key in DISCOVERED:
        return f"{key} needs discovered servers, and none is discovered here", SHAPE
    near = nearest(key, KEYS)
    instead = f"did you mean {quoted(near)}?" if near else f"{SHAPE}, such as {TAG}{key or 'KEY'}"
    return f"unknown key {quoted(key)}", instead


def _holds(key: str, match: Match, project: Project, server: Server) -> bool:
    if key == "project":
        return bool(match(project.name) or match(project.id))
    if key == "id":
        return bool(match(server.id))
    if key == "name":
        return bool(match(server.name))
    value = server.tags.get(key.removeprefix(TAG))
    return value is not None and bool(match(value))
