"""The inventory as the rest of the program sees it: frozen, complete, every default applied."""

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
    """Ceilings that a person wrote for one project; None means none of our own.

    Attributes:
        requests_per_second: Calls a second.
        exports_in_flight: Exports that may run at once.
        share: The part of any learned limit that is used, above 0 and at most 1.
    """

    requests_per_second: float | None = None
    exports_in_flight: int | None = None
    share: float = SHARE


@dataclass(frozen=True, slots=True)
class Credential:
    """Where a secret is to be found, never the secret.

    Attributes:
        name: The entry's name.
        kind: The provider's word for the way of signing in.
        account: Whose quota is used: the same name shares one account's quota.
        options: The kind's fields: names of environment variables, absolute paths, URLs.
        provider: Whose rules the entry follows.
        variables: Environment variables that hold a secret of it.
    """

    name: str
    kind: str
    account: str
    options: Mapping[str, str] = field(hash=False)
    provider: str
    variables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Server:
    """One physical server. Its name is its id where the file gives none."""

    id: str
    name: str
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Project:
    """One project at one endpoint; its id stands once per endpoint.

    Attributes:
        id: The vendor's id.
        name: Names the project's directory; the id where the file gives none.
        endpoint: The API's URL, without a slash at its end.
        region: The region as written, None where the file gives an endpoint alone.
        provider: The name of the provider whose API it is.
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
        credentials: By the entry's name, those that no project uses included.
        downloads: Downloads at once in a run.
        bytes_per_second: For all downloads of a run together, None for no ceiling.
        secrets_missing: What is wrong with secrets, where it was loaded for no calls.
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
        """The servers to collect, in order.

        An expression is `key=value[,key=value...]` with the keys `project` (name or id), `id`,
        `name` and `tag:KEY`, and shell wildcards in values, which know capital letters. Commas
        mean and, several expressions mean or.

        Args:
            select: Servers that match any of these; all of them if there is none.
            exclude: Not those that match any of these.
            first: Those that match any of these stand before the rest.

        Raises:
            InventoryError: An expression cannot be read; every such mistake is named.
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
    """A server that was selected, and whether `first` put it before the rest."""

    project: Project
    server: Server
    first: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """The servers of one run.

    Attributes:
        inventory: Where they come from.
        select: The expressions of `select`, as given.
        servers: In the order to collect: those that match `first`, then the rest, each in the
            order of the inventory.
        unmatched: What is said of each expression that matches nothing; one of `first`, nothing
            of what is selected.
    """

    inventory: Inventory = field(repr=False)
    select: tuple[str, ...]
    servers: tuple[Selected, ...]
    unmatched: tuple[str, ...] = ()
