"""The inventory for the rest of the program: frozen, complete, with all defaults applied."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from collector.inventory import selection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from collector.inventory.mistakes import Mistake
    from collector.model.answers import Problem

FACTS = ("health", "rack", "model", "alarm")
"""What the API lists of a server, beside its name and tags."""
DOWNLOADS = 8
SHARE = 0.95


@dataclass(frozen=True, slots=True)
class ProjectLimits:
    """Ceilings from the inventory for one project; None means no ceiling.

    Attributes:
        requests_per_second: Calls per second.
        exports_in_flight: Concurrent exports.
        share: The share of each learned limit to use, above 0 and at most 1.
    """

    requests_per_second: float | None = None
    exports_in_flight: int | None = None
    share: float = SHARE


@dataclass(frozen=True, slots=True)
class Credential:
    """Where to find a secret, never the secret.

    Attributes:
        name: The entry's name.
        kind: The provider's word for the way of signing in.
        account: The account whose quota is used; credentials with the same one share it.
        options: The kind's fields: names of environment variables, absolute paths, URLs.
        provider: Whose rules the entry follows.
        variables: Environment variables with its secrets.
    """

    name: str
    kind: str
    account: str
    options: Mapping[str, str] = field(hash=False)
    provider: str
    variables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Server:
    """One physical server. Its name defaults to its id.

    Attributes:
        id: The vendor's id.
        name: What people call it.
        tags: Whatever people write.
        health: The service's word for how it does; this and the rest as the API listed them.
        rack: Where it stands.
        model: What it is.
        alarm: The worst alarm that held.
    """

    id: str
    name: str
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    health: str | None = None
    rack: str | None = None
    model: str | None = None
    alarm: str | None = None

    @property
    def facts(self) -> dict[str, str]:
        """What the API listed of it, where anything is known."""
        values = (self.health, self.rack, self.model, self.alarm)
        return {name: value for name, value in zip(FACTS, values, strict=True) if value is not None}


@dataclass(frozen=True, slots=True)
class Discover:
    """Which of a project's servers the API is asked for; values may have shell wildcards.

    Attributes:
        manage_state: Any of these; none for all.
        tags: All of these.
        health: Any of these; none for all.
        rack: As for `health`.
        name: As for `health`.
        alarms_s: Alarms that began within so many seconds are asked for too; None for no alarms.
    """

    manage_state: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    health: tuple[str, ...] = ()
    rack: tuple[str, ...] = ()
    name: tuple[str, ...] = ()
    alarms_s: float | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """What came of listing a project's servers.

    Attributes:
        calls: Calls that it took.
        throttled: How many of them were refused as too many.
        problem: Why the list is missing or has gaps; None if it is whole.
        attempts: Tries of the call that failed.
        alarms_problem: Why alarms are not all known.
        notes: What is odd about the list, for people.
    """

    calls: int = 0
    throttled: int = 0
    problem: Problem | None = None
    attempts: int = 0
    alarms_problem: Problem | None = None
    notes: tuple[str, ...] = ()

    def obstacle(self, *, by_alarm: bool) -> Problem | None:
        """Return why a selection may lack servers; `by_alarm`: alarms decide which it has."""
        return self.problem or (self.alarms_problem if by_alarm else None)


@dataclass(frozen=True, slots=True)
class Project:
    """One project at one endpoint; its id is unique per endpoint.

    Attributes:
        id: The vendor's id.
        name: Names the project's directory; defaults to the id.
        endpoint: The API's URL, without a trailing slash.
        region: The region as written; None if the file gives only an endpoint.
        provider: The provider's name.
        credentials: The name of the entry in `Inventory.credentials`.
        limits: The project's own, else those of `defaults`.
        servers: In the order of the file, then those that were discovered.
        discover: Which servers the API is to be asked for; None if the file lists them all.
        listing: What came of that; None before, and where nothing is to be asked for.
    """

    id: str
    name: str
    endpoint: str
    region: str | None
    provider: str
    credentials: str
    limits: ProjectLimits
    servers: tuple[Server, ...] = field(repr=False)
    discover: Discover | None = None
    listing: Listing | None = field(default=None, repr=False)

    @property
    def is_open(self) -> bool:
        """Whether the API is still to be asked for its servers."""
        return self.discover is not None and self.listing is None


@dataclass(frozen=True, slots=True)
class Inventory:
    """A valid inventory.

    Attributes:
        version: The version of the format, 1.
        source_name: The file's name as it was given, or `<stdin>`.
        sha256: Of the bytes that were read, in hex.
        projects: In the order of the file.
        credentials: By the entry's name, unused ones included.
        downloads: Concurrent downloads in a run.
        bytes_per_second: For all downloads of a run together; None for no ceiling.
        secrets_missing: Problems with secrets, if it was loaded without calls to make.
    """

    version: int
    source_name: str
    sha256: str
    projects: tuple[Project, ...]
    credentials: Mapping[str, Credential] = field(hash=False)
    downloads: int = DOWNLOADS
    bytes_per_second: int | None = None
    secrets_missing: tuple[Mistake, ...] = ()

    def select(
        self,
        select: Sequence[str] = (),
        exclude: Sequence[str] = (),
        first: Sequence[str] = (),
    ) -> Selection:
        """Return the servers to collect, in order.

        An expression is `key=value[,key=value...]` with the keys `project` (name or id), `id`,
        `name` and `tag:KEY`, for discovered servers also `health`, `rack` and `alarm`, and
        case-sensitive shell wildcards in values. Commas mean and, several expressions mean or.

        Args:
            select: Servers that match any of these; all of them if there is none.
            exclude: Not those that match any of these.
            first: Those that match any of these go before the rest.

        Raises:
            InventoryError: An expression is invalid; every mistake is named.
        """
        wanted, unwanted, urgent = self._read(select, exclude, first)
        chosen = [
            Selected(project, server, selection.matches(urgent, project, server))
            for project in self.projects
            for server in project.servers
            if (not wanted or selection.matches(wanted, project, server))
            and not selection.matches(unwanted, project, server)
        ]
        if urgent:
            chosen.sort(key=lambda one: not one.first)
        everywhere = [(one, server) for one in self.projects for server in one.servers]
        left = [(one.project, one.server) for one in chosen]
        here = f"server in {self.source_name}"
        among = (left, "selected server") if left else (everywhere, here)
        unmatched = (
            *selection.unmatched("select", select, wanted, everywhere, here),
            *selection.unmatched("exclude", exclude, unwanted, everywhere, here),
            *selection.unmatched("first", first, urgent, *among),
        )
        by_alarm = selection.asks_for("alarm", (*wanted, *unwanted))
        unlisted = tuple(
            Unlisted(project, problem, project.listing.attempts)
            for project in self.projects
            if project.listing is not None
            and (problem := project.listing.obstacle(by_alarm=by_alarm)) is not None
            and self._may_have(project, wanted, unwanted)
        )
        unasked = self._unasked(wanted, unwanted)
        return Selection(self, tuple(select), tuple(chosen), unmatched, unlisted, unasked)

    def to_list(
        self,
        select: Sequence[str] = (),
        exclude: Sequence[str] = (),
        first: Sequence[str] = (),
    ) -> tuple[Project, ...]:
        """Return the projects that are to be listed before a selection can be made of them.

        Args:
            select: As for `select`; projects of which it can match no server need no list.
            exclude: As for `select`.
            first: As for `select`.

        Raises:
            InventoryError: An expression is invalid; every mistake is named.
        """
        wanted, unwanted, _ = self._read(select, exclude, first)
        return self._unasked(wanted, unwanted)

    def _unasked(
        self, wanted: tuple[selection.Filter, ...], unwanted: tuple[selection.Filter, ...]
    ) -> tuple[Project, ...]:
        return tuple(
            project for project in self.open_projects if self._may_have(project, wanted, unwanted)
        )

    @property
    def open_projects(self) -> tuple[Project, ...]:
        """The projects of which only the API knows all servers, and was not asked."""
        return tuple(project for project in self.projects if project.is_open)

    def _read(
        self, select: Sequence[str], exclude: Sequence[str], first: Sequence[str]
    ) -> list[tuple[selection.Filter, ...]]:
        discovered = any(
            project.discover is not None or any(server.facts for server in project.servers)
            for project in self.projects
        )
        return selection.read(discovered=discovered, select=select, exclude=exclude, first=first)

    @staticmethod
    def _may_have(
        project: Project,
        wanted: tuple[selection.Filter, ...],
        unwanted: tuple[selection.Filter, ...],
    ) -> bool:
        """Whether a selection can have servers of a project, whatever servers it has."""
        return (not wanted or selection.may_match(wanted, project)) and not selection.covers(
            unwanted, project
        )


@dataclass(frozen=True, slots=True)
class Selected:
    """A selected server, and whether `first` put it before the rest."""

    project: Project
    server: Server
    first: bool = False


@dataclass(frozen=True, slots=True)
class Unlisted:
    """A project whose servers are not all known, and why."""

    project: Project
    problem: Problem
    attempts: int


@dataclass(frozen=True, slots=True)
class Selection:
    """The servers of one run.

    Attributes:
        inventory: The inventory that they come from.
        select: The expressions of `select`, as given.
        servers: In the order of collection: those that match `first`, then the rest, each in the
            order of the inventory.
        unmatched: A message for each expression that matches nothing; for `first`, nothing that is
            selected.
        unlisted: Projects whose servers are not all known, since they could not be listed; the
            selection might have more of them.
        unasked: Projects of which only the API knows all servers, and was not asked; likewise.
    """

    inventory: Inventory = field(repr=False)
    select: tuple[str, ...]
    servers: tuple[Selected, ...]
    unmatched: tuple[str, ...] = ()
    unlisted: tuple[Unlisted, ...] = ()
    unasked: tuple[Project, ...] = ()
