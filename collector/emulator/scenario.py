"""Scenarios: a fleet, and how the API and its gateway behave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping  # noqa: TC003 - scenario_file reads these types at run time
from dataclasses import dataclass, field
from typing import Literal

from collector.emulator.alarms import AlarmSpec  # noqa: TC001 - as Mapping
from collector.emulator.chance import Spread, opaque
from collector.emulator.dialects import Dialect
from collector.emulator.errors import require
from collector.emulator.faults import Fault  # noqa: TC001 - as Mapping
from collector.emulator.iam_faults import IamFault  # noqa: TC001 - as Mapping
from collector.emulator.list_faults import ListFault  # noqa: TC001 - as Mapping
from collector.emulator.principals import KeySpec, TokenSpec, UserSpec
from collector.emulator.throttling import Throttle  # noqa: TC001 - as Mapping

ChecksumHeader = Literal["content-md5", "x-obs-meta-sha256", "digest", "repr-digest"]
ManageState = Literal["onboard", "os-ready", "ready", "in-use", "maintain", "frozen", "offboarding"]
Health = Literal["OK", "Warning", "Critical", "Unknown"]
DialectChoice = Literal["plain", "mixed"] | Dialect


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """One physical server. None means the scenario's value.

    Attributes:
        id: Its id in the API; unique in the scenario.
        name: For the inventory, and in lists; empty means the id.
        tags: For the inventory, and in lists.
        model: In lists: its hardware's model.
        rack: In lists: the rack it stands in; empty means none is told.
        dc: In lists: the name of its data centre.
        health: In lists: how it is.
        manage_state: In lists: what it is used for.
        alarms: Its alarms.
        faults: Its own faults, which come before those of all servers.
        dialect: How it words its answers.
        export_duration_s: How long its exports take, in seconds.
        archive_bytes: The approximate size of its archive.
        file_name: The archive's name; None means `SERIAL-dump.tar.gz`.
        content_disposition: The whole header, word for word.
    """

    id: str
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    model: str = "2288H V6"
    rack: str = ""
    dc: str = "dc-1"
    health: Health = "OK"
    manage_state: ManageState = "in-use"
    alarms: tuple[AlarmSpec, ...] = ()
    faults: tuple[Fault, ...] = ()
    dialect: DialectChoice | None = None
    export_duration_s: Spread | None = None
    archive_bytes: Spread | None = None
    file_name: str | None = None
    content_disposition: str | None = None

    def __post_init__(self) -> None:
        require(bool(self.id), "server: an id is needed")
        header = f"{self.file_name or ''}{self.content_disposition or ''}"
        require(
            not set(header) & set("\r\n\0"),
            f"server {self.id}: a line break or NUL cannot be sent in a header",
        )


@dataclass(frozen=True, slots=True)
class ProjectSpec:
    """One project and its servers.

    Attributes:
        id: Its id in the API.
        name: For the inventory; empty means the id.
        servers: Its servers.
        exports_in_flight: How many exports the service runs at once for it; None means the
            scenario's value.
    """

    id: str
    name: str = ""
    servers: tuple[ServerSpec, ...] = ()
    exports_in_flight: int | None = None

    def __post_init__(self) -> None:
        require(bool(self.id), "project: an id is needed")
        _refuse_no_exports(self.exports_in_flight)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that the emulator does; the same scenario gives the same behaviour.

    Attributes:
        seed: Decides every draw.
        projects: The fleet.
        tokens: The accepted tokens; the first is `Emulator.token`.
        users: Who may sign in at `POST /v3/auth/tokens`.
        keys: The access keys that requests may be signed with.
        gateway_codes: The codes of refused credentials: `APIGW.0301`, `APIG.0301`, or each by
            chance.
        foreign_project_status: How a credential is refused in a project that is not its own.
        key_lock_after: More wrong signatures of a key in a row than this lock it.
        key_lock_s: How long a key is locked, in seconds.
        iam_faults: What goes wrong with sign-ins.
        iam_throttle: How many sign-ins IAM allows; its scope `user` is one user, `ip` one machine.
        iam_errors: The form of IAM's errors: `{"error": {...}}`, `{"error_code": ...}`, or each by
            chance.
        iam_project_status: How a sign-in for a project is refused that is none of the user's.
        iam_lock_after: So many wrong passwords of a user in a row lock the user.
        iam_lock_s: How long a user is locked, and within how long that row counts, in seconds.
        list_faults: What goes wrong with lists of servers and alarms.
        list_markers: What `next_marker` is: the last id of the page, `until_end` (null on the last
            page) or `always`; the next page's `url`; or `never` told.
        alarms_per_page: How many alarms a page has at most, and unless asked for fewer.
        alarm_times: Whether the times of alarms are Unix milliseconds or seconds.
        throttles: The policies; all of them apply.
        throttled_calls_count: Whether refused calls count in the windows too.
        debug_headers: Whether `X-Apig-Mode: debug` is answered by `X-Apig-RateLimit-*`.
        exports_in_flight: How many exports the service runs at once for a project; a POST beyond
            them is answered by 429 iMetal.0005.
        export_duration_s: How long an export takes, in seconds.
        archive_bytes: The approximate compressed size of an archive.
        dialect: How servers word their answers; `mixed` gives each its own.
        faults: Faults of any server, mostly with a `probability`.
        latency_s: How long each call is delayed before the answer, in seconds.
        reuse_running_exports: Whether a second POST returns the running export, instead of
            starting another.
        content_length: Whether downloads have a Content-Length; else they are chunked.
        etag: Whether downloads carry an ETag.
        weak_etag: Whether it is a weak one, which is useless for ranges (RFC 9110).
        last_modified: Whether downloads carry Last-Modified.
        checksums: Which headers have the archive's hash: `content-md5` (only with the whole
            archive), `x-obs-meta-sha256`, `digest`, `repr-digest`.
        ranges: Whether downloads honour Range, and If-Range where there is an ETag.
        redirect_downloads: Whether a download is a redirect to a second origin.
        links_expire_after_s: Seconds from a redirect until its link is refused with 403.
        links_expire_after_calls: Requests that a link is good for.
        clock_skew_s: How far the service's clock is ahead of this machine's.
    """

    seed: int = 0
    projects: tuple[ProjectSpec, ...] = ()
    tokens: tuple[TokenSpec, ...] = (TokenSpec(),)
    users: tuple[UserSpec, ...] = (UserSpec(),)
    keys: tuple[KeySpec, ...] = (KeySpec(),)
    gateway_codes: Literal["APIGW", "APIG", "mixed"] = "APIGW"
    foreign_project_status: Literal[401, 403] = 401
    key_lock_after: int = 5
    key_lock_s: float = 300.0
    iam_faults: tuple[IamFault, ...] = ()
    iam_throttle: Throttle | None = None
    iam_errors: Literal["keystone", "code", "mixed"] = "keystone"
    iam_project_status: Literal[401, 403, 404] = 401
    iam_lock_after: int = 5
    iam_lock_s: float = 900.0
    list_faults: tuple[ListFault, ...] = ()
    list_markers: Literal["until_end", "always", "url", "never"] = "until_end"
    alarms_per_page: int = 100
    alarm_times: Literal["ms", "s"] = "ms"
    throttles: tuple[Throttle, ...] = ()
    throttled_calls_count: bool = False
    debug_headers: bool = True
    exports_in_flight: int | None = None
    export_duration_s: Spread = 1.0
    archive_bytes: Spread = 4096
    dialect: DialectChoice = "plain"
    faults: tuple[Fault, ...] = ()
    latency_s: Spread = 0.0
    reuse_running_exports: bool = False
    content_length: bool = True
    etag: bool = True
    weak_etag: bool = False
    last_modified: bool = False
    checksums: tuple[ChecksumHeader, ...] = ()
    ranges: bool = True
    redirect_downloads: bool = False
    links_expire_after_s: float | None = None
    links_expire_after_calls: int | None = None
    clock_skew_s: float = 0.0

    def __post_init__(self) -> None:
        require(bool(self.tokens), "tokens: at least one is needed")
        _refuse_no_exports(self.exports_in_flight)
        require(self.etag or not self.weak_etag, "weak_etag: there is no etag")
        self._refuse_what_cannot_strike()
        require(self.key_lock_after >= 0, "key_lock_after: must be 0 or more")
        require(self.alarms_per_page >= 1, "alarms_per_page: must be 1 or more")
        projects = {project.id for project in self.projects}
        for fault in self.list_faults:
            require(
                not projects or fault.project in ("", *projects),
                f"list_faults: there is no project {fault.project!r}",
            )
        require(self.iam_lock_after >= 1, "iam_lock_after: must be 1 or more")
        _refuse_twins("tokens", [token.value for token in self.tokens])
        _refuse_twins("users", [user.label for user in self.users])
        _refuse_twins("keys", [key.ak for key in self.keys])
        _refuse_twins("projects", [project.id for project in self.projects])
        _refuse_twins("servers", [s.id for project in self.projects for s in project.servers])

    def _refuse_what_cannot_strike(self) -> None:
        """Refuse options that would have no effect."""
        names = {fault.name for fault in self.faults}
        names |= {f.name for p in self.projects for s in p.servers for f in s.faults}
        require(
            bool(self.checksums) or "wrong_checksum" not in names,
            "wrong_checksum: there are no checksums",
        )
        for option, is_given in (
            ("link_expired", "link_expired" in names),
            ("links_expire_after_s", self.links_expire_after_s is not None),
            ("links_expire_after_calls", self.links_expire_after_calls is not None),
        ):
            require(
                self.redirect_downloads or not is_given,
                f"{option}: there are no links without redirect_downloads",
            )

    def file_name(self, server: ServerSpec) -> str:
        """Return the API's name for a server's archive; the serial number is not the id."""
        if server.file_name is not None:
            return server.file_name
        return f"{self.serial(server)}-dump.tar.gz"

    def serial(self, server: ServerSpec) -> str:
        """Return a server's serial number."""
        return "2102" + opaque(self.seed, server.id, "serial")[:16].upper()


def _refuse_no_exports(limit: int | None) -> None:
    require(limit is None or limit >= 1, "exports_in_flight: must be 1 or more")


def _refuse_twins(where: str, ids: list[str]) -> None:
    if len(set(ids)) < len(ids):
        twin = Counter(ids).most_common(1)[0][0]
        require(False, f"{where}: {twin!r} is listed twice")  # noqa: FBT003 - it did not hold
