"""`CloudDC`: the three calls of the API reference, and its lists, over one HTTP session."""

from __future__ import annotations

import math
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, TypeVar

import anyio

from collector.model.answers import Call, Problem
from collector.providers.clouddc import listing
from collector.providers.clouddc.dialect import ArchiveDialect
from collector.providers.clouddc.errors import problem_of
from collector.providers.clouddc.metadata import MetadataReader
from collector.providers.clouddc.parsing import error_body, export_said
from collector.providers.clouddc.requests import EXPORT_BODY, Addresses, headers_of
from collector.providers.clouddc.signin.credential import Outgoing, signed_in
from collector.providers.clouddc.signin.lockout import KeyGuard
from collector.providers.clouddc.signin.sign_in import SignIn
from collector.providers.clouddc.signin.source import Means
from collector.providers.directory import Directory
from collector.providers.http import calls, wire
from collector.providers.http.bodies import BODY_MAX
from collector.providers.http.downloads import Download
from collector.providers.http.proxies import Proxies
from collector.providers.http.transport import Transport, trusting
from collector.providers.http.words import WORD_MAX, told
from collector.providers.protocol import Fleet
from collector.redaction import Secrets

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from anyio.abc import TaskGroup
    from yarl import URL

    from collector.model.answers import ExportSaid
    from collector.providers.clouddc.signin.credential import Authorized, Credential, Note
    from collector.providers.clouddc.signin.service_clock import ServiceClock
    from collector.providers.clouddc.signin.source import Source
    from collector.providers.directory import AlarmsPage, ServersPage
    from collector.providers.http.replies import Reply
    from collector.providers.protocol import Fetched, OpenArchive, ProjectAddress, Target

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Endpoint:
    addresses: Addresses
    metadata: MetadataReader


class CloudDC(Fleet, Directory):
    """The log-export API of CloudDC, at any number of endpoints.

    Used as an async context manager: connections live from its start to its end.

    Args:
        sources: where the secrets of each credential come from.
        connections: how many there may be at once, to all endpoints together.
        ca_file: certificate authorities in PEM, trusted beside the system's own.
        stall_s: seconds without a byte of an archive that are a cut; None for `wire.STALL_S`.
        secrets: where those that are used are made known, to be hidden elsewhere too.
        memory: the user's directory, where refused signatures are counted for all runs; None:
            nowhere.
        shared: where they are counted if that cannot be written.

    Raises:
        CollectorError: `ca_file` or a proxy of the environment is unusable.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        *,
        connections: int,
        ca_file: Path | None = None,
        stall_s: float | None = None,
        secrets: Secrets | None = None,
        memory: Path | None = None,
        shared: Path | None = None,
    ) -> None:
        self._secrets = Secrets() if secrets is None else secrets
        for source in sources.values():
            source.make_known(self._secrets)
        self._stall_s = wire.STALL_S if stall_s is None else stall_s
        self._sources = sources
        guard = KeyGuard(memory, instead=shared)
        clocks: dict[URL, ServiceClock] = {}
        self._credentials: dict[str, Credential] = {
            name: SignIn(source, guard, clocks) for name, source in sources.items()
        }
        self._connections = connections
        self._tls: ssl.SSLContext | bool = True if ca_file is None else trusting(ca_file)
        self._proxies = Proxies(self._secrets)
        self._endpoints: dict[str, _Endpoint] = {}
        self._entered: Transport | None = None
        self._tasks: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._entered = Transport(
            connections=self._connections, tls=self._tls, proxies=self._proxies
        )
        tasks = self._tasks = anyio.create_task_group()
        await tasks.__aenter__()
        for source in self._sources.values():
            source.enter(Means(self._entered, tasks, self._secrets))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._tasks is not None:
            self._tasks.cancel_scope.cancel()
            try:
                # Without the error, which would come out in a group.
                await self._tasks.__aexit__(None, None, None)
            finally:
                await self._transport.close()

    async def start_export(self, target: Target, *, asks_limits: bool) -> ExportSaid | Problem:
        """Start an export of the server's logs."""
        url = self._endpoint(target.project).addresses.exports(target)
        return await self._ask(
            Call.START_EXPORT, target, url, asks_limits=asks_limits, body=EXPORT_BODY
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
        """Ask how far an export is."""
        url = self._endpoint(target.project).addresses.export(target, export_id)
        return await self._ask(
            Call.ASK_STATUS,
            target,
            url,
            asks_limits=asks_limits,
            export_id=export_id,
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
        """Open a completed export's archive; leaving the context closes the connection."""
        del location  # the export's id leads to it
        endpoint = self._endpoint(target.project)
        async with AsyncExitStack() as stack:

            async def send(authorized: Authorized, note: Note) -> OpenArchive | Problem:
                download = Download(
                    self._transport,
                    authorized.headers,
                    ArchiveDialect(endpoint.metadata, note),
                    secrets=self._secrets,
                    fetched=fetched,
                    stall_s=self._stall_s,
                    headers_at=authorized.elsewhere,
                )
                return await download.open(stack, url)

            url = endpoint.addresses.content(target, export_id)
            headers = headers_of(posting=False, asks_limits=asks_limits)
            request = Outgoing("GET", url, None, target.project, headers)
            yield await signed_in(self._credentials[target.project.credential], request, send)

    async def list_servers(
        self, project: ProjectAddress, *, marker: str | None, limit: int, manage_state: str | None
    ) -> ServersPage | Problem:
        """List one page of a project's servers."""
        asked = {"manage_state": manage_state, "marker": marker, "limit": str(limit)}
        query = {name: value for name, value in asked.items() if value is not None}

        endpoint = self._endpoint(project)

        def read(reply: Reply) -> ServersPage | Problem:
            return listing.servers_page(
                reply, endpoint.metadata, self._secrets, project_id=project.id
            )

        return await self._list(project, endpoint.addresses.servers(project.id, query), read)

    async def list_alarms(
        self, project: ProjectAddress, *, offset: int, limit: int, since_s: float
    ) -> AlarmsPage | Problem:
        """List one page of the alarms of a project's servers that still hold."""
        query = {
            "alarm_status": "alarm",
            "from": str(int(since_s)),
            "offset": str(offset),
            "limit": str(limit),
        }

        endpoint = self._endpoint(project)

        def read(reply: Reply) -> AlarmsPage | Problem:
            return listing.alarms_page(reply, endpoint.metadata, self._secrets)

        return await self._list(project, endpoint.addresses.alarms(project.id, query), read)

    async def _list(
        self, project: ProjectAddress, url: URL, read: Callable[[Reply], T | Problem]
    ) -> T | Problem:
        """Ask for one page of a list."""
        return await self._call("GET", project, url, read, most=listing.PAGE_BYTES_MAX)

    async def _ask(
        self,
        call: Call,
        target: Target,
        url: URL,
        *,
        asks_limits: bool,
        body: bytes | None = None,
        export_id: str | None = None,
        within_s: float = math.inf,
        afresh: bool = False,
    ) -> ExportSaid | Problem:
        """Make one of the two small calls; without `export_id` the answer must name one."""
        metadata = self._endpoint(target.project).metadata

        def read(reply: Reply) -> ExportSaid | Problem:
            return self._said(call, metadata, reply, export_id)

        return await self._call(
            "GET" if body is None else "POST",
            target.project,
            url,
            read,
            asks_limits=asks_limits,
            body=body,
            within_s=within_s,
            afresh=afresh,
        )

    async def _call(
        self,
        method: str,
        project: ProjectAddress,
        url: URL,
        read: Callable[[Reply], T | Problem],
        *,
        asks_limits: bool = False,
        body: bytes | None = None,
        within_s: float = math.inf,
        afresh: bool = False,
        most: int = BODY_MAX,
    ) -> T | Problem:
        """Make a small call with the credential of its project; `read` makes something of it."""

        async def send(authorized: Authorized, note: Note) -> T | Problem:
            def noted(reply: Reply) -> T | Problem:
                note.reply = reply
                return read(reply)

            return await calls.call(
                self._transport,
                method,
                url,
                authorized.headers,
                body,
                read=noted,
                secrets=self._secrets,
                within_s=within_s,
                afresh=afresh,
                most=most,
            )

        headers = headers_of(posting=body is not None, asks_limits=asks_limits)
        request = Outgoing(method, url, body, project, headers)
        return await signed_in(self._credentials[project.credential], request, send)

    def _said(
        self, call: Call, metadata: MetadataReader, reply: Reply, export_id: str | None
    ) -> ExportSaid | Problem:
        """Return what an answer says; without `export_id` it must name one."""
        if reply.succeeded:
            read = metadata.read(reply.headers)
            said = export_said(reply.body, read, asked_for=export_id)
            if said is not None:
                if said.known:
                    return said
                return replace(said, word=told(said.word, self._secrets, WORD_MAX))
            return problem_of(call, reply, metadata=read, secrets=self._secrets)
        error = error_body(reply.body)
        read = metadata.read(reply.headers, error.words)
        return problem_of(call, reply, metadata=read, secrets=self._secrets, error=error)

    def _endpoint(self, project: ProjectAddress) -> _Endpoint:
        endpoint = self._endpoints.get(project.endpoint)
        if endpoint is None:
            endpoint = self._endpoints[project.endpoint] = _Endpoint(
                Addresses(project.endpoint), MetadataReader()
            )
        return endpoint

    @property
    def _transport(self) -> Transport:
        if self._entered is None:
            message = "CloudDC is used outside of its context: write `async with CloudDC(...)`"
            raise RuntimeError(message)
        return self._entered
