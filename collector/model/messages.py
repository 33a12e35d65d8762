"""The one serialised form of actions, answers and events: a JSON object that names its class.

    {"action": "AskStatus", "server": 3, "sent_s": 81.5, ...}
    {"answer": "Problem", "kind": "throttled", "message": "...", ...}
    {"event": "ExportStarted", "at": "...", "server": 3, "export_id": "..."}

An event reads as it does in the journal. Infinity, which JSON lacks, is null: no member that may be
infinite may also be None. What arrives is checked class by class and member by member, so a
performer may be another process.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from collector.model import actions, answers, events, fields

Message = actions.Action | actions.DiscardPart | answers.Answer | events.Event
Reader = Callable[[Any], Any]

_KINDS: Mapping[str, Mapping[str, type]] = {
    "action": {
        kind.__name__: kind for kind in (*typing.get_args(actions.Action), actions.DiscardPart)
    },
    "answer": {kind.__name__: kind for kind in typing.get_args(answers.Answer)},
    "event": events.EVENTS,
}
_CATEGORIES = {kind: name for name, kinds in _KINDS.items() for kind in kinds.values()}
_NAMES = {**vars(fields), **vars(events), **vars(answers), "Mapping": Mapping}


class MessageError(ValueError):
    """A JSON value is no message: it says which member is wrong, and how."""


def to_json(message: Message) -> dict[str, Any]:
    """Return a message as what the json module writes.

    Raises:
        KeyError: its class is no action, answer or event.
    """
    kind = type(message)
    return {_CATEGORIES[kind]: kind.__name__, **_members(message)}


def from_json(record: object) -> Message:
    """Return the message that `to_json` made a record of.

    Raises:
        MessageError: it is none.
    """
    if not isinstance(record, dict):
        raise MessageError("a message is an object")
    for category, kinds in _KINDS.items():
        name = record.get(category)
        if isinstance(name, str) and name in kinds:
            members = {key: value for key, value in record.items() if key != category}
            message: Message = _made(kinds[name], members)
            return message
    raise MessageError(f"there is no such message: {str(record)[:80]}")


def _members(value: object) -> dict[str, Any]:
    assert dataclasses.is_dataclass(value)  # noqa: S101  # all of the vocabulary are
    return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}


def _plain(value: Any) -> Any:  # noqa: ANN401  # whatever a member holds
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, float):
        return None if math.isinf(value) else value
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, events.Event):
        return to_json(value)
    return _members(value) if dataclasses.is_dataclass(value) else value


def _made(kind: type, record: Mapping[str, Any]) -> Any:  # noqa: ANN401  # one of `kind`
    readers = _readers(kind)
    if unknown := record.keys() - readers.keys():
        raise MessageError(f"{kind.__name__} has no {min(unknown)!r}")
    values = {}
    for name, value in record.items():
        try:
            values[name] = readers[name](value)
        except (TypeError, ValueError) as error:
            raise MessageError(f"{kind.__name__}.{name}: {error}") from error
    try:
        return kind(**values)
    except TypeError as error:
        raise MessageError(f"{kind.__name__}: {error}") from error


@cache
def _readers(kind: type) -> Mapping[str, Reader]:
    """Return how each member of a class is read."""
    hints = typing.get_type_hints(kind, localns=_NAMES)
    return {field.name: _reader(hints[field.name]) for field in dataclasses.fields(kind)}


def _reader(hint: Any) -> Reader:  # noqa: ANN401  # a type, or what stands for some
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType or origin is typing.Union:
        (inner,) = [one for one in arguments if one is not types.NoneType]
        read = _reader(inner)
        return lambda value: None if value is None else read(value)
    if origin is tuple:
        each = _reader(arguments[0])
        return lambda value: tuple(map(each, _checked(value, list)))
    if origin is Mapping:
        return lambda value: {
            _checked(key, str): _checked(one, str) for key, one in _checked(value, dict).items()
        }
    return _reader_of_one(hint)


def _reader_of_one(kind: type[Any]) -> Reader:
    """Return how a value is read that is of one class."""
    if kind is float:
        return lambda value: math.inf if value is None else float(_checked(value, int, float))
    if issubclass(kind, enum.Enum):
        return lambda value: kind(_checked(value, str))
    if issubclass(kind, events.Event):
        return lambda value: _checked(from_json(value), kind)
    if dataclasses.is_dataclass(kind):
        return lambda value: _made(kind, _checked(value, dict))
    return lambda value: _checked(value, kind)


def _checked(value: Any, *kinds: type) -> Any:  # noqa: ANN401  # one of `kinds`
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise TypeError(f"is {value!r:.40}, and no {' or '.join(kind.__name__ for kind in kinds)}")
    return value
