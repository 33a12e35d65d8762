"""Pages of the emulator about itself, under `/emulator/`."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, get_args

from aiohttp import web

from collector.emulator.errors import ScenarioError
from collector.emulator.inventory import SignIn
from collector.emulator.working import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.emulator.server import Emulator

PATH = "/emulator/"
_SIGN_INS: dict[str, SignIn] = {of: of for of in get_args(SignIn)}


async def page(emulator: Emulator, request: web.BaseRequest) -> web.Response:
    """Answer a request for a page."""
    match request.path.removeprefix(PATH):
        case "statistics":
            return web.json_response(emulator.statistics())
        case "inventory":
            return _inventory(emulator, request)
        case "truth":
            return web.json_response(await in_thread(emulator.truths))
        case "token":
            return _fresh(request, emulator.issuing.token, text="token")
        case "key":
            return _fresh(request, emulator.issuing.key, text=None)
        case _:
            return web.Response(status=404)


def _inventory(emulator: Emulator, request: web.BaseRequest) -> web.Response:
    asked = request.query
    sign_in = _SIGN_INS.get(asked.get("sign_in", "token"))
    if sign_in is None:
        return web.Response(status=400, text=f"sign_in: use one of {', '.join(_SIGN_INS)}\n")
    try:
        return web.json_response(emulator.inventory(sign_in, discover="discover" in asked))
    except ScenarioError as error:
        return web.Response(status=404, text=f"{error}\n")


def _fresh(
    request: web.BaseRequest,
    issue: Callable[[str | None, str | None], dict[str, str]],
    *,
    text: str | None,
) -> web.Response:
    """A fresh credential: as text or as JSON with its end; only for this machine."""
    if not is_loopback(request.remote):
        return web.Response(status=403, text="only on the emulator's own machine\n")
    asked = request.query
    try:
        issued = issue(asked.get("user"), asked.get("project"))
    except ScenarioError as error:
        return web.Response(status=404, text=f"{error}\n")
    if text is None or asked.get("format") == "json":
        return web.json_response(issued)
    return web.Response(text=f"{issued[text]}\n")


def is_loopback(address: str | None) -> bool:
    """Whether that is an address of this machine alone."""
    try:
        return address is not None and ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
