"""A selection as an inventory, which `load` can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from collector import providers
from collector.providers.rules import words_of

if TYPE_CHECKING:
    from collector.inventory.models import Credential, Project, ProjectLimits, Selection, Server


def to_mapping(selection: Selection) -> dict[str, Any]:
    """Return a selection as an inventory with every default written out.

    Projects are in the order of the inventory, without those that have no selected server; servers
    are in the order of collection.
    """
    inventory = selection.inventory
    servers: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in selection.servers:
        servers.setdefault(_key(one.project), []).append(_server(one.server))
    limits: dict[str, Any] = {"downloads": inventory.downloads}
    if inventory.bytes_per_second is not None:
        limits["bytes_per_second"] = inventory.bytes_per_second
    return {
        "version": inventory.version,
        "credentials": {
            name: credential_entry(credential) for name, credential in inventory.credentials.items()
        },
        "defaults": {"limits": limits},
        "projects": [
            _project(project, servers[_key(project)])
            for project in inventory.projects
            if _key(project) in servers
        ],
    }


def _key(project: Project) -> tuple[str, str]:
    return project.endpoint, project.id


def credential_entry(credential: Credential) -> dict[str, Any]:
    """Return an entry of `credentials` as an inventory has it."""
    kind = providers.find(credential.provider).rules.kinds[credential.kind]
    options = {
        key: words_of(value) if key in kind.lists else value
        for key, value in credential.options.items()
    }
    return {"kind": credential.kind, **options, "account": credential.account}


def _project(project: Project, servers: list[dict[str, Any]]) -> dict[str, Any]:
    region = {} if project.region is None else {"region": project.region}
    return {
        "id": project.id,
        "name": project.name,
        **region,
        "endpoint": project.endpoint,
        "provider": project.provider,
        "credentials": project.credentials,
        "limits": _limits(project.limits),
        "servers": servers,
    }


def _limits(limits: ProjectLimits) -> dict[str, Any]:
    ceilings = {
        "requests_per_second": limits.requests_per_second,
        "exports_in_flight": limits.exports_in_flight,
    }
    return {
        **{key: value for key, value in ceilings.items() if value is not None},
        "share": limits.share,
    }


def _server(server: Server) -> dict[str, Any]:
    tags = {"tags": dict(server.tags)} if server.tags else {}
    return {"id": server.id, "name": server.name, **tags, **server.facts}
