"""`CloudDC`: the three calls of the API reference, and its lists, over one HTTP session."""

from __future__ import annotations

import math
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Self, TypeVar

from collector.model.answers import Call, Problem, ProblemKind
from collector.providers.clouddc import listing
from collector.providers.clouddc.dialect import ArchiveDialect
from collector.providers.clouddc.errors import problem_of
from collector.providers.clouddc.metadata import MetadataReader
from collector.providers.clouddc.parsing import error_body, export_said
from collector.providers.clouddc.requests import EXPORT_BODY, Addresses, AuthorizedHeaders
from collector.providers.directory import Directory
from collector.providers.http import calls, wire
from collector.providers.http.downloads import Download
from collector.providers.http.proxies import Proxies
from collector.providers.http.transport import Transport, trusting
from collector.providers.http.words import WORD_MAX, told
from collector.providers.protocol import Fleet, Target
from collector.redaction import Secrets

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from yarl import URL

    from collector.model.answers import ExportSaid
    from collector.providers.clouddc.credentials import TokenSource
    from collector.providers.directory import AlarmsPage, ServersPage
    from collector.providers.http.replies import Reply
    from collector.providers.protocol import Fetched, OpenArchive, ProjectAddress

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Endpoint:
    addresses: Addresses
    metadata: MetadataReader


class CloudDC(Fleet, Directory):
    """The log-export API of CloudDC, at any number of endpoints.

    Used as an async context manager: connections live from its start to its end.

    Args:
        credentials: where the secret of each credential comes from.
        connections: how many there may be at once, to all endpoints together.
        ca_file: certificate authorities in PEM, trusted beside the system's own.
        stall_s: seconds without a byte of an archive that are a cut; None for `wire.STALL_S`.
        secrets: where those that are used are made known, to be hidden elsewhere too.

    Raises:
        CollectorError: `ca_file` or a proxy of the environment is unusable.
    """

    def __init__(
        self,
        credentials: Mapping[str, TokenSource],
        *,
        connections: int,
        ca_file: Path | None = None,
        stall_s: float | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        self._secrets = Secrets() if secrets is None else secrets
        for source in credentials.values():
            source.make_known(self._secrets)
        self._stall_s = wire.STALL_S if stall_s is None else stall_s
        self._credentials = credentials
        self._connections = connections
        self._tls: ssl.SSLContext | bool = True if ca_file is None else trusting(ca_file)
        self._proxies = Proxies(self._secrets)
        self._headers = AuthorizedHeaders()
        self._endpoints: dict[str, _Endpoint] = {}
        self._entered: Transport | None = None

    async def __aenter__(self) -> Self:
        self._entered = Transport(
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
        """Start an export of the server's logs."""
        url = self._endpoint(target).addresses.exports(target)
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
        url = self._endpoint(target).addresses.export(target, export_id)
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
        endpoint = self._endpoint(target)
        token = self._credentials[target.project.credential].token
        headers = self._headers.of(token, posting=False, asks_limits=asks_limits)
        download = Download(
            self._transport,
            headers,
            ArchiveDialect(endpoint.metadata),
            secrets=self._secrets,
            fetched=fetched,
            stall_s=self._stall_s,
        )
        async with AsyncExitStack() as stack:
            opened = await download.open(stack, endpoint.addresses.content(target, export_id))
            if isinstance(opened, Problem):
                opened = await self._with_renewal(opened, target, token)
            yield opened

    async def list_servers(
        self, project: ProjectAddress, *, marker: str | None, limit: int, manage_state: str | None
    ) -> ServersPage | Problem:
        """List one page of a project's servers."""
        asked = {"manage_state": manage_state, "marker": marker, "limit": str(limit)}
        query = {name: value for name, value in asked.items() if value is not None}

        def read(reply: Reply, metadata: MetadataReader) -> ServersPage | Problem:
            return listing.servers_page(reply, metadata, self._secrets, project_id=project.id)

        return await self._list(project, "servers", query, read)

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

        def read(reply: Reply, metadata: MetadataReader) -> AlarmsPage | Problem:
            return listing.alarms_page(reply, metadata, self._secrets)

        return await self._list(project, "alarms", query, read)

    async def _list(
        self,
        project: ProjectAddress,
        what: Literal["servers", "alarms"],
        query: Mapping[str, str],
        read: Callable[[Reply, MetadataReader], T | Problem],
    ) -> T | Problem:
        """Ask for one page of a list: all that lists need of how requests are authorized."""
        endpoint = self._endpoint(Target(project, ""))
        addresses = endpoint.addresses
        url = (addresses.servers if what == "servers" else addresses.alarms)(project.id, query)
        token = self._credentials[project.credential].token
        said = await calls.call(
            self._transport,
            "GET",
            url,
            self._headers.of(token, posting=False, asks_limits=False),
            None,
            read=lambda reply: read(reply, endpoint.metadata),
            secrets=self._secrets,
            most=listing.PAGE_BYTES_MAX,
        )
        if isinstance(said, Problem):
            return await self._with_renewal(said, Target(project, ""), token)
        return said

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
        metadata = self._endpoint(target).metadata
        token = self._credentials[target.project.credential].token
        posting = body is not None

        def read(reply: Reply) -> ExportSaid | Problem:
            return self._said(call, metadata, reply, export_id)

        said = await calls.call(
            self._transport,
            "POST" if posting else "GET",
            url,
            self._headers.of(token, posting=posting, asks_limits=asks_limits),
            body,
            read=read,
            secrets=self._secrets,
            within_s=within_s,
            afresh=afresh,
        )
        return await self._with_renewal(said, target, token) if isinstance(said, Problem) else said

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

    async def _with_renewal(self, problem: Problem, target: Target, token: str) -> Problem:
        """Return the problem with the word whether another token would now be sent."""
        if problem.kind is not ProblemKind.UNAUTHENTICATED:
            return problem
        source = self._credentials[target.project.credential]
        return replace(problem, renewed=await source.changed_since(token))

    def _endpoint(self, target: Target) -> _Endpoint:
        endpoint = self._endpoints.get(target.project.endpoint)
        if endpoint is None:
            endpoint = self._endpoints[target.project.endpoint] = _Endpoint(
                Addresses(target.project.endpoint), MetadataReader()
            )
        return endpoint

    @property
    def _transport(self) -> Transport:
        if self._entered is None:
            message = "CloudDC is used outside of its context: write `async with CloudDC(...)`"
            raise RuntimeError(message)
        return self._entered
