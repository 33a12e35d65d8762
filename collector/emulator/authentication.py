"""Who sends a request: by its token or its signature."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.emulator import refusals
from collector.emulator.chance import fraction
from collector.emulator.keys import Keys
from collector.emulator.signatures import SignedRequest
from collector.emulator.tokens import Tokens

if TYPE_CHECKING:
    from aiohttp import web

    from collector.emulator.calls import Call, ListCall
    from collector.emulator.principals import Principal
    from collector.emulator.refusals import Refusal
    from collector.emulator.scenario import Scenario
    from collector.emulator.statistics import Statistics


class Authentication:
    """Recognises callers, and refuses those that it does not know.

    Args:
        scenario: Who is accepted.
        statistics: Where everything is counted.
        now_s: When the lifetime of tokens and keys starts, on the emulator's monotonic clock.
    """

    def __init__(self, scenario: Scenario, statistics: Statistics, now_s: float) -> None:
        self._scenario = scenario
        self._statistics = statistics
        self.keys = Keys(scenario, statistics, now_s)
        self.tokens = Tokens(scenario, statistics, now_s)

    async def principal(
        self,
        request: web.BaseRequest,
        call: Call | ListCall,
        request_id: str,
        now_s: float,
        clock_s: float,
    ) -> Principal | Refusal:
        """Return who sends a call, or the refusal.

        Args:
            request: The request; its body is read if it is signed.
            call: What it asks for.
            request_id: The request's id in the answer.
            now_s: The emulator's monotonic clock.
            clock_s: The service's clock, in seconds since 1970.
        """
        token = request.headers.get("X-Auth-Token", "")
        found: Principal | str
        if token or "Authorization" not in request.headers:
            found = self.tokens.check(token, now_s, clock_s)
            if isinstance(found, str):
                self._statistics.wrong_token_calls += 1
        else:
            found = self.keys.check(await _signed(request), now_s, clock_s)
        if isinstance(found, str):
            return self._refused(found, request_id)
        named = request.headers.get("X-Project-Id", call.project_id)
        if found.may_use(call.project_id) and named == call.project_id:
            self._statistics.recognised(found.label)
            return found
        self._statistics.foreign_project_calls += 1
        return self._refused(
            f"project {call.project_id} does not belong to the credential",
            request_id,
            self._scenario.foreign_project_status,
        )

    def _refused(self, why: str, request_id: str, status: int = 401) -> Refusal:
        prefix = self._scenario.gateway_codes
        if prefix == "mixed":
            chance = fraction(self._scenario.seed, request_id, "code of the gateway")
            prefix = "APIGW" if chance < 0.5 else "APIG"  # noqa: PLR2004 - evenly
        if prefix == "APIG" and why.endswith(" not exist"):
            ak = why.removeprefix("ak ").removesuffix(" not exist")
            why = f"Get secretKey failed,ak:{ak},err:ak not exist"
        return refusals.unauthorized(request_id, why, status=status, code=f"{prefix}.0301")


async def _signed(request: web.BaseRequest) -> SignedRequest:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers.setdefault(name.lower(), value)
    return SignedRequest(request.method, request.raw_path, headers, await request.read())
