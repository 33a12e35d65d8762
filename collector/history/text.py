"""The file's text: JSON, read with distrust."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from collector.history.entries import (
    SOURCES,
    Remembered,
    RememberedDurations,
    are_durations,
    is_count,
    is_limit,
)
from collector.model import events as e
from collector.model.answers import ScopeKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.history.entries import EntryT, Key

VERSION = 1


class NewerVersionError(ValueError):
    """It is whole, and of a version that is not known yet."""


def read(content: bytes) -> Remembered:
    """Read what `written` wrote.

    Raises:
        NewerVersionError: a newer collector wrote it.
        ValueError: nobody did.
    """
    try:
        found = json.loads(content)
        version = found["version"]
        if isinstance(version, int) and version > VERSION:
            raise NewerVersionError("is of a newer version")
        return Remembered(
            dict(map(_limit, found["limits"])),
            dict(map(_exports_limit, found["exports_limits"])),
            dict(map(_durations, found["durations"])),
        )
    except (TypeError, KeyError, RecursionError) as error:
        raise ValueError("is not what a collector writes") from error


def written(found: Remembered) -> str:
    """Write it down."""
    return json.dumps(_document(found), indent=1, allow_nan=False)


def _limit(entry: Mapping[str, Any]) -> tuple[Key, e.LimitLearned]:
    limit = e.LimitLearned(
        at=_text(entry, "at"),
        scope=ScopeKind(entry["scope"]).value,
        name=_text(entry, "name"),
        limit=_number(entry, "limit"),
        window_s=_number(entry, "window_s"),
        source=_source(entry),
    )
    return (limit.scope, limit.name), _believable(limit, is_it=is_limit(limit))


def _exports_limit(entry: Mapping[str, Any]) -> tuple[Key, e.ExportsLimitLearned]:
    limit = e.ExportsLimitLearned(
        at=_text(entry, "at"),
        scope=ScopeKind(entry["scope"]).value,
        name=_text(entry, "name"),
        limit=int(_number(entry, "limit")),
        source=_source(entry),
    )
    return (limit.scope, limit.name), _believable(limit, is_it=is_count(limit))


def _durations(entry: Mapping[str, Any]) -> tuple[Key, RememberedDurations]:
    durations = RememberedDurations(
        at=_text(entry, "at"),
        exports=int(_number(entry, "exports")),
        median_s=_number(entry, "median_s"),
        spread=_number(entry, "spread"),
    )
    key = _text(entry, "endpoint"), _text(entry, "project_id")
    return key, _believable(durations, is_it=are_durations(durations))


def _believable(entry: EntryT, *, is_it: bool) -> EntryT:
    if not is_it:
        raise ValueError("no run learns this")
    return entry


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry[name]
    if not isinstance(value, str):
        raise TypeError(name)
    return value


def _source(entry: Mapping[str, Any]) -> str:
    source = _text(entry, "source")
    if source not in SOURCES:
        raise ValueError(source)
    return source


def _number(entry: Mapping[str, Any], name: str) -> float:
    value = entry[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(name)
    return value


def _document(found: Remembered) -> dict[str, Any]:
    return {
        "version": VERSION,
        "limits": [
            {
                "scope": one.scope, "name": one.name, "limit": one.limit,
                "window_s": one.window_s, "source": one.source, "at": one.at,
            }
            for one in found.limits.values()
        ],
        "exports_limits": [
            {
                "scope": one.scope, "name": one.name, "limit": one.limit,
                "source": one.source, "at": one.at,
            }
            for one in found.exports_limits.values()
        ],
        "durations": [
            {
                "endpoint": endpoint, "project_id": project, "exports": one.exports,
                "median_s": one.median_s, "spread": one.spread, "at": one.at,
            }
            for (endpoint, project), one in found.durations.items()
        ],
    }  # fmt: skip
