"""The inventory of a fleet, as a collector's user would write it: version 1, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collector.emulator.scenario import Scenario


def inventory(scenario: Scenario, endpoint: str) -> dict[str, Any]:
    """The inventory that collects the whole fleet from `endpoint`.

    The token is not in it, but in the environment variable `CLOUDDC_TOKEN`.
    """
    return {
        "version": 1,
        "credentials": {"emulator": {"kind": "token", "token_env": "CLOUDDC_TOKEN"}},
        "defaults": {"credentials": "emulator"},
        "projects": [
            {
                "id": project.id,
                "name": project.name or project.id,
                "endpoint": endpoint,
                "servers": [
                    {
                        "id": server.id,
                        "name": server.name or server.id,
                        "tags": dict(server.tags),
                    }
                    for server in project.servers
                ],
            }
            for project in scenario.projects
        ],
    }
