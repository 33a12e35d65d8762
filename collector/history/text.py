"""The file's text: JSON, read with distrust."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from collector.history.entries import (
    SOURCES,
    Remembered,
    RememberedDurations,
    are_durations,
    is_count,
    is_limit,
    is_model,
)
from collector.model import events as e
from collector.model.answers import ScopeKind
from collector.report.parts import Part
from collector.report.summary import CallsLimit, ExportsLimit, Number

if TYPE_CHECKING:
    from collector.history.entries import EntryT, Key, ModelKey

VERSION = 1


class NewerVersionError(ValueError):
    """The file was written by a newer version."""


class _ProjectDurations(Part, frozen=True, forbid_unknown_fields=False):
    """How long exports of a project at an endpoint take."""

    endpoint: str
    project_id: str
    exports: int
    median_s: Number
    spread: Number
    at: str


class _ModelDurations(_ProjectDurations, frozen=True, forbid_unknown_fields=False):
    """How long exports of one model's servers in a project take."""

    model: str


class _File(Part, frozen=True, forbid_unknown_fields=False):
    """What the file holds beside its version. Earlier versions know nothing of models."""

    limits: list[CallsLimit]
    exports_limits: list[ExportsLimit]
    durations: list[_ProjectDurations]
    durations_of_models: list[_ModelDurations] = msgspec.field(default_factory=list)


def read(content: bytes) -> Remembered:
    """Parse what `written` returned.

    Raises:
        NewerVersionError: a newer collector wrote it.
        ValueError: no collector wrote it.
    """
    try:
        document = json.loads(content)
        version = document["version"]
        if isinstance(version, int) and version > VERSION:
            raise NewerVersionError("was written by a newer version")
        found = msgspec.convert(document, _File)
    except (TypeError, KeyError, RecursionError) as error:
        raise ValueError("was not written by a collector") from error
    return Remembered(
        dict(map(_limit, found.limits)),
        dict(map(_exports_limit, found.exports_limits)),
        dict(map(_durations, found.durations)),
        dict(map(_of_model, found.durations_of_models)),
    )


def written(found: Remembered) -> str:
    """Return it as the file's text."""
    file = _File(
        list(map(CallsLimit.of, found.limits.values())),
        list(map(ExportsLimit.of, found.exports_limits.values())),
        [
            _ProjectDurations(endpoint, project, one.exports, one.median_s, one.spread, one.at)
            for (endpoint, project), one in found.durations.items()
        ],
        [
            _ModelDurations(endpoint, project, one.exports, one.median_s, one.spread, one.at, model)
            for (endpoint, project, model), one in found.of_models.items()
        ],
    )
    return json.dumps({"version": VERSION, **file.as_json()}, indent=1, allow_nan=False)


def _limit(entry: CallsLimit) -> tuple[Key, e.LimitLearned]:
    limit = e.LimitLearned(
        at=entry.at, scope=ScopeKind(entry.scope).value, name=entry.name, limit=entry.limit,
        window_s=entry.window_s, source=_source(entry.source),
    )  # fmt: skip
    return (limit.scope, limit.name), _believable(limit, is_it=is_limit(limit))


def _exports_limit(entry: ExportsLimit) -> tuple[Key, e.ExportsLimitLearned]:
    limit = e.ExportsLimitLearned(
        at=entry.at, scope=ScopeKind(entry.scope).value, name=entry.name, limit=entry.limit,
        source=_source(entry.source),
    )  # fmt: skip
    return (limit.scope, limit.name), _believable(limit, is_it=is_count(limit))


def _durations(entry: _ProjectDurations) -> tuple[Key, RememberedDurations]:
    durations = RememberedDurations(entry.at, entry.exports, entry.median_s, entry.spread)
    return (entry.endpoint, entry.project_id), _believable(
        durations, is_it=are_durations(durations)
    )


def _of_model(entry: _ModelDurations) -> tuple[ModelKey, RememberedDurations]:
    (endpoint, project), durations = _durations(entry)
    return (endpoint, project, entry.model), _believable(durations, is_it=is_model(entry.model))


def _believable(entry: EntryT, *, is_it: bool) -> EntryT:
    if not is_it:
        raise ValueError("no run learns this")
    return entry


def _source(source: str) -> str:
    if source not in SOURCES:
        raise ValueError(source)
    return source
