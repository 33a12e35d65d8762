"""Bodies that no reader should take whole, or take at all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.emulator.list_faults import ListFault

_DEPTH = 100_000
_BLANKS = 64 << 20


def odd_body(fault: str, body: bytes) -> bytes:
    """Return the body as a fault makes it; faults that leave it alone are none of this module's."""
    match fault:
        case "deep":
            return b"[" * _DEPTH + b"]" * _DEPTH
        case "huge":
            return b" " * _BLANKS + body
        case "not_json":
            return b'{"cut": ['
        case _:
            return body


def listed(
    body: Mapping[str, object], headers: Mapping[str, str], fault: ListFault | None
) -> web.Response:
    """Return a page of a list, its body as the fault makes it."""
    text = json.dumps(body).encode()
    if fault is not None:
        text = odd_body(fault.name, text)
    return web.Response(body=text, headers={**headers, "Content-Type": "application/json"})
