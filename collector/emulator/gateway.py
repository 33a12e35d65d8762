"""The gateway in front of the service and of IAM: authentication and throttling."""

from __future__ import annotations

import itertools
import socket
import struct
import time
from email.utils import formatdate
from typing import TYPE_CHECKING

from aiohttp import web

from collector.emulator import refusals
from collector.emulator.authentication import Authentication
from collector.emulator.calls import Call, ListCall, parse_call
from collector.emulator.chance import opaque
from collector.emulator.iam import SIGN_IN_PATH, Iam
from collector.emulator.iam_answers import ELSEWHERE
from collector.emulator.refusals import Refusal
from collector.emulator.throttling import Caller, Gate

if TYPE_CHECKING:
    from collector.emulator.projects import Projects
    from collector.emulator.scenario import Scenario
    from collector.emulator.service import Answer, Service
    from collector.emulator.statistics import Statistics


class Gateway:
    """Authenticates, throttles, and forwards to the service.

    Args:
        scenario: Who is accepted, and within which limits.
        service: The service behind it: the calls about a server.
        projects: As `service`: the calls about a project.
        statistics: Where everything is counted.
    """

    def __init__(
        self, scenario: Scenario, service: Service, projects: Projects, statistics: Statistics
    ) -> None:
        self._scenario = scenario
        self._service = service
        self._projects = projects
        self._statistics = statistics
        self.authentication = Authentication(scenario, statistics, time.monotonic())
        self._iam = Iam(scenario, statistics, self.authentication.tokens)
        self._gate = Gate(scenario.throttles, throttled_calls_count=scenario.throttled_calls_count)
        self._request_prefix = opaque(scenario.seed, "requests")[:16]
        self._request_numbers = itertools.count(1)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request."""
        request_id = f"{self._request_prefix}{next(self._request_numbers):016x}"
        headers = {"X-Request-Id": request_id}
        if self._scenario.clock_skew_s:
            headers["Date"] = formatdate(self._clock_s(), usegmt=True)
        if request.method == "POST" and request.raw_path.partition("?")[0] == SIGN_IN_PATH:
            signed_in = await self._iam.answer(request, headers, time.monotonic(), self._clock_s())
            return self._or_reset(request, signed_in)
        if request.path == ELSEWHERE:
            self._statistics.leaked(["password"])
            return refusals.no_such_api(request_id).response(headers)
        call = parse_call(request.method, request.raw_path)
        if call is None:
            self._statistics.other_calls += 1
            return refusals.no_such_api(request_id).response(headers)
        self._statistics.called(call.kind)
        answer = await self._refuse(request, call, headers, request_id)
        if answer is None and isinstance(call, Call):
            answer = await self._service.answer(request, call, headers, request_id)
        elif answer is None and isinstance(call, ListCall):
            answer = await self._projects.answer(request, call, headers)
        if isinstance(answer, Refusal):
            answer = answer.response(headers)
        if answer is not None:
            self._statistics.answered(answer.status)
        return self._or_reset(request, answer)

    def _or_reset(
        self, request: web.BaseRequest, answer: web.StreamResponse | None
    ) -> web.StreamResponse:
        """Return the answer; without one, reset the connection."""
        if answer is not None:
            return answer
        self._statistics.resets += 1
        _reset(request)
        return web.Response()

    def _clock_s(self) -> float:
        return time.time() + self._scenario.clock_skew_s

    async def _refuse(
        self,
        request: web.BaseRequest,
        call: Call | ListCall,
        headers: dict[str, str],
        request_id: str,
    ) -> Answer:
        """Return why the call is refused; None if it is not. Adds requested debug headers."""
        now_s = time.monotonic()
        principal = await self.authentication.principal(
            request, call, request_id, now_s, self._clock_s()
        )
        if isinstance(principal, Refusal):
            return principal
        caller = Caller(
            kind=call.kind,
            user=principal.account,
            app=principal.credential,
            ip=request.remote or "",
            project=call.project_id,
        )
        refused = self._gate.admit(caller, now_s)
        if self._scenario.debug_headers and request.headers.get("X-Apig-Mode") == "debug":
            headers.update(self._gate.debug_headers(caller, now_s))
        if refused is None:
            if call.kind not in principal.denied:
                return None
            self._statistics.denied_calls += 1
            return refusals.service_fault("no_permission", "")
        throttle, wait_s = refused
        self._statistics.throttled(throttle.scope, call.kind)
        return refusals.throttled(
            throttle,
            wait_s,
            request_id=request_id,
            clock_s=self._clock_s(),
            draw=(self._scenario.seed, request_id),
        )


def _reset(request: web.BaseRequest) -> None:
    """Reset the connection instead of closing it."""
    if request.transport is None:
        return
    connection = request.transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
