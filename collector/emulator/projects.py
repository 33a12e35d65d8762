"""The calls about a project's servers: its list, and its alarms."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from collector.emulator import refusals
from collector.emulator.alarms import Alarms
from collector.emulator.chance import draw
from collector.emulator.list_faults import LIST_REFUSALS, ListFault
from collector.emulator.listing import Listing
from collector.emulator.refusals import Refusal
from collector.emulator.strikes import Strikes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from collector.emulator.calls import ListCall
    from collector.emulator.roster import Fleet
    from collector.emulator.scenario import Scenario
    from collector.emulator.statistics import Statistics


class Projects:
    """Answers the calls about projects that pass the gateway.

    Args:
        scenario: The fleet and its behaviour.
        statistics: Where everything is counted.
        fleet: The servers that are there now.
    """

    def __init__(self, scenario: Scenario, statistics: Statistics, fleet: Fleet) -> None:
        self._scenario = scenario
        self._statistics = statistics
        self._fleet = fleet
        self._listing = Listing(scenario)
        self._alarms = Alarms(scenario, time.time() + scenario.clock_skew_s)
        self._faults: dict[ListCall, Strikes[ListFault]] = {}
        self._calls: dict[ListCall, int] = {}

    async def answer(
        self, request: web.BaseRequest, call: ListCall, headers: Mapping[str, str]
    ) -> web.Response | Refusal | None:
        """Answer one call; None means that its connection is reset."""
        roster = self._fleet.roster(call.project_id)
        if roster is None:
            return refusals.service_fault("no_permission", "")
        self._calls[call] = self._calls.get(call, 0) + 1
        latency_s = draw(self._scenario.latency_s, self._scenario.seed, call, self._calls[call])
        if latency_s:
            await asyncio.sleep(latency_s)
        fault = self._strikes(call).strike()
        if fault is not None:
            self._statistics.struck(f"{call.kind}_{fault.name}")
            if fault.name == "silent":
                # Until the client has had enough: its going cancels the request.
                await asyncio.Event().wait()
            if fault.name in LIST_REFUSALS:
                return _refusal(fault)
        answering = self._listing if call.kind == "list" else self._alarms
        return answering.answer(roster, request, headers, fault)

    def _strikes(self, call: ListCall) -> Strikes[ListFault]:
        if call not in self._faults:
            self._faults[call] = Strikes(
                [
                    fault
                    for fault in self._scenario.list_faults
                    if fault.call == call.kind and fault.project in ("", call.project_id)
                ]
            )
        return self._faults[call]


def _refusal(fault: ListFault) -> Refusal | None:
    """Return the fault's answer; None if the connection is to be reset."""
    later = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
    match fault.name:
        case "throttled":
            refusal = refusals.too_many_requests()
            return Refusal(refusal.status, refusal.body, refusal.content_type, later)
        case "unavailable":
            return Refusal(503, b"down for maintenance\n", "text/plain", later)
        case "html":
            return refusals.html_page(200, "Service is being upgraded")
        case "forbidden":
            return refusals.service_fault("no_permission", "")
        case "error_500":
            return refusals.service_fault("error_500", "")
        case _:
            return None
