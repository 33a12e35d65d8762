"""Claims on exports, the lines of `exports.jsonl`, and the ledger that adds them up.

A run claims a server's export before its POST, and records what came of it, so that runs beside it
or after it need not start another.
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


class ClaimKind(enum.StrEnum):
    """What a claim says about a server's export."""

    REQUESTED = "requested"
    """The run is about to start one."""
    NOT_STARTED = "not_started"
    """As far as is known, none was started."""
    STARTED = "started"
    """It was started; the claim has its id."""
    GONE = "gone"
    """It will yield no archive."""
    FETCHED = "fetched"
    """The run has downloaded its archive."""


class ServerKey(NamedTuple):
    """A server as one credential sees it; exports are shared only under the same credential.

    Attributes:
        endpoint, project, server: as the API knows them.
        credential: a digest of its description, without any secret.
    """

    endpoint: str
    project: str
    server: str
    credential: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One line: at that time, a run claimed that about a server."""

    at: str
    run: str
    what: ClaimKind
    key: ServerKey
    export_id: str = ""
    requested_at: str = ""

    def encode(self) -> bytes:
        """Return the line, newline included."""
        record = {"at": self.at, "run": self.run, "what": self.what, **self.key._asdict()}
        if self.export_id:
            record["export_id"] = self.export_id
        if self.requested_at:
            record["requested_at"] = self.requested_at
        return json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"


LONGEST_LINE = 64 << 10
"""In bytes; our own lines are far shorter."""
_NAMES = ("at", "run", *ServerKey._fields)
_RUN = re.compile(r"[^./\0][^/\0]{0,254}")


def decode(line: bytes) -> Claim | None:
    """Read a line; None if it is invalid, as a crash or somebody else may leave it.

    Its values are used unchecked after this: the run's name as a directory's, the export's id in
    a URL, times in calculations.
    """
    if len(line) > LONGEST_LINE:
        return None
    try:
        record = json.loads(line)
        texts = {name: record[name] for name in _NAMES}
        more = {name: record.get(name, "") for name in ("export_id", "requested_at")}
        what = ClaimKind(record["what"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not all(isinstance(text, str) for text in (*texts.values(), *more.values())):
        return None
    key = ServerKey(*(texts[name] for name in ServerKey._fields))
    found = Claim(texts["at"], texts["run"], what, key, **more)
    return found if _is_believable(found) else None


def _is_believable(line: Claim) -> bool:
    # A reused export is recorded in the journal, which must be readable again.
    return (
        bool(_RUN.fullmatch(line.run))
        and line.run.isprintable()
        and is_time(line.at)
        and (not line.requested_at or is_time(line.requested_at))
        and (is_export_id(line.export_id) if line.export_id else line.what not in _NAMING)
    )


_NAMING = (ClaimKind.STARTED, ClaimKind.GONE, ClaimKind.FETCHED)


def credential_digest(named: CredentialNamed) -> str:
    """Return a digest of a credential's description in the inventory, without its secret."""
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


class Ledger:
    """Adds up the claims on the servers of one run.

    Args:
        run: its id.
        is_ours: whether a server is one of this run's.
        fresh_s: the age up to which another run's export is reused, in seconds; 0: never.
        age_s: returns the seconds since a claim's time.
        alive: whether a run's lock is held.
    """

    def __init__(
        self,
        run: str,
        is_ours: Callable[[ServerKey], bool],
        *,
        fresh_s: float,
        age_s: Callable[[str], float],
        alive: Callable[[str], bool],
    ) -> None:
        self._run = run
        self._is_ours = is_ours
        self._fresh_s = fresh_s
        self._age_s = age_s
        self._alive = alive
        self._servers: dict[ServerKey, _Server] = {}
        self._over: set[str] = set()
        self._living: set[str] = {run}

    def add(self, lines: Iterable[Claim]) -> None:
        """Add claims, in their order; those on other servers are ignored."""
        for line in lines:
            if not self._is_ours(line.key):
                continue
            server = self._servers.setdefault(line.key, _Server())
            export = server.exports.get(line.export_id)
            match line.what:
                case ClaimKind.REQUESTED:
                    server.asking.add(line.run)
                case ClaimKind.NOT_STARTED:
                    server.asking.discard(line.run)
                case ClaimKind.STARTED:
                    server.asking.discard(line.run)
                    server.exports[line.export_id] = _Export(line.run, line.requested_at or line.at)
                case ClaimKind.GONE if export is not None:
                    export.gone = True
                case ClaimKind.FETCHED if export is not None:
                    export.fetched_by.add(line.run)

    def note_ended_runs(self) -> None:
        """Note which runs have ended: what those have fetched is not reused."""
        for server in self._servers.values():
            for export in server.exports.values():
                for run in (export.run, *export.fetched_by):
                    if run not in self._over and run not in self._living:
                        (self._living if self._alive(run) else self._over).add(run)

    def lookup(self, key: ServerKey, unusable: str | None) -> SharedExport | None:
        """Return another run's export of a server; None if this run should start one.

        Args:
            key: the server.
            unusable: the id of an export that is of no use to this run.
        """
        server = self._servers.get(key)
        if server is None:
            return None
        usable = [
            (export.requested_at, id_, export.run)
            for id_, export in server.exports.items()
            if id_ != unusable and self._is_usable(export)
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
            return True  # an earlier process of this run was killed before its journal had it
        return 0 < self._fresh_s >= self._age_s(export.requested_at)
