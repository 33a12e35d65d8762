"""The bytes of answers: sane ones, and what others are made of."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.wire import Call

DOWN = b"<html><head><title>Blocked</title></head><body>by the <b>firewall</b></body></html>"
"""What a device on the way says."""

_REASONS = {200: b"OK", 202: b"Accepted", 204: b"No Content", 404: b"Not Found"}


def reply(
    status: int = 200,
    body: bytes = b"",
    *headers: bytes,
    kind: bytes = b"application/json",
    length: bool = True,
) -> bytes:
    """A whole answer, with whatever further header lines."""
    lines = [b"HTTP/1.1 %d %s" % (status, _REASONS.get(status, b"Something"))]
    if kind:
        lines.append(b"Content-Type: " + kind)
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, *headers, b"", body])


def as_json(status: int, document: Any, *headers: bytes) -> bytes:  # noqa: ANN401  # JSON is any
    return reply(status, json.dumps(document).encode(), *headers)


def error(status: int, code: str, *headers: bytes, words: str = "No, says the service.") -> bytes:
    """A refusal of the service's own."""
    return as_json(status, {"error_code": code, "error_msg": words}, *headers)


def page(status: int, *headers: bytes) -> bytes:
    return reply(status, DOWN, *headers, kind=b"text/html")


def started(export: object, **more: object) -> bytes:
    return as_json(202, {"export_id": export, "status": "processing", **more})


def completed(**more: object) -> bytes:
    return as_json(200, {"status": "completed", "percentage": "100%"} | more)


def running() -> bytes:
    return completed(status="processing", percentage="10%")


def archived(server: str, *headers: bytes) -> bytes:
    """A download as it should be, but for these headers."""
    return reply(200, archive_of(server), *headers, kind=b"application/octet-stream")


def named(server: str, disposition: bytes) -> bytes:
    """A download whose Content-Disposition is this."""
    return archived(server, b"Content-Disposition: " + disposition)


def chunked(*pieces: bytes, headers: tuple[bytes, ...] = (), end: bytes = b"0\r\n\r\n") -> bytes:
    """A success in chunks."""
    lines = (b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", *headers, b"", b"")
    coded = (b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"\r\n".join(lines) + b"".join(coded) + end


def sane(call: Call) -> bytes:
    """What a service in order answers; exports are complete at once."""
    match call.kind:
        case "export":
            return started(f"e-{call.server}-{call.nth}")
        case "status":
            return completed()
        case "download" | "stored":
            return named(call.server, b'attachment; filename="logs.tar.gz"')


@cache
def archive_of(server: str) -> bytes:
    """Each server's own, which no other has."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in ("var/log/messages", "var/log/mcelog"):
            content = f"{server}: all is well\n".encode() * 40
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1_700_000_000
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)
