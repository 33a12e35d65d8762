"""`BmcFleet`: three calls of Redfish (DSP0266), over one HTTP session.

1. POST `LogService.CollectDiagnosticData` answers 202, and names a task.
2. GET the task says how far it is. Once it is completed, it names the log entry's attachment.
3. GET the attachment is the ZIP file.
"""

from __future__ import annotations

import json
import math
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Self

from multidict import CIMultiDict
from yarl import URL

from collector.model.answers import (
    NO_METADATA,
    ExportSaid,
    ExportState,
    Problem,
    ProblemKind,
    ResponseMetadata,
)
from collector.providers.http import calls, wire
from collector.providers.http.downloads import Dialect, Download
from collector.providers.http.proxies import Proxies
from collector.providers.http.replies import parse_json
from collector.providers.http.times import ClockOffset
from collector.providers.http.transport import Transport, trusting
from collector.providers.http.unpacking import start_of_text
from collector.providers.http.urls import redirected, segment
from collector.providers.http.words import WORD_MAX, one_line, told
from collector.providers.protocol import Fleet

from .errors import problem_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from types import TracebackType

    from collector.providers.http.replies import Reply
    from collector.providers.protocol import Access, Fetched, OpenArchive, Target
    from collector.redaction import Secrets

ACTION: Final = "LogServices/Diagnostics/Actions/LogService.CollectDiagnosticData"
BODY: Final = json.dumps({"DiagnosticDataType": "OEM"}).encode()
STATES: Final[Mapping[str, ExportState]] = {
    **dict.fromkeys(("New", "Pending", "Starting", "Running"), ExportState.RUNNING),
    "Completed": ExportState.COMPLETED,
    **dict.fromkeys(("Exception", "Killed", "Cancelled"), ExportState.FAILED),
}
LONGEST_LOCATION: Final = 4096


class BmcFleet(Fleet):
    """Any number of BMCs.

    Args:
        authorization: the header that signs requests, by the credential's name.
        access: which certificates are trusted, how long a download may stay silent, and where
            secrets are made known.
        connections: how many there may be at once, to all BMCs together.
    """

    def __init__(
        self, authorization: Mapping[str, str], access: Access, *, connections: int
    ) -> None:
        self._authorization = authorization
        self._secrets = access.secrets
        self._stall_s = wire.STALL_S if access.stall_s is None else access.stall_s
        self._connections = connections
        self._tls = True if access.ca_file is None else trusting(access.ca_file)
        self._proxies = Proxies(access.secrets)
        self._clocks: dict[str, ClockOffset] = {}
        self._transport: Transport

    async def __aenter__(self) -> Self:
        self._transport = Transport(
            connections=self._connections, tls=self._tls, proxies=self._proxies
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._transport.close()

    async def start_export(self, target: Target, *, asks_limits: bool) -> ExportSaid | Problem:
        """Have the BMC collect its diagnostic data: a task does."""
        del asks_limits  # no BMC tells its limits
        url = _url(target, f"Systems/{segment(target.server_id)}/{ACTION}")
        headers = self._headers(target)
        headers["Content-Type"] = "application/json"

        def read(reply: Reply) -> ExportSaid | Problem:
            metadata = self._metadata(target, reply)
            task = _object(reply).get("Id") if reply.succeeded else None
            if isinstance(task, str) and 0 < len(task) <= WORD_MAX and task.isprintable():
                return ExportSaid(task.strip(), ExportState.RUNNING, "", metadata=metadata)
            return problem_of(reply, metadata, self._secrets, missing=ProblemKind.UNKNOWN_SERVER)

        return await calls.call(
            self._transport, "POST", url, headers, BODY, read=read, secrets=self._secrets
        )

    async def ask_status(
        self,
        target: Target,
        export_id: str,
        *,
        asks_limits: bool,
        within_s: float = math.inf,
        afresh: bool = False,
    ) -> ExportSaid | Problem:
        """Ask how far the task is."""
        del asks_limits
        url = _url(target, f"TaskService/Tasks/{segment(export_id)}")

        def read(reply: Reply) -> ExportSaid | Problem:
            metadata = self._metadata(target, reply)
            said = _task_said(export_id, _object(reply), metadata) if reply.succeeded else None
            if said is not None:
                return said
            return problem_of(reply, metadata, self._secrets, missing=ProblemKind.FORGOTTEN)

        return await calls.call(
            self._transport,
            "GET",
            url,
            self._headers(target),
            None,
            read=read,
            secrets=self._secrets,
            within_s=within_s,
            afresh=afresh,
        )

    @asynccontextmanager
    async def open_archive(
        self,
        target: Target,
        export_id: str,
        *,
        asks_limits: bool,
        location: str | None = None,
        fetched: Fetched | None = None,
    ) -> AsyncIterator[OpenArchive | Problem]:
        """Open the attachment that the task has named."""
        del export_id, asks_limits  # where the attachment is, the location alone tells
        url = redirected(URL(target.project.endpoint), location or "")
        if location is None or url is None:
            yield Problem(ProblemKind.FORGOTTEN, "the BMC does not say where the logs are")
            return
        is_own = url.origin() == URL(target.project.endpoint).origin()
        download = Download(
            self._transport,
            self._headers(target) if is_own else None,
            _Attachment(self, target),
            secrets=self._secrets,
            fetched=fetched,
            stall_s=self._stall_s,
        )
        async with AsyncExitStack() as stack:
            yield await download.open(stack, url)

    def _headers(self, target: Target) -> CIMultiDict[str]:
        return CIMultiDict({"Authorization": self._authorization[target.project.credential]})

    def _metadata(self, target: Target, reply: Reply) -> ResponseMetadata:
        clock = self._clocks.setdefault(target.project.endpoint, ClockOffset())
        offset_s = clock.of(reply.headers)
        return NO_METADATA if offset_s is None else ResponseMetadata((), offset_s)


class _Attachment(Dialect):
    """What answers mean that bring no ZIP file."""

    def __init__(self, fleet: BmcFleet, target: Target) -> None:
        self._fleet = fleet
        self._target = target

    def metadata(self, reply: Reply) -> ResponseMetadata:
        return self._fleet._metadata(self._target, reply)  # one module

    def problem(self, reply: Reply, metadata: ResponseMetadata, secrets: Secrets) -> Problem:
        return problem_of(reply, metadata, secrets, missing=ProblemKind.FORGOTTEN)

    def instead(self, reply: Reply, metadata: ResponseMetadata, secrets: Secrets) -> Problem | None:
        if not start_of_text(reply.body).startswith((b"{", b"<")):
            return None
        words = told(reply.body.decode("utf-8", "replace"), secrets, WORD_MAX)
        return Problem(
            ProblemKind.UNREADABLE, f"no ZIP file but: {words}", http_status=200, metadata=metadata
        )


def _url(target: Target, path: str) -> URL:
    return URL(f"{target.project.endpoint}/redfish/v1/{path}", encoded=True)


def _object(reply: Reply) -> dict[str, Any]:
    fields = parse_json(reply.body)
    return fields if isinstance(fields, dict) else {}


def _task_said(
    export_id: str, task: dict[str, Any], metadata: ResponseMetadata
) -> ExportSaid | None:
    """Return what a task says; None where it is none."""
    word = task.get("TaskState")
    if not isinstance(word, str):
        return None
    percent = task.get("PercentComplete")
    location = task.get("AdditionalDataURI")
    return ExportSaid(
        export_id,
        STATES.get(word, ExportState.RUNNING),
        one_line(word, WORD_MAX),
        known=word in STATES,
        percent=float(percent) if isinstance(percent, int) and 0 <= percent <= 100 else None,
        location=location if isinstance(location, str) and _can_be_kept(location) else None,
        metadata=metadata,
    )


def _can_be_kept(location: str) -> bool:
    return 0 < len(location) <= LONGEST_LOCATION and location.isprintable()
