"""Makes what was discovered part of an inventory: a union in which the file's own words win."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from collector.discovery.filters import Filter
from collector.discovery.listing import PATIENCE, list_projects
from collector.inventory.models import Discover, Listing, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from collector.discovery.asking import Patience
    from collector.discovery.listing import Found
    from collector.inventory.models import Inventory, Project
    from collector.providers.directory import ListedServer
    from collector.providers.protocol import Access


async def discover(
    inventory: Inventory,
    access: Access,
    *,
    projects: Sequence[Project] | None = None,
    patience: Patience = PATIENCE,
    within_s: float = math.inf,
    on_listed: Callable[[Found], None] | None = None,
) -> Inventory:
    """Return an inventory with the servers of its projects that say `discover`.

    A project that cannot be listed, or not to its end, has a `listing` that says why.

    Args:
        inventory: the inventory.
        access: how to reach the services.
        projects: those to list; by default all that are open.
        patience: how often calls are tried.
        within_s: seconds after which projects that are not listed yet are given up.
        on_listed: is told each project when it is done.

    Raises:
        CollectorError: a secret is missing, or something else that all calls need.
    """
    wanted = inventory.open_projects if projects is None else projects
    found = await list_projects(
        wanted,
        inventory.credentials,
        access,
        patience=patience,
        within_s=within_s,
        on_listed=on_listed,
    )
    by_place = {(one.project.endpoint, one.project.id): one for one in found}
    return replace(
        inventory,
        projects=tuple(
            filled(project, by_place[key])
            if (key := (project.endpoint, project.id)) in by_place
            else project
            for project in inventory.projects
        ),
    )


def filled(project: Project, found: Found) -> Project:
    """Return a project with the servers that were found and its `discover` wants."""
    wanted = Filter(project.discover or Discover()).of(found.servers.values())
    listed = {one.id: server_of(one, found.alarms) for one in wanted}
    own = {server.id: _united(server, found) for server in project.servers}
    return replace(
        project,
        servers=(*own.values(), *(one for key, one in listed.items() if key not in own)),
        listing=Listing(
            found.calls,
            found.throttled,
            found.problem,
            found.attempts,
            found.alarms_problem,
            tuple(found.notes),
        ),
    )


def server_of(listed: ListedServer, alarms: Mapping[str, str]) -> Server:
    """Return a listed server as an inventory has it."""
    return Server(
        listed.id,
        listed.name,
        listed.tags,
        health=listed.health,
        rack=listed.rack,
        model=listed.model,
        alarm=alarms.get(listed.id),
    )


def _united(own: Server, found: Found) -> Server:
    """Return a server of the file with what the list adds to it."""
    listed = found.servers.get(own.id)
    if listed is None:
        return own
    return Server(
        own.id,
        listed.name if own.name == own.id else own.name,
        {**listed.tags, **own.tags},
        health=own.health or listed.health,
        rack=own.rack or listed.rack,
        model=own.model or listed.model,
        alarm=own.alarm or found.alarms.get(own.id),
    )
