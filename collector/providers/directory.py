"""`Directory`: lists the servers of a project, and their alarms, a page at a time.

A fleet that can list is one; a fleet that cannot does not offer it, and the provider's rules say
`lists=False`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, runtime_checkable

from collector.model.answers import NO_METADATA, ResponseMetadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.model.answers import Problem
    from collector.providers.protocol import ProjectAddress

ALARM_LEVELS: Final = ("critical", "major", "minor", "info")
"""Levels of alarms, the worst first."""


class ListedServer(NamedTuple):
    """One server of a list, with what the list tells of it.

    Attributes:
        id: as the API knows it; fit for a URL and for an inventory.
        name: what people call it; its id where it has no name.
        tags: text to text.
        manage_state: the service's word for where it is in its life; None where none is told.
        health: the service's word for how it does.
        rack: where it stands.
        model: what it is.
    """

    id: str
    name: str
    tags: Mapping[str, str] = MappingProxyType({})
    manage_state: str | None = None
    health: str | None = None
    rack: str | None = None
    model: str | None = None


class ServersPage(NamedTuple):
    """One page of a project's servers.

    Attributes:
        servers: those of the page that can be used, in its order.
        entries: how many entries the page has, unusable ones included.
        unusable: why an entry is none that can be used, a line an entry.
        total: how many servers there are on all pages, where the service says so.
        next_marker: what the next page is asked for with; None where the service names none.
        ends: whether the service says that no page follows.
    """

    servers: tuple[ListedServer, ...]
    entries: int
    unusable: tuple[str, ...] = ()
    total: int | None = None
    next_marker: str | None = None
    ends: bool = False
    metadata: ResponseMetadata = NO_METADATA


class ListedAlarm(NamedTuple):
    """One alarm of a server.

    Attributes:
        server_id: whose it is.
        level: one of `ALARM_LEVELS`, or the service's own word.
        active: whether it still holds, as far as the list tells.
    """

    server_id: str
    level: str
    active: bool = True


class AlarmsPage(NamedTuple):
    """One page of a project's alarms.

    Attributes:
        alarms: those that name a server and a level.
        entries: how many entries the page has.
        total: how many alarms there are on all pages, where the service says so.
    """

    alarms: tuple[ListedAlarm, ...]
    entries: int
    total: int | None = None
    metadata: ResponseMetadata = NO_METADATA


@runtime_checkable
class Directory(Protocol):
    """Lists what a project has. As of a `Fleet`, no method retries, sleeps, or raises."""

    async def list_servers(
        self, project: ProjectAddress, *, marker: str | None, limit: int, manage_state: str | None
    ) -> ServersPage | Problem:
        """List one page of a project's servers.

        Args:
            project: which.
            marker: where the page begins: `ServersPage.next_marker` or the id of the last server
                of the page before; None for the first one.
            limit: how many servers it may have; the service may send fewer.
            manage_state: only servers in this state; None for all.
        """

    async def list_alarms(
        self, project: ProjectAddress, *, offset: int, limit: int, since_s: float
    ) -> AlarmsPage | Problem:
        """List one page of the alarms of a project's servers that still hold.

        Args:
            project: which.
            offset: how many alarms come before the page.
            limit: how many it may have; the service may send fewer.
            since_s: only alarms that began since then, in Unix seconds.
        """
