"""The service behind the gateway: exports, their status, their archives."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from aiohttp import web

from collector.emulator import refusals
from collector.emulator.chance import draw, opaque
from collector.emulator.dialects import Dialect, mixed_dialect, word_export
from collector.emulator.downloads import Downloads
from collector.emulator.exports import Export, ExportTable
from collector.emulator.faults import Fault, Moment, ServerFaults
from collector.emulator.links import Links, refused
from collector.emulator.oddities import tell
from collector.emulator.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from collector.emulator.calls import Call, ServerCall
    from collector.emulator.roster import Fleet
    from collector.emulator.scenario import ProjectSpec, Scenario, ServerSpec
    from collector.emulator.statistics import Statistics

Answer: TypeAlias = web.StreamResponse | Refusal | None
"""The answer to a call; None means that its connection is reset."""


class Server:
    """A server as the service knows it, and its calls so far."""

    def __init__(self, scenario: Scenario, project: ProjectSpec, spec: ServerSpec) -> None:
        self.spec = spec
        self.project = project
        self.dialect = _dialect(scenario, spec)
        self.calls: Counter[ServerCall] = Counter()
        self.exports = 0
        self.faults = ServerFaults(scenario.seed, spec.id, (*spec.faults, *scenario.faults))


def _dialect(scenario: Scenario, spec: ServerSpec) -> Dialect:
    choice = spec.dialect or scenario.dialect
    if choice == "mixed":
        return mixed_dialect(scenario.seed, spec.id)
    return Dialect() if choice == "plain" else choice


class Service:
    """Answers the calls that pass the gateway.

    Args:
        scenario: The fleet and its behaviour.
        statistics: Where everything is counted.
        fleet: The servers that are there now.
    """

    def __init__(self, scenario: Scenario, statistics: Statistics, fleet: Fleet) -> None:
        self._scenario = scenario
        self._statistics = statistics
        self._fleet = fleet
        self._servers: dict[tuple[str, str], Server] = {}
        self._exports = ExportTable()
        self.downloads = Downloads(scenario, statistics)
        self.objects_url: str | None = None
        self._links = Links(scenario, statistics)

    def find(self, project_id: str, server_id: str) -> Server | None:
        """Return the server with that project and id, if it is there."""
        found = self._fleet.find(project_id, server_id)
        if found is None:
            return None
        key = project_id, server_id
        if key not in self._servers:
            self._servers[key] = Server(self._scenario, *found)
        return self._servers[key]

    async def answer(
        self, request: web.BaseRequest, call: Call, headers: Mapping[str, str], request_id: str
    ) -> Answer:
        """Answer one call.

        Args:
            request: The request, for its body and its Range.
            call: The call.
            headers: The headers of every answer.
            request_id: The request's id in the answer.
        """
        server = self.find(call.project_id, call.server_id)
        if server is None:
            return refusals.service_fault("unknown_id", call.server_id)
        if call.kind != "export" and not self._exports.was_started(call.export_id):
            return refusals.unknown_export(call.export_id)  # faults are of what there is
        server.calls[call.kind] += 1
        latency_s = draw(
            self._scenario.latency_s, self._scenario.seed, call, server.calls[call.kind]
        )
        if latency_s:
            await asyncio.sleep(latency_s)
        odd = self._strike(server, "wire", call.kind)
        fault = self._strike(server, "refusal", call.kind)
        if fault is not None and fault.name == "silent":
            # Until the client has had enough: its going cancels the request.
            await asyncio.Event().wait()
        answer: Answer
        if fault is not None:
            answer = _refusal(fault, call, request_id)
        else:
            answer = await self._act(request, call, server, headers, whole=odd is not None)
        if odd is None or answer is None:
            return answer
        response = answer.response(headers) if isinstance(answer, Refusal) else answer
        assert isinstance(response, web.Response)  # noqa: S101 - an archive was asked for whole
        return await tell(odd, request, response)

    async def _act(
        self,
        request: web.BaseRequest,
        call: Call,
        server: Server,
        headers: Mapping[str, str],
        *,
        whole: bool,
    ) -> Answer:
        """Perform a call; with `whole`, return an archive instead of sending it."""
        if call.kind == "export":
            return await self._start(request, server, headers)
        now_s = time.monotonic()
        export = self._exports.find(call.export_id, now_s)
        if export is None or export.server_id != call.server_id:
            return refusals.unknown_export(call.export_id)
        if call.kind == "status":
            return self._tell(server, export, now_s, headers)
        return await self._content(request, server, export, headers, whole=whole)

    def _strike(
        self,
        server: Server,
        moment: Moment,
        kind: ServerCall,
        can_hit: Callable[[Fault], bool] = lambda _: True,
    ) -> Fault | None:
        fault = server.faults.strike(moment, kind, can_hit)
        if fault is not None:
            self._statistics.struck(fault.name)
        return fault

    async def _start(
        self, request: web.BaseRequest, server: Server, headers: Mapping[str, str]
    ) -> Answer:
        try:
            # The vendor's SDK sends no body at all.
            body = json.loads(await request.read() or b"{}")
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return refusals.service_error(400, "iMetal.0002", "the request body is missing")
        now_s = time.monotonic()
        export = None
        if self._scenario.reuse_running_exports:
            export = self._exports.running(server.spec.id, now_s)
        if export is None:
            limit = server.project.exports_in_flight or self._scenario.exports_in_flight
            in_flight = self._exports.in_flight(server.project.id, now_s)
            if limit is not None and in_flight >= limit:
                self._statistics.throttled("exports_in_flight", "export")
                return refusals.too_many_requests()
            export = self._new_export(server, now_s)
            self._statistics.export_started(export, in_flight + 1)
        fault = self._strike(server, "answer", "export")
        if fault is not None and fault.name == "reset_after":
            return None
        return self._worded(server, export, now_s, headers, status=202, anonymous=bool(fault))

    def _new_export(self, server: Server, now_s: float) -> Export:
        scenario, spec = self._scenario, server.spec
        server.exports += 1
        name = scenario.seed, spec.id, "export", server.exports
        spread = spec.export_duration_s
        if spread is None:
            spread = scenario.export_duration_s
        fate = self._strike(server, "outcome", "export")
        export = Export(
            id=opaque(*name),
            project_id=server.project.id,
            server_id=spec.id,
            started_s=now_s,
            duration_s=draw(spread, *name, "duration"),
            created_at_s=time.time() + scenario.clock_skew_s,
            fate=fate,
        )
        self._exports.add(export)
        return export

    def _tell(
        self, server: Server, export: Export, now_s: float, headers: Mapping[str, str]
    ) -> Answer:
        fault = self._strike(server, "answer", "status")
        if fault is not None:
            return None
        export.polls += 1
        if export.state(now_s) == "completed" and not export.heard:
            export.heard = True
            self._statistics.completion_heard(now_s - export.ends_s)
        return self._worded(server, export, now_s, headers, status=200)

    def _worded(
        self,
        server: Server,
        export: Export,
        now_s: float,
        headers: Mapping[str, str],
        *,
        status: int,
        anonymous: bool = False,
    ) -> web.Response:
        body = word_export(
            server.dialect,
            export_id=None if anonymous else export.id,
            state=export.state(now_s),
            done=export.done(now_s),
            created_at_s=export.created_at_s,
            draw=(self._scenario.seed, export.id, export.polls),
        )
        all_headers = {**headers, "Content-Type": server.dialect.content_type}
        return web.Response(status=status, body=body, headers=all_headers)

    async def _content(
        self,
        request: web.BaseRequest,
        server: Server,
        export: Export,
        headers: Mapping[str, str],
        *,
        whole: bool,
    ) -> Answer:
        if export.state(time.monotonic()) != "completed":
            return refusals.service_fault("not_ready", server.spec.id)
        if whole:
            return await self.downloads.whole(server.spec, headers)
        if self.objects_url is not None:
            self._statistics.redirects += 1
            location = f"{self.objects_url}/{self._links.issue(export.id)}"
            # Cookies ignore ports: kept ones would go to the second origin as well.
            cookie = f"session={opaque(self._scenario.seed, export.id, 'cookie')}; Path=/; HttpOnly"
            all_headers = {**headers, "Location": location, "Set-Cookie": cookie}
            return web.Response(status=302, headers=all_headers)
        return await self._send(request, server, headers)

    async def _send(
        self, request: web.BaseRequest, server: Server, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        return await self.downloads.send(
            request,
            server.spec,
            headers,
            lambda can_hit: self._strike(server, "content", "download", can_hit),
        )

    async def object(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request at the second origin, the target of download redirects."""
        link = self._links.opened(request)
        if isinstance(link, web.Response):
            return link
        export = self._exports.find(link.export_id, time.monotonic())
        if export is None:
            return refused(404, "NoSuchKey", "The specified key does not exist.")
        server = self.find(export.project_id, export.server_id)
        assert server is not None  # noqa: S101 - only a known server has an export
        if self._strike(server, "link", "download") is not None:
            return self._links.expired(link)
        return await self._send(request, server, {})


def _refusal(fault: Fault, call: Call, request_id: str) -> Refusal | None:
    """Return the fault's answer; None if the connection is to be reset."""
    match fault.name:
        case "expired_token":
            return refusals.unauthorized(request_id)
        case "reset_before":
            return None
        case name if name in refusals.PROXY_FAULTS:
            return refusals.proxy_fault(fault)
        case name:
            return refusals.service_fault(name, call.server_id)
