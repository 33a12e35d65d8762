"""The gateway in front of the service: authentication and throttling."""

from __future__ import annotations

import itertools
import socket
import struct
import time
from collections import Counter
from email.utils import formatdate
from typing import TYPE_CHECKING

from aiohttp import web

from collector.emulator import refusals
from collector.emulator.calls import Call, parse_call
from collector.emulator.chance import opaque
from collector.emulator.refusals import Refusal
from collector.emulator.throttling import Caller, Gate

if TYPE_CHECKING:
    from collector.emulator.scenario import Scenario
    from collector.emulator.service import Answer, Service
    from collector.emulator.statistics import Statistics


class Tokens:
    """The accepted tokens, and their use.

    Args:
        scenario: Which there are.
        now_s: When their lifetime starts.
    """

    def __init__(self, scenario: Scenario, now_s: float) -> None:
        self._specs = {token.value: token for token in scenario.tokens}
        self._since_s = now_s
        self._used: Counter[str] = Counter()

    def user_of(self, value: str, now_s: float) -> str | None:
        """Return the account of a valid token, else None. Counts as a use."""
        token = self._specs.get(value)
        if token is None:
            return None
        expires_s, uses = token.expires_after_s, token.expires_after_calls
        if expires_s is not None and now_s - self._since_s >= expires_s:
            return None
        if uses is not None and self._used[value] >= uses:
            return None
        self._used[value] += 1
        return token.user


class Gateway:
    """Authenticates, throttles, and forwards to the service.

    Args:
        scenario: Who is accepted, and within which limits.
        service: The service behind it.
        statistics: Where everything is counted.
    """

    def __init__(self, scenario: Scenario, service: Service, statistics: Statistics) -> None:
        self._scenario = scenario
        self._service = service
        self._statistics = statistics
        self._tokens = Tokens(scenario, time.monotonic())
        self._gate = Gate(scenario.throttles, throttled_calls_count=scenario.throttled_calls_count)
        self._request_prefix = opaque(scenario.seed, "requests")[:16]
        self._request_numbers = itertools.count(1)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request."""
        request_id = f"{self._request_prefix}{next(self._request_numbers):016x}"
        headers = {"X-Request-Id": request_id}
        if self._scenario.clock_skew_s:
            headers["Date"] = formatdate(self._clock_s(), usegmt=True)
        call = parse_call(request.method, request.raw_path)
        if call is None:
            self._statistics.other_calls += 1
            return refusals.no_such_api(request_id).response(headers)
        self._statistics.called(call.kind)
        answer = self._refuse(request, call, headers, request_id)
        if answer is None:
            answer = await self._service.answer(request, call, headers, request_id)
        if answer is None:
            self._statistics.resets += 1
            _reset(request)
            return web.Response()
        if isinstance(answer, Refusal):
            answer = answer.response(headers)
        self._statistics.answered(answer.status)
        return answer

    def _clock_s(self) -> float:
        return time.time() + self._scenario.clock_skew_s

    def _refuse(
        self, request: web.BaseRequest, call: Call, headers: dict[str, str], request_id: str
    ) -> Answer:
        """Return why the call is refused; None if it is not. Adds requested debug headers."""
        now_s = time.monotonic()
        token = request.headers.get("X-Auth-Token", "")
        user = self._tokens.user_of(token, now_s)
        if user is None:
            self._statistics.wrong_token_calls += 1
            return refusals.unauthorized(request_id)
        caller = Caller(call.kind, user, token, request.remote or "", call.project_id)
        refused = self._gate.admit(caller, now_s)
        if self._scenario.debug_headers and request.headers.get("X-Apig-Mode") == "debug":
            headers.update(self._gate.debug_headers(caller, now_s))
        if refused is None:
            return None
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
