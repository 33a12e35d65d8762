"""Signed, temporary links to the second origin, which takes no credentials of the API."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from collector.emulator.chance import opaque

if TYPE_CHECKING:
    from collector.emulator.scenario import Scenario
    from collector.emulator.statistics import Statistics

_CREDENTIALS = (
    "X-Auth-Token",
    "X-Security-Token",
    "X-Apig-AppCode",
    "Authorization",
    "Proxy-Authorization",
    "Cookie",
)
_USUAL_LIFE_S = 900.0


@dataclass(slots=True)
class Link:
    """One link: whoever has it may download."""

    export_id: str
    expires_s: float
    uses_left: float


class Links:
    """Every link ever issued.

    Args:
        scenario: How long they are valid.
        statistics: Where their use is counted.
    """

    def __init__(self, scenario: Scenario, statistics: Statistics) -> None:
        self._scenario = scenario
        self._statistics = statistics
        self._links: dict[str, Link] = {}
        self._issued: Counter[str] = Counter()

    def issue(self, export_id: str) -> str:
        """Return the path and query of a new link to an export's archive."""
        scenario = self._scenario
        self._issued[export_id] += 1
        signature = opaque(scenario.seed, export_id, "signature", self._issued[export_id])
        life_s, uses = scenario.links_expire_after_s, scenario.links_expire_after_calls
        self._links[signature] = Link(
            export_id,
            float("inf") if life_s is None else time.monotonic() + life_s,
            float("inf") if uses is None else uses,
        )
        expires_s = time.time() + scenario.clock_skew_s + (life_s or _USUAL_LIFE_S)
        query = f"AccessKeyId=EMULATOR&Expires={expires_s:.0f}&Signature={signature}"
        return f"{export_id}?{query}"

    def opened(self, request: web.BaseRequest) -> Link | web.Response:
        """Return the link that a request uses, or why it is refused."""
        self._statistics.object_requests += 1
        leaked = [name for name in _CREDENTIALS if name in request.headers]
        if leaked:
            self._statistics.leaked(leaked)
            return refused(400, "InvalidRequest", "Only one auth mechanism is allowed.")
        link = self._links.get(request.rel_url.query.get("Signature", ""))
        export_id = request.raw_path.partition("?")[0].rpartition("/")[2]
        if request.method != "GET" or link is None or link.export_id != export_id:
            return refused(403, "AccessDenied", "Access Denied.")
        if time.monotonic() >= link.expires_s or link.uses_left < 1:
            return self.expired(link)
        link.uses_left -= 1
        return link

    def expired(self, link: Link) -> web.Response:
        """Refuse a link from now on."""
        link.uses_left = 0
        self._statistics.refused_links += 1
        return refused(403, "AccessDenied", "Request has expired.")


def refused(status: int, code: str, message: str) -> web.Response:
    """Return an object storage's error response."""
    body = (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message>"
        f"<RequestId>{opaque(code, message)[:16].upper()}</RequestId>"
        "<HostId>emulator</HostId></Error>"
    )
    return web.Response(status=status, text=body, content_type="application/xml")
