"""A project's servers, page by page (API reference, "Querying physical servers")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from collector.emulator import refusals
from collector.emulator.chance import fraction, opaque
from collector.emulator.odd_bodies import listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from collector.emulator.list_faults import ListFault
    from collector.emulator.refusals import Refusal
    from collector.emulator.roster import Page, Roster
    from collector.emulator.scenario import ProjectSpec, Scenario, ServerSpec

LEAST, MOST = 10, 1000
"""A page has as many servers as asked for, within these limits."""
_OPTIONAL = (
    "domain_id",
    "manage_state",
    "frozen_state",
    "power_state",
    "operation_state",
    "health_state",
    "onboard_time",
    "location",
    "hardware_attributes",
    "tags",
    "error",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for.

    Attributes:
        state: The manage_state; None means any.
        marker: The id of the last server of the page before; None means the first page.
        limit: The servers of a page.
    """

    state: str | None
    marker: str | None
    limit: int

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Asked | None:
        """Read it from a query; None if the limit is no number."""
        told = query.get("limit", "")
        if told.lstrip("-").isdecimal() and told.isascii():
            limit = min(max(int(told[:20]), LEAST), MOST)
        elif told:
            return None
        else:
            limit = LEAST
        return cls(query.get("manage_state") or None, query.get("marker") or None, limit)


class Listing:
    """Answers the calls for pages of servers."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario

    def answer(
        self,
        roster: Roster,
        request: web.BaseRequest,
        headers: Mapping[str, str],
        fault: ListFault | None,
    ) -> web.Response | Refusal:
        """Answer a call for a page of servers, in the way of the fault."""
        name = None if fault is None else fault.name
        asked = Asked.parse(request.rel_url.query)
        if asked is None:
            return refusals.service_fault("bad_parameter", "")
        if name == "vanish":
            page = roster.page(asked.state, asked.marker, asked.limit)
            if page is not None and page.servers:
                roster.remove(page.servers[0])
        elif name == "appear":
            roster.appear()
        page = roster.page(asked.state, asked.marker, asked.limit)
        if page is None:
            return refusals.service_fault("bad_parameter", "")
        servers: list[Any] = [
            describe(self._scenario, roster.project, server) for server in page.servers
        ]
        if name == "duplicate" and page.before is not None:
            servers.insert(0, describe(self._scenario, roster.project, page.before))
        body = {
            "servers": _oddly(servers, name),
            "page_info": self._page_info(request, asked, page, name),
            "count": roster.count(asked.state),
        }
        return listed(body, headers, fault)

    def _page_info(
        self, request: web.BaseRequest, asked: Asked, page: Page, fault: str | None
    ) -> dict[str, Any]:
        servers = page.servers
        form = self._scenario.list_markers
        info: dict[str, Any] = {
            "next_marker": None,
            "previous_marker": servers[0].id if servers and asked.marker else None,
            "current_count": 0 if fault == "empty_page" else len(servers),
        }
        if servers and (form == "always" or not page.is_last):
            info["next_marker"] = servers[-1].id
        if fault == "loop" and servers:
            info["next_marker"] = asked.marker or servers[0].id
        if form == "url" and info["next_marker"]:
            url = request.rel_url.update_query(marker=info["next_marker"])
            info["next_marker"] = str(url)
        if form == "never" or fault == "no_marker":
            del info["next_marker"]
        return info


def _oddly(servers: list[Any], fault: str | None) -> list[Any] | None:
    """Return the list as the fault makes it."""
    match fault:
        case "no_list":
            return None
        case "empty_page":
            return []
        case "null_fields":
            for server in servers:
                server.update(dict.fromkeys(_OPTIONAL))
        case "no_name":
            for server in servers:
                del server["name"]
        case "odd_types":
            for number, server in enumerate(servers):
                server.update(
                    name=number,
                    tags={"role": "db"},
                    location="r12",
                    hardware_attributes=[],
                    health_state=True,
                    manage_state=7,
                )
        case "odd_records":
            nameless = {**servers[0], "id": None} if servers else {}
            return [None, "server", *servers, nameless]
    return servers


def describe(scenario: Scenario, project: ProjectSpec, server: ServerSpec) -> dict[str, Any]:
    """Return a server as the API lists it, with all documented members."""
    serial = scenario.serial(server)
    return {
        "id": server.id,
        "name": server.name or server.id,
        "project_id": project.id,
        "domain_id": opaque(scenario.seed, "domain"),
        "manage_state": server.manage_state,
        "frozen_state": None,
        "power_state": "on",
        "operation_state": "power-on-succeed",
        "health_state": server.health,
        "onboard_time": "2024-07-01T11:32:49Z",
        "location": {
            "dc": server.dc,
            "rack": server.rack or None,
            "unit": str(1 + int(42 * fraction(serial, "unit"))),
        },
        "hardware_attributes": {
            "sn": serial,
            "manufacturer": "Huawei",
            "model": server.model or None,
            "main_board_manufacturer": "Huawei",
            "main_board_serial_number": f"0{serial[4:]}",
        },
        "tags": [{"key": key, "value": value} for key, value in server.tags.items()],
        "error": None,
    }
