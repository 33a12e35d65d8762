"""Answers: what a provider or the archive said. They go into the engine and are not recorded."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

_OF_A_RUN: Final = re.compile(r"[,;] then --resume the run.*", re.DOTALL)
"""The end of hints for those who have a run already."""


class Call(enum.StrEnum):
    """The three things a fleet's API is asked for, one after the other, for every server."""

    START_EXPORT = "start_export"
    ASK_STATUS = "ask_status"
    FETCH_ARCHIVE = "fetch_archive"


class ScopeKind(enum.StrEnum):
    """Who shares a limit: the words of the gateway, and two of our own."""

    API = "api"
    """This one call at this endpoint."""
    USER = "user"
    """Every call of an account."""
    APP = "app"
    """Every call of a credential."""
    IP = "ip"
    """Every call from this machine's address."""
    PROJECT = "project"
    """Every call for a project: where the service itself, not its gateway, throttles."""
    ENDPOINT = "endpoint"
    """Every call to an endpoint: where it cannot be reached."""


class Scope(NamedTuple):
    """A limit belongs to a scope, and a call passes several at once."""

    kind: ScopeKind
    name: str


@dataclass(frozen=True, slots=True)
class LimitTold:
    """The service said how many calls it allows in a window of time."""

    kind: ScopeKind
    limit: int
    window_s: float
    remaining: int | None = None


class ProblemKind(enum.StrEnum):
    """Everything that can go wrong with a call, as the engine tells it apart."""

    NOT_SENT = "not_sent"
    """The request never left: DNS, connection refused, TLS, no connection in time."""
    THROTTLED = "throttled"
    """429: over a limit; nothing was done."""
    NOT_READY = "not_ready"
    """The server or its export is not in a state to be asked; later it may be."""
    UNKNOWN_SERVER = "unknown_server"
    """The API does not know this server (or project)."""
    FORGOTTEN = "forgotten"
    """The API does not know this export (any more)."""
    EXPORT_FAILED = "export_failed"
    """The export itself ended without an archive."""
    FORBIDDEN = "forbidden"
    """The credential is good, and is not allowed to do this."""
    UNAUTHENTICATED = "unauthenticated"
    """The credential is wrong or has expired."""
    BAD_REQUEST = "bad_request"
    """The API refuses the request for what it says; it would refuse it again."""
    SERVICE_FAILED = "service_failed"
    """5xx with the service's own error body: it failed, and it says that it did."""
    UNREADABLE = "unreadable"
    """An answer that is none: a page under any status, JSON without what is needed, bad HTTP."""
    CUT = "cut"
    """The request left and its answer did not arrive whole: reset, time-out, too few bytes."""
    INVALID_ARCHIVE = "invalid_archive"
    """All bytes arrived, and they are no whole archive."""
    TOO_LARGE = "too_large"
    """The archive, or what it unpacks to, is over what a person allows."""
    CHANGED = "changed"
    """The archive is another one than that whose beginning is here."""
    TOO_SLOW = "too_slow"
    """The download has taken longer than a person allows."""
    LINK_REFUSED = "link_refused"
    """The place that the service sent us to for the archive does not take its link (any more)."""
    FILE_REFUSED = "file_refused"
    """The disk does not take this file, for its size or its name, and would take others."""
    DISK = "disk"
    """The archive could not be written here."""


@dataclass(frozen=True, slots=True)
class ResponseMetadata:
    """What an answer tells beside its content."""

    limits: tuple[LimitTold, ...] = ()
    clock_offset_s: float | None = None
    """This machine's clock less the service's, as far as an HTTP date of whole seconds can tell."""


NO_METADATA = ResponseMetadata()


@dataclass(frozen=True, slots=True)
class Problem:
    """A call that did not bring what it was made for.

    Attributes:
        kind: what it means for the next step.
        message: what happened, for a person to read; without the server's name and secrets.
        code: the service's own error code, where it gave one.
        http_status: the HTTP status, where there was an answer.
        request_id: what the vendor's support asks for.
        throttled_by: the scope that a 429 named, where it did.
        retry_after_s: seconds to wait, where the answer said so: as said, not yet believed.
        hint: what to do about it, where the provider knows better than `engine/outcomes/hints.py`.
        renewed: with `UNAUTHENTICATED`: the secret has changed since; it is worth another try. With
            `sign_in` too, the call was held back for that, and did not leave.
        sign_in: with `UNAUTHENTICATED`: it arose in signing in, and no call to the fleet's API was
            made. With `retry_after_s` it may pass, without it is final for this secret.
        everywhere: with `UNAUTHENTICATED`: the secret is no good in any project: its key is
            unknown, or its signature wrong. Services lock keys that are tried so time and again.
        elsewhere: it is about a place that the endpoint had sent us to.
        blocked: the request was refused before the service acted on it: a POST started nothing.
    """

    kind: ProblemKind
    message: str
    code: str | None = None
    http_status: int | None = None
    request_id: str | None = None
    throttled_by: ScopeKind | None = None
    retry_after_s: float | None = None
    hint: str | None = None
    renewed: bool = False
    sign_in: bool = False
    everywhere: bool = False
    elsewhere: bool = False
    blocked: bool = False
    metadata: ResponseMetadata = NO_METADATA

    def before_a_failure(self) -> Problem:
        """Return it as long as no server has failed for it: its hint speaks of no `--resume`."""
        return self if self.hint is None else replace(self, hint=_OF_A_RUN.sub("", self.hint))


class ExportState(enum.StrEnum):
    """How far an export is, whatever word the service has for it."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ExportSaid:
    """The service's answer to a start or a status call.

    Attributes:
        export_id: opaque; as given.
        state: how far it is; a word nobody knows means `RUNNING`.
        word: the service's own word, as given.
        known: whether the word is one we know.
        percent: 0 to 100, where given.
        location: where the archive of a completed export lies, in words of the provider's own:
            `open_archive` is given it back. It is recorded, and shown nowhere.
    """

    export_id: str
    state: ExportState
    word: str
    known: bool = True
    percent: float | None = None
    location: str | None = field(default=None, repr=False, kw_only=True)
    metadata: ResponseMetadata = NO_METADATA


@dataclass(frozen=True, slots=True)
class Checksum:
    """A hash of a whole archive, as the service gives it beside the archive.

    Attributes:
        algorithm: `md5`, `sha1`, `sha256` or `sha512`: a name that hashlib knows.
        digest: in hex, in lower case.
        source: where it was given, for a person to read: the header's name.
    """

    algorithm: str
    digest: str
    source: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A whole archive, verified to its last byte, under its final name.

    Attributes:
        file_name: the name it has on disk, in its server's directory.
        bytes: its size.
        sha256: of the file, in hex.
        members: how many members Python's `tarfile` lists.
        oldest_s, newest_s: the earliest and latest modification time of its regular members,
            in Unix seconds; None where it has none.
    """

    file_name: str
    bytes: int
    sha256: str
    members: int
    oldest_s: float | None
    newest_s: float | None
    metadata: ResponseMetadata = NO_METADATA


@dataclass(frozen=True, slots=True)
class Reusable:
    """Another run has started an export of this server, and it serves this one as well.

    Attributes:
        export_id: the service's.
        requested_at: when it was asked for, as the journal writes a time.
        run: the id of the run that did.
    """

    export_id: str
    requested_at: str
    run: str


@dataclass(frozen=True, slots=True)
class Outstanding:
    """Another run has asked for an export of this server, and was not answered yet."""

    run: str


@dataclass(frozen=True, slots=True)
class ArchiveOpened:
    """An archive's first bytes are on their way: the API has answered the call."""

    metadata: ResponseMetadata = NO_METADATA


@dataclass(frozen=True, slots=True)
class PartBegun:
    """What comes of an archive is written to a file that a later try can go on with.

    Attributes:
        file_name: what the file shall be called.
        length: bytes the whole archive has, where the service said so.
        validator: its strong ETag, quotes included, where it has one.
        continues: it goes on from what an earlier try had left.
    """

    file_name: str
    length: int | None
    validator: str | None
    continues: bool


@dataclass(frozen=True, slots=True)
class BytesArrived:
    """So many more bytes of an archive are here."""

    size: int


@dataclass(frozen=True, slots=True)
class BytesConsumed:
    """What had arrived is dealt with, and more is asked for."""


@dataclass(frozen=True, slots=True)
class ArchiveReceived:
    """An archive's last byte is here: only the disk is waited for."""


Progress = ArchiveOpened | PartBegun | BytesArrived | BytesConsumed | ArchiveReceived
"""How far a download is. None of these ends it."""
Outcome = ExportSaid | Stored | Problem
"""What ends a call."""
Answer = Outcome | Progress
SharedExport = Reusable | Outstanding
"""What another run has to do with a server, so that no POST is to leave for it now."""
