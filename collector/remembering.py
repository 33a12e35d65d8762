"""What runs have learned of a service, kept for the next one in a small file of the user's.

It is a starting point and no promise: nothing here may fail a run. It holds what a run's journal
holds of limits and durations, and so never a secret.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import stat
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import structlog

from collector.engine import events as e
from collector.engine.answers import Scope, ScopeKind
from collector.engine.known import Known, KnownDurations, KnownExports, KnownLimit
from collector.errors import CollectorError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from collector.engine.state import RunState

_log = structlog.get_logger("collector")

FILE = "learned.json"
LOCK = "learned.lock"
VERSION = 1
KEPT_FOR = timedelta(days=30)
ENTRIES_KEPT = 1000
"""Of each kind; the oldest are dropped."""
SOURCES = ("told", "estimated")
"""What a run has found out itself, as `LimitLearned` says it."""
LARGEST_FILE = 4 << 20
LARGEST_LIMIT = 1_000_000
LONGEST_S = 86_400.0
WIDEST_SPREAD = 10.0
LOCKED_WITHIN_S = 2.0
"""How long another run's writing is waited for; after that, the last writer wins."""


_WITHOUT = "the run begins without what earlier ones have learned"


class DamagedMemory(CollectorError):  # noqa: N818  # a state of affairs, not a mishap of ours
    """What earlier runs have learned cannot be made sense of: the run goes on without it.

    Attributes:
        path: the file.
        is_newer: it is whole, and of a newer version: it is left as it is.
    """

    def __init__(self, path: Path, what: str, *, is_newer: bool = False) -> None:
        self.path = path
        self.is_newer = is_newer
        super().__init__(f"{path} {what}; {_WITHOUT}")


@dataclass(frozen=True, slots=True)
class Durations:
    """How long exports of a project took, and when that was known."""

    at: str
    exports: int
    median_s: float
    spread: float


class _Dated(Protocol):
    @property
    def at(self) -> str: ...


_Entry = TypeVar("_Entry", bound=_Dated)
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known from earlier runs: limits by scope, durations by endpoint and project's id."""

    limits: Mapping[_Key, e.LimitLearned] = field(default_factory=dict)
    exports_limits: Mapping[_Key, e.ExportsLimitLearned] = field(default_factory=dict)
    durations: Mapping[_Key, Durations] = field(default_factory=dict)

    def known(self, state: RunState) -> Known:
        """Return what a run begins with: of what is older and what its journal says, the latest."""
        own = learned_by(state)
        limits = _merged(self.limits, own.limits)
        exports_limits = _merged(self.exports_limits, own.exports_limits)
        durations = _merged(self.durations, own.durations)
        return Known(
            limits=tuple(
                KnownLimit(_scope(key), entry.limit, entry.window_s, entry.source)
                for key, entry in limits.items()
            ),
            exports=tuple(
                KnownExports(_scope(key), entry.limit) for key, entry in exports_limits.items()
            ),
            durations={
                row.project: KnownDurations(entry.exports, entry.median_s, entry.spread)
                for row in state.projects
                if (entry := durations.get((row.endpoint, row.id))) is not None
            },
        )


class Memory:
    """A run's use of what is remembered: whatever is wrong with it is said once.

    Args:
        directory: where it is kept; None where nothing is.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def recall(self) -> Remembered:
        """Return what earlier runs have learned, if that can be had. For a worker thread."""
        if self._directory is None:
            return Remembered()
        try:
            return load(self._directory, datetime.now(UTC))
        except DamagedMemory as error:
            _log.warning(str(error))
        except OSError as error:
            path, self._directory = self._directory / FILE, None
            # A place that is closed to this user was never theirs; a file that is there was.
            log = _log.warning if os.path.lexists(path) else _log.info
            log(f"cannot read {path}: {error.strerror}; {_WITHOUT}")
        return Remembered()

    def keep(self, state: RunState) -> None:
        """Keep what a run has learned, if that can be done. For a worker thread."""
        if self._directory is None:
            return
        try:
            save(self._directory, state, datetime.now(UTC))
        except OSError as error:
            _log.info(
                f"cannot write {self._directory / FILE}: {error.strerror}; "
                "the next run learns the service's limits anew"
            )


def learned_by(state: RunState) -> Remembered:
    """Return what a run has learned itself: not what it only remembers."""
    return Remembered(
        {key: one for key, one in state.limits.items() if _is_own(one) and _is_limit(one)},
        {key: one for key, one in state.exports_limits.items() if _is_own(one) and _is_count(one)},
        {
            (row.endpoint, row.id): entry
            for project, one in state.durations.items()
            for row in (state.projects[project],)
            for entry in (Durations(one.at, one.exports, one.median_s, one.spread),)
            if _are_durations(entry)
        },
    )


def load(directory: Path, now: datetime) -> Remembered:
    """Read what earlier runs have learned; what is too old to be believed is left out.

    Args:
        directory: the user's, or whichever was chosen.
        now: the UTC time.

    Raises:
        DamagedMemory: what is there is not what a collector writes.
        OSError: it cannot be read.
    """
    path = directory / FILE
    content = _content(path)
    if content is None:
        return Remembered()
    try:
        document = json.loads(content)
        version = document["version"]
        if isinstance(version, int) and version > VERSION:
            raise DamagedMemory(path, f"is of version {version}, a newer one", is_newer=True)
        found = Remembered(
            dict(map(_read_limit, document["limits"])),
            dict(map(_read_exports_limit, document["exports_limits"])),
            dict(map(_read_durations, document["durations"])),
        )
        return _fresh(found, now)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DamagedMemory(path, "is not what a collector writes") from error


def save(directory: Path, state: RunState, now: datetime) -> None:
    """Add what a run has learned to what is there, whoever else does so at the same time.

    Args:
        directory: made, 0700, where it is missing.
        state: of the run.
        now: the UTC time.

    Raises:
        OSError: it cannot be written.
    """
    own = learned_by(state)
    if not (own.limits or own.exports_limits or own.durations):
        return
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(directory):
        try:
            there = load(directory, now)
        except DamagedMemory as error:
            if error.is_newer:
                return
            there = Remembered()
        merged = Remembered(
            _merged(there.limits, own.limits),
            _merged(there.exports_limits, own.exports_limits),
            _merged(there.durations, own.durations),
        )
        _write(directory, _fresh(merged, now))


def _is_own(entry: e.LimitLearned | e.ExportsLimitLearned) -> bool:
    return entry.source in SOURCES


def _scope(key: _Key) -> Scope:
    kind, name = key
    return Scope(ScopeKind(kind), name)


def _merged(older: Mapping[_Key, _Entry], newer: Mapping[_Key, _Entry]) -> dict[_Key, _Entry]:
    """Return the entries of both; of two with one key, the one that was learned last."""
    merged = dict(older)
    for key, entry in newer.items():
        there = merged.get(key)
        if there is None or _date(there) <= _date(entry):
            merged[key] = entry
    return merged


def _date(entry: _Dated) -> datetime:
    """Read when something was learned.

    Raises:
        ValueError: it is no time.
    """
    at = datetime.fromisoformat(entry.at)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _fresh(found: Remembered, now: datetime) -> Remembered:
    """Leave out what is old, or dated where a clock was wrong, and the oldest of too many."""

    def of(entries: Mapping[_Key, _Entry]) -> dict[_Key, _Entry]:
        dated = ((abs(now - _date(entry)), key, entry) for key, entry in entries.items())
        fresh = sorted((one for one in dated if one[0] <= KEPT_FOR), key=lambda one: one[0])
        return {key: entry for _, key, entry in fresh[:ENTRIES_KEPT]}

    return Remembered(of(found.limits), of(found.exports_limits), of(found.durations))


# What is believable: nothing else is written, and a file that holds something else is damaged


def _is_limit(entry: e.LimitLearned) -> bool:
    return _is_within(entry.limit, LARGEST_LIMIT) and _is_within(entry.window_s, LONGEST_S)


def _is_count(entry: e.ExportsLimitLearned) -> bool:
    return _is_within(entry.limit, LARGEST_LIMIT)


def _are_durations(entry: Durations) -> bool:
    return (
        _is_within(entry.exports, math.inf)
        and _is_within(entry.median_s, LONGEST_S)
        and 0 <= entry.spread <= WIDEST_SPREAD
    )


def _is_within(value: float, most: float) -> bool:
    return 0 < value <= most


# The file


def _content(path: Path) -> bytes | None:
    """Read the file, where there is one that may be ours."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with open(descriptor, "rb") as file:  # noqa: PTH123  # a descriptor has no path
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST_FILE:
            raise DamagedMemory(path, "is no file of ours")
        return file.read(LARGEST_FILE)


def _read_limit(entry: Mapping[str, Any]) -> tuple[_Key, e.LimitLearned]:
    limit = e.LimitLearned(
        at=_text(entry, "at"),
        scope=ScopeKind(entry["scope"]).value,
        name=_text(entry, "name"),
        limit=_number(entry, "limit"),
        window_s=_number(entry, "window_s"),
        source=_source(entry),
    )
    return (limit.scope, limit.name), _believable(limit, is_it=_is_limit(limit))


def _read_exports_limit(entry: Mapping[str, Any]) -> tuple[_Key, e.ExportsLimitLearned]:
    limit = e.ExportsLimitLearned(
        at=_text(entry, "at"),
        scope=ScopeKind(entry["scope"]).value,
        name=_text(entry, "name"),
        limit=int(_number(entry, "limit")),
        source=_source(entry),
    )
    return (limit.scope, limit.name), _believable(limit, is_it=_is_count(limit))


def _read_durations(entry: Mapping[str, Any]) -> tuple[_Key, Durations]:
    durations = Durations(
        at=_text(entry, "at"),
        exports=int(_number(entry, "exports")),
        median_s=_number(entry, "median_s"),
        spread=_number(entry, "spread"),
    )
    key = _text(entry, "endpoint"), _text(entry, "project_id")
    return key, _believable(durations, is_it=_are_durations(durations))


def _believable(entry: _Entry, *, is_it: bool) -> _Entry:
    if not is_it:
        raise ValueError("no run learns this")
    _date(entry)
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


def _write(directory: Path, found: Remembered) -> None:
    """Put a new file in the old one's place, from one instant to the next."""
    descriptor, name = tempfile.mkstemp(dir=directory, prefix=f"{FILE}.", suffix=".part")  # 0600
    unfinished = Path(name)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  # as above
            json.dump(_document(found), file, indent=1, allow_nan=False)
            file.flush()
            os.fsync(descriptor)
        unfinished.replace(directory / FILE)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Keep other runs from writing, where the file system can do that."""
    descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        until_s = time.monotonic() + LOCKED_WITHIN_S
        while not _try_lock(descriptor) and time.monotonic() < until_s:
            time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    """Take the lock; where the file system has none, go on without."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
