"""The usual answer, sent in an odd way: late, slowly, or as no HTTP library would."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collector.emulator.faults import Fault

_COOKIES = 200
_DISPOSITIONS = {
    "nul_name": "attachment; filename*0*=%00''x",
    "huge_parameter": f"attachment; filename*{'9' * 5000}=x",
    "odd_charset": "attachment; filename*=idna''x%2e",
}
_GBK_DISPOSITION = b'attachment; filename="' + "服务器日志.tar.gz".encode("gbk") + b'"'


async def tell(
    fault: Fault, request: web.BaseRequest, response: web.Response
) -> web.StreamResponse:
    """Answer a request as a fault demands.

    Args:
        fault: One whose stage is `wire`.
        request: The request.
        response: The usual answer, not sent yet.

    Returns:
        The response that is to be sent, or was.
    """
    match fault.name:
        case "late":
            await asyncio.sleep(fault.for_s or 0.0)
        case "drip":
            return await _drip(request, response, fault.bytes_per_s or 1.0)
        case "many_headers":
            for number in range(_COOKIES if fault.count is None else fault.count):
                response.headers.add("Set-Cookie", f"c{number}=1")
        case "gzip_json":
            response.body = gzip.compress(_body(response))
            response.headers["Content-Encoding"] = "gzip"
        case "two_lengths":
            length = b"Content-Length: %d\r\n" % len(_body(response))
            _send(request, _head(response) + 2 * length, _body(response))
        case "length_and_chunks":
            body = _body(response)
            framing = b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % len(body)
            _send(request, _head(response) + framing, b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        case "gbk_name":
            response.headers.popall("Content-Disposition", None)
            body = _body(response)
            named = b"Content-Length: %d\r\nContent-Disposition: " % len(body) + _GBK_DISPOSITION
            _send(request, _head(response) + named + b"\r\n", body)
        case name:
            response.headers["Content-Disposition"] = _DISPOSITIONS[name]
    return response


def _body(response: web.Response) -> bytes:
    return response.body if isinstance(response.body, bytes) else b""


def _head(response: web.Response) -> bytes:
    """Return the head of an answer, without its length and without the final line."""
    headers = {**response.headers, "Connection": "close"}
    headers.pop("Content-Length", None)
    lines = [f"HTTP/1.1 {response.status} {response.reason}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _send(request: web.BaseRequest, head: bytes, body: bytes) -> None:
    """Send raw bytes, then close the connection."""
    if request.transport is not None:
        request.transport.write(head + b"\r\n" + body)
        request.transport.close()


async def _drip(
    request: web.BaseRequest, response: web.Response, bytes_per_s: float
) -> web.StreamResponse:
    dripping = web.StreamResponse(status=response.status, headers=response.headers)
    body = _body(response)
    dripping.content_length = len(body)
    await dripping.prepare(request)
    for at in range(len(body)):
        await dripping.write(body[at : at + 1])
        await asyncio.sleep(1 / bytes_per_s)
    await dripping.write_eof()
    return dripping
