"""The inventory for the rest of the program: frozen, complete, with all defaults applied."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from collector.inventory import selection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from collector.inventory.mistakes import Mistake

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
    """One physical server. Its name defaults to its id."""

    id: str
    name: str
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)


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
        servers: In the order of the file.
    """

    id: str
    name: str
    endpoint: str
    region: str | None
    provider: str
    credentials: str
    limits: ProjectLimits
    servers: tuple[Server, ...] = field(repr=False)


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
        `name` and `tag:KEY`, and case-sensitive shell wildcards in values. Commas mean and, several
        expressions mean or.

        Args:
            select: Servers that match any of these; all of them if there is none.
            exclude: Not those that match any of these.
            first: Those that match any of these go before the rest.

        Raises:
            InventoryError: An expression is invalid; every mistake is named.
        """
        wanted, unwanted, urgent = selection.read(select=select, exclude=exclude, first=first)
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
        return Selection(self, tuple(select), tuple(chosen), unmatched)


@dataclass(frozen=True, slots=True)
class Selected:
    """A selected server, and whether `first` put it before the rest."""

    project: Project
    server: Server
    first: bool = False


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
    """

    inventory: Inventory = field(repr=False)
    select: tuple[str, ...]
    servers: tuple[Selected, ...]
    unmatched: tuple[str, ...] = ()
