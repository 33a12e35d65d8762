"""BMCs on the loopback interface that speak Redfish, each a server of its own.

    python -m tests.support.bmcs fleet.json

serves three until it is stopped, and writes the inventory that names them.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import random
import sys
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

LOGIN = "oncall:a-password-of-bmcs"
SYSTEM = "System.Embedded.1"
BUSY = ("ResourceInUse", 503)
PIECE = 16 << 10


@dataclass
class Bmc:
    """One BMC.

    Attributes:
        name: of its machine.
        export_s: how long its task takes.
        size: bytes of the log that it has.
        bytes_per_s: how fast it sends the archive.
        refusals: MessageId and status of what it answers to its first calls, one after the other.
        signed: the attachment lies at another host name, and opens for whoever has the link.
    """

    name: str
    export_s: float = 0.0
    size: int = 1000
    bytes_per_s: float = float("inf")
    refusals: list[tuple[str, int]] = field(default_factory=list)
    signed: bool = False
    url: str = ""
    tasks: list[float] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    signed_with: list[str | None] = field(default_factory=list)
    sent: int = 0

    @property
    def archive(self) -> bytes:
        """The ZIP file that it has collected: always the same."""
        log = random.Random(self.name).randbytes(self.size)  # noqa: S311  # no secret
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in (("dmesg.log", log), ("sel.log", b"power on\n" * 100)):
                packed.writestr(zipfile.ZipInfo(name, (2026, 11, 23, 8, 41, 2)), content)
        return file.getvalue()

    @property
    def project(self) -> dict[str, Any]:
        """What an inventory says of it."""
        return {"id": self.name, "endpoint": self.url, "servers": [{"id": SYSTEM}]}

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request."""
        self.requests.append(f"{request.method} {request.path}")
        *_, last = request.path.split("/")
        if request.path.startswith("/signed/"):
            self.signed_with.append(request.headers.get("Authorization"))
            return await self._attachment(request)
        wanted = f"Basic {base64.b64encode(LOGIN.encode()).decode()}"
        if request.headers.get("Authorization") != wanted:
            return refusal("NoValidSession", 401)
        if self.refusals:
            return refusal(*self.refusals.pop(0))
        if last == "attachment":
            return await self._attachment(request)
        return self._action(request.path) if request.method == "POST" else self._task(last)

    def _action(self, path: str) -> web.Response:
        if f"/Systems/{SYSTEM}/" not in path:
            return refusal("ResourceNotFound", 404)
        self.tasks.append(time.monotonic())
        number = len(self.tasks)
        return web.json_response({"Id": f"JID_{number}", "TaskState": "New"}, status=202)

    def _task(self, name: str) -> web.Response:
        number = int(name.removeprefix("JID_"))
        if number > len(self.tasks):
            return refusal("ResourceNotFound", 404)
        part = 1.0
        if self.export_s:
            part = (time.monotonic() - self.tasks[number - 1]) / self.export_s
        task: dict[str, Any] = {"Id": f"JID_{number}", "TaskState": "Running"}
        task["PercentComplete"] = min(100, int(100 * part))
        if part >= 1:
            path = f"/redfish/v1/Systems/{SYSTEM}/LogServices/Diagnostics/Entries/{number}"
            task |= {"TaskState": "Completed", "AdditionalDataURI": f"{path}/attachment"}
            if self.signed:
                elsewhere = self.url.replace("127.0.0.1", "localhost")
                task["AdditionalDataURI"] = f"{elsewhere}/signed/{number}?signature=of-a-link"
        return web.json_response(task)

    async def _attachment(self, request: web.BaseRequest) -> web.StreamResponse:
        whole = self.archive
        tag = f'"{hashlib.sha256(whole).hexdigest()[:16]}"'
        begin = request.http_range.start or 0
        response = web.StreamResponse(
            status=206 if begin else 200,
            headers={"ETag": tag, "Content-Length": str(len(whole) - begin)},
        )
        if begin:
            response.headers["Content-Range"] = f"bytes {begin}-{len(whole) - 1}/{len(whole)}"
        await response.prepare(request)
        for at in range(begin, len(whole), PIECE):
            piece = whole[at : at + PIECE]
            with contextlib.suppress(ConnectionError):
                await response.write(piece)
            self.sent += len(piece)
            await anyio.sleep(len(piece) / self.bytes_per_s)
        return response


def inventory(bmcs: Sequence[Bmc]) -> dict[str, Any]:
    """The inventory that names these BMCs."""
    return {
        "version": 1,
        "credentials": {"bmc": {"kind": "basic", "user": "oncall", "password_env": "BMC_PASSWORD"}},
        "defaults": {"provider": "redfish", "credentials": "bmc"},
        "projects": [bmc.project for bmc in bmcs],
    }


def refusal(message: str, status: int) -> web.Response:
    """An error in Redfish's words."""
    detail = {"MessageId": f"Base.1.8.{message}", "Message": f"{message}: try something else."}
    error = {"code": "Base.1.8.GeneralError", "@Message.ExtendedInfo": [detail]}
    headers = {"Retry-After": "0"} if status == BUSY[1] else {}
    return web.json_response({"error": error}, status=status, headers=headers)


@contextlib.asynccontextmanager
async def serving(bmcs: Sequence[Bmc]) -> AsyncIterator[None]:
    """Let each BMC answer at a port of its own, which its `url` then tells."""
    async with contextlib.AsyncExitStack() as stack:
        for bmc in bmcs:
            runner = web.ServerRunner(web.Server(bmc.answer), shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            bmc.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield


async def _main(file: Path) -> None:
    bmcs = [Bmc(f"bmc-{number}", export_s=number, size=100_000) for number in range(1, 4)]
    async with serving(bmcs):
        await anyio.Path(file).write_text(json.dumps(inventory(bmcs), indent=1))
        await anyio.sleep_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        anyio.run(_main, Path(sys.argv[1]))
