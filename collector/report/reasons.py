"""Why servers are missing: those with the same reason together, whatever their numbers and names.

    for group in grouped(summary.not_collected):
        print(len(group.members), group.message, group.hint)

Two reasons are the same if state, stage, code, status and hint are, and if their messages differ
in nothing but what belongs to one server alone: its name and id, numbers, sizes, times, hashes,
paths and what is in quotes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.report.manifest import Server

T = TypeVar("T")
R = TypeVar("R", bound="Server")

_COMPARED: Final = 1_000
"""Characters of a message that are compared; nobody reads on."""
_SHORTEST_NAME: Final = 3
"""A name that is shorter may be any word."""
_OWN: Final = "#"
_VARIES: Final = re.compile(
    r"""
      (?<!\w)'[^']*'(?!\w) | "[^"]*" | `[^`]*` | “[^”]*” | «[^»]*»
    | (?<![\w/:])(?:\.{0,2}|~)/[^\s,;:'"()]+                # a path, not what follows a host
    | \b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b      # a UUID
    | \b[0-9a-f]+(?::+[0-9a-f]*){2,}                       # an address, or a time of day
    | [-+]?\b(?=[^\W\d]*\d)\w+(?:[.,:]\w*\d\w*)*           # a number, a hash, bms1, 1.5MB
      (?:\s?(?:[kmgtp]i?b|bytes?|h|min|ms|s|%)\b)?         # and its unit
    """,
    re.VERBOSE | re.IGNORECASE,
)
_REPEATED: Final = re.compile(r"#(?:\s*#)+")


@dataclass(slots=True)
class Group(Generic[T]):
    """Servers that are missing for one reason.

    Attributes:
        state: `failed`, or `pending`.
        stage: where the problem was met; of servers without one, the phase that they wait in.
        phase: of pending servers, the phase that they wait in; None of failed ones.
        waits_for: of pending servers, why they are (`manifest.Waiting.reason`).
        code: the service's own error code.
        http_status: the HTTP status.
        message: what one of them was told; empty where nothing was.
        hint: what to do about it; empty where nothing is known.
        members: who they are, in the order in which they came.
    """

    state: str
    stage: str
    phase: str | None
    waits_for: str | None
    code: str | None
    http_status: int | None
    message: str
    hint: str
    members: list[T] = field(default_factory=list)


class Grouping(Generic[T]):
    """Groups servers one after the other, so that nobody has to keep their rows."""

    def __init__(self) -> None:
        self._groups: dict[tuple[object, ...], Group[T]] = {}

    def add(self, row: Server, member: T) -> Group[T] | None:
        """Add a server to its group, as `member`; return that, None of one that is collected."""
        if row.state == "collected":
            return None
        waiting, error = row.waiting, row.latest_error
        phase = waiting.phase if waiting else None
        waits_for = waiting.reason if waiting else None
        if error is None:
            stage, code, http_status, message, hint = phase or "", None, None, "", ""
        else:
            stage, code, http_status = error.stage, error.code, error.http_status
            message, hint = error.message, error.hint
        own = (row.name, row.id)
        key = (
            row.state, stage, phase, waits_for, code, http_status,
            shape(message, own), _without_names(hint, own),
        )  # fmt: skip
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(
                row.state, stage, phase, waits_for, code, http_status, message, hint
            )
        group.members.append(member)
        return group

    def groups(self) -> list[Group[T]]:
        """Return all groups: the failed first, the largest first; else as they came."""
        return sorted(
            self._groups.values(), key=lambda one: (one.state != "failed", -len(one.members))
        )


def grouped(rows: Iterable[R]) -> list[Group[R]]:
    """Group rows of servers by why they are missing; rows of collected ones are left out."""
    grouping: Grouping[R] = Grouping()
    for row in rows:
        grouping.add(row, row)
    return grouping.groups()


def shape(text: str, own: tuple[str, str]) -> str:
    """Return what a message has in common with those of other servers; `own`: name and id."""
    return _REPEATED.sub("#", _VARIES.sub("#", _without_names(text[:_COMPARED], own)))


def _without_names(text: str, own: tuple[str, str]) -> str:
    for name in own:
        if len(name) >= _SHORTEST_NAME and name in text:
            text = _without(text, name)
    return text


def _without(text: str, name: str) -> str:
    """Take a name out of a text, where it is no part of a word."""
    parts: list[str] = []
    begin = 0
    while (at := text.find(name, begin)) >= 0:
        end = at + len(name)
        is_whole = not (text[at - 1 : at].isalnum() or text[end : end + 1].isalnum())
        parts += [text[begin:at], _OWN if is_whole else name]
        begin = end
    parts.append(text[begin:])
    return "".join(parts)
