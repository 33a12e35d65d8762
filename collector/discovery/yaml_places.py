"""Where each value of a YAML inventory stands in its text.

libyaml tells it, event by event. Of the servers, of which there may be 100,000, only the places and
ids are kept; one that is to be changed is looked at once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from collector.inventory.yaml_events import LOADER

if TYPE_CHECKING:
    from collections.abc import Iterator

_BREAKS = "\n\r\x85\u2028\u2029"


@dataclass(slots=True)
class Scalar:
    """A text, a number or nothing: from `start` to `end`."""

    start: int
    end: int
    value: str


@dataclass(slots=True)
class Items:
    """A list; `flow`: in brackets. `column` is where its dashes stand."""

    start: int
    end: int
    column: int
    flow: bool
    value: list[Any]


@dataclass(slots=True)
class Fields:
    """A mapping; `flow`: in braces. `column` is where its keys stand."""

    start: int
    end: int
    column: int
    flow: bool
    value: list[tuple[Scalar, Any]]

    def get(self, key: str) -> Any:  # noqa: ANN401  # any of these classes, or None
        """Return the value of a key; None where the mapping does not have it."""
        return next((value for name, value in self.value if name.value == key), None)


@dataclass(slots=True)
class Unread:
    """A mapping of which only the place and the `id` are known."""

    start: int
    end: int
    column: int
    id: str


def places(text: str) -> Fields:
    """Return the places of an inventory's values; servers are unread.

    Raises:
        ValueError: it is none whose places can be told.
    """
    root = _Composer(text).root(skips=True)
    if not isinstance(root, Fields):
        raise ValueError("no mapping")  # noqa: TRY004  # of the text
    return root


def read(text: str, place: Unread) -> Fields:
    """Return the places of one server's fields, in the whole text.

    Raises:
        ValueError: they cannot be told.
    """
    # The first line of a block is moved to where it stood, so that the others line up with it.
    part = " " * place.column + text[place.start : place.end]
    root = _Composer(part, place.start - place.column).root(skips=False)
    if not isinstance(root, Fields):
        raise ValueError("no mapping")  # noqa: TRY004  # of the text
    return root


class _Composer:
    """Makes places of libyaml's events.

    Args:
        text: what is parsed.
        shift: what is added to each place.
    """

    def __init__(self, text: str, shift: int = 0) -> None:
        self._text = text
        self._shift = shift
        self._starts = _line_starts(text)
        self._last = 0
        self._events: Iterator[Any] = yaml.parse(text, Loader=LOADER)

    def root(self, *, skips: bool) -> Any:  # noqa: ANN401  # any of the classes above
        """Return the one document; `skips`: with its servers unread."""
        for event in self._events:
            if isinstance(event, yaml.NodeEvent):
                return self._node(event, ("root",) if skips else ())
        raise ValueError("no document")

    def _node(self, event: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401  # as above
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(self._at(event.start_mark), self._end(event), event.value)
        start, column = self._at(event.start_mark), int(event.start_mark.column)
        flow = bool(event.flow_style)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Any] = []
            for item in self._until(yaml.SequenceEndEvent, flow=flow):
                if path == ("root", "projects", "servers"):
                    items.append(self._unread(item))
                else:
                    items.append(self._node(item, path))
            end = items[-1].end if items and not flow else self._last
            return Items(start, end, column, flow, items)
        if not isinstance(event, yaml.MappingStartEvent):
            raise TypeError("an alias")
        fields: list[tuple[Scalar, Any]] = []
        for key in self._until(yaml.MappingEndEvent, flow=flow):
            name = self._node(key, ())
            inner = (*path, name.value) if path and name.value in ("projects", "servers") else ()
            fields.append((name, self._node(next(self._events), inner)))
        end = fields[-1][1].end if fields and not flow else self._last
        return Fields(start, end, column, flow, fields)

    def _until(self, ends: type[yaml.Event], *, flow: bool) -> Iterator[Any]:
        """Yield events up to the end of what is open; with brackets, its place is `_last` then."""
        for event in self._events:
            if isinstance(event, ends):
                if flow:  # a block's end is somewhere after it, or beyond the text
                    self._last = self._at(event.end_mark)
                return
            yield event

    def _unread(self, event: Any) -> Unread:  # noqa: ANN401  # as above
        """Pass over a mapping."""
        if not isinstance(event, yaml.MappingStartEvent):
            raise TypeError("a server is no mapping")
        mark: Any = event.start_mark
        start, column = self._at(mark), int(mark.column)
        flow_ends = [bool(event.flow_style)]
        found, end, key = "", start, ""
        for inner in self._events:
            if isinstance(inner, yaml.ScalarEvent):
                end = self._end(inner)
                if len(flow_ends) == 1:
                    found = inner.value if key == "id" else found
                    key = "" if key else inner.value or " "
            elif isinstance(inner, yaml.CollectionEndEvent):
                end = self._at(inner.end_mark) if flow_ends.pop() else end
                if not flow_ends:
                    return Unread(start, end, column, found)
                key = "" if len(flow_ends) == 1 else key
            else:
                flow_ends.append(bool(inner.flow_style))
        raise ValueError("no end")

    def _at(self, mark: Any) -> int:  # noqa: ANN401  # yaml.Mark, or the one of the C extension
        line, column = int(mark.line), int(mark.column)
        return self._starts[line] + column + self._shift

    def _end(self, event: Any) -> int:  # noqa: ANN401  # as above
        """Return where a scalar ends; a block's mark is after the blank lines that follow it."""
        end = self._at(event.end_mark)
        if event.style in ("|", ">"):
            return len(self._text[: end - self._shift].rstrip()) + self._shift
        return end


def _line_starts(text: str) -> list[int]:
    r"""Return where each line starts, as libyaml counts them: `\n`, `\r\n` and `\r` end one."""
    starts, at = [0], 0
    if not any(one in text for one in _BREAKS[1:]):
        while (at := text.find("\n", at) + 1) > 0:
            starts.append(at)
        return starts
    while at < len(text):
        if text[at] in _BREAKS:
            at += 2 if text[at : at + 2] == "\r\n" else 1
            starts.append(at)
        else:
            at += 1
    return starts
