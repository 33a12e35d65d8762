"""Claims on exports: what each line of `exports.jsonl` says, and what all of them come to.

A run says that it is about to ask for a server's export, and then what came of it: so that a run
beside it, or after it, need not ask for another.
"""

from __future__ import annotations

import enum
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from collector.model.answers import Outstanding, Reusable
from collector.rundir.journal.values import is_export_id, is_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from collector.model.answers import SharedExport
    from collector.model.events import CredentialNamed


class What(enum.StrEnum):
    """What a line says of a server's export."""

    REQUESTED = "requested"
    """The run is about to ask for one."""
    NOT_STARTED = "not_started"
    """Nothing is known to have come of that."""
    STARTED = "started"
    """It has one: the line names it."""
    GONE = "gone"
    """Nobody will get an archive from it."""
    FETCHED = "fetched"
    """The run has its archive."""


class Whose(NamedTuple):
    """A server, as the credential that asks for it sees it: nobody else's exports are shared.

    Attributes:
        endpoint, project, server: as the API knows them.
        credential: a digest of what tells it from others, of which no secret is a part.
    """

    endpoint: str
    project: str
    server: str
    credential: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line: at that time, a run said that of a server."""

    at: str
    run: str
    what: What
    whose: Whose
    export_id: str = ""
    requested_at: str = ""

    def encoded(self) -> bytes:
        """Write it, with its newline."""
        record = {"at": self.at, "run": self.run, "what": self.what, **self.whose._asdict()}
        if self.export_id:
            record["export_id"] = self.export_id
        if self.requested_at:
            record["requested_at"] = self.requested_at
        return json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"


LONGEST_LINE = 64 << 10
"""In bytes: no line of ours comes near."""
_NAMES = ("at", "run", *Whose._fields)
_RUN = re.compile(r"[^./\0][^/\0]{0,254}")


def decoded(line: bytes) -> Line | None:
    """Read a line; None for what is none, as a crash or somebody else may leave it.

    What a line says is used as it is after this: a run's name as that of a directory, an export's
    id in a URL, times to reckon with.
    """
    if len(line) > LONGEST_LINE:
        return None
    try:
        record = json.loads(line)
        texts = {name: record[name] for name in _NAMES}
        more = {name: record.get(name, "") for name in ("export_id", "requested_at")}
        what = What(record["what"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not all(isinstance(text, str) for text in (*texts.values(), *more.values())):
        return None
    whose = Whose(*(texts[name] for name in Whose._fields))
    found = Line(texts["at"], texts["run"], what, whose, **more)
    return found if _is_believable(found) else None


def _is_believable(line: Line) -> bool:
    # What is taken over is recorded, and has to be read again.
    return (
        bool(_RUN.fullmatch(line.run))
        and line.run.isprintable()
        and is_time(line.at)
        and (not line.requested_at or is_time(line.requested_at))
        and (is_export_id(line.export_id) if line.export_id else line.what not in _NAMING)
    )


_NAMING = (What.STARTED, What.GONE, What.FETCHED)


def credential_digest(named: CredentialNamed) -> str:
    """Tell a credential from others by what its inventory says of it: never by its secret."""
    told = json.dumps([named.kind, named.account, sorted(named.options.items())])
    return hashlib.sha256(told.encode("utf-8", "backslashreplace")).hexdigest()[:16]


@dataclass(slots=True)
class _Export:
    run: str
    requested_at: str
    gone: bool = False
    fetched_by: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Server:
    asking: set[str] = field(default_factory=set)
    exports: dict[str, _Export] = field(default_factory=dict)


class Claimed:
    """What the lines come to, for the servers of one run.

    Args:
        run: its id.
        mine: whether a server is one of this run's.
        fresh_s: how old an export may be that is taken over; 0: none is.
        age_s: seconds since a time that a line tells.
        alive: whether a run's lock is held.
    """

    def __init__(
        self,
        run: str,
        mine: Callable[[Whose], bool],
        *,
        fresh_s: float,
        age_s: Callable[[str], float],
        alive: Callable[[str], bool],
    ) -> None:
        self._run = run
        self._mine = mine
        self._fresh_s = fresh_s
        self._age_s = age_s
        self._alive = alive
        self._servers: dict[Whose, _Server] = {}
        self._over: set[str] = set()
        self._living: set[str] = {run}

    def add(self, lines: Iterable[Line]) -> None:
        """Take note of lines, in their order, as far as they are about servers of this run."""
        for line in lines:
            if not self._mine(line.whose):
                continue
            server = self._servers.setdefault(line.whose, _Server())
            export = server.exports.get(line.export_id)
            match line.what:
                case What.REQUESTED:
                    server.asking.add(line.run)
                case What.NOT_STARTED:
                    server.asking.discard(line.run)
                case What.STARTED:
                    server.asking.discard(line.run)
                    server.exports[line.export_id] = _Export(line.run, line.requested_at or line.at)
                case What.GONE if export is not None:
                    export.gone = True
                case What.FETCHED if export is not None:
                    export.fetched_by.add(line.run)

    def begin(self) -> None:
        """Take note of which runs are over: what they have fetched is not for this one."""
        for server in self._servers.values():
            for export in server.exports.values():
                for run in (export.run, *export.fetched_by):
                    if run not in self._over and run not in self._living:
                        (self._living if self._alive(run) else self._over).add(run)

    def claim(self, whose: Whose, but: str | None) -> SharedExport | None:
        """Return what another run has to do with a server; None if an export is to be started.

        Args:
            whose: the server.
            but: the id of an export that is of no use to this run.
        """
        server = self._servers.get(whose)
        if server is None:
            return None
        usable = [
            (export.requested_at, id_, export.run)
            for id_, export in server.exports.items()
            if id_ != but and self._is_usable(export)
        ]
        if usable:
            requested_at, id_, run = max(usable)
            return Reusable(id_, requested_at, run)
        others = server.asking - {self._run} if self._fresh_s else ()
        return next((Outstanding(run) for run in others if self._alive(run)), None)

    def _is_usable(self, export: _Export) -> bool:
        if export.gone or export.fetched_by & self._over or self._run in export.fetched_by:
            return False
        if export.run == self._run:
            return True  # an earlier process of this run was killed before its journal said so
        return 0 < self._fresh_s >= self._age_s(export.requested_at)
