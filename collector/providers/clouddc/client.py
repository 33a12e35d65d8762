"""`CloudDC`: the three calls of the API reference, over one HTTP session."""

from __future__ import annotations

import math
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from anyio import fail_after

from collector.model.answers import Call, Problem, ProblemKind
from collector.providers.base import Fleet
from collector.providers.clouddc import wire
from collector.providers.clouddc.bodies import read_whole
from collector.providers.clouddc.downloads import Download
from collector.providers.clouddc.errors import problem_of
from collector.providers.clouddc.hearing import Hearing
from collector.providers.clouddc.parsing import Reply, error_body, export_said
from collector.providers.clouddc.proxies import Proxies
from collector.providers.clouddc.requests import EXPORT_BODY, Addresses, AuthorizedHeaders
from collector.providers.clouddc.scopes import scopes as scopes_of
from collector.providers.clouddc.transport import Transport, trusting
from collector.providers.clouddc.words import WORD_MAX, told
from collector.redaction import Secrets

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from yarl import URL

    from collector.model.answers import ExportSaid, Scope
    from collector.providers.base import Fetched, OpenArchive, Target
    from collector.providers.clouddc.credentials import TokenSource


@dataclass(frozen=True, slots=True)
class _Endpoint:
    addresses: Addresses
    hearing: Hearing


class CloudDC(Fleet):
    """The log-export API of CloudDC, at any number of endpoints.

    Used as an async context manager: connections live from its start to its end.

    Args:
        credentials: where the secret of each credential comes from.
        accounts: the account of each credential; credentials of one account share its quota.
        connections: how many there may be at once, to all endpoints together.
        ca_file: certificate authorities in PEM, trusted beside the system's own.
        stall_s: seconds without a byte of an archive that are a cut.
        secrets: where those that are used are made known, to be hidden elsewhere too.

    Raises:
        CollectorError: `ca_file` or a proxy of the environment is unusable.
    """

    def __init__(
        self,
        credentials: Mapping[str, TokenSource],
        accounts: Mapping[str, str],
        *,
        connections: int,
        ca_file: Path | None = None,
        stall_s: float = wire.STALL_S,
        secrets: Secrets | None = None,
    ) -> None:
        self._secrets = Secrets() if secrets is None else secrets
        for source in credentials.values():
            source.make_known(self._secrets)
        self._stall_s = stall_s
        self._credentials = credentials
        self._accounts = accounts
        self._connections = connections
        self._tls: ssl.SSLContext | bool = True if ca_file is None else trusting(ca_file)
        self._proxies = Proxies(self._secrets)
        self._headers = AuthorizedHeaders()
        self._endpoints: dict[str, _Endpoint] = {}
        self._scopes: dict[tuple[Call, str, str, str], tuple[Scope, ...]] = {}
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
        self, target: Target, export_id: str, *, asks_limits: bool, fetched: Fetched | None = None
    ) -> AsyncIterator[OpenArchive | Problem]:
        """Open a completed export's archive; leaving the context closes the connection."""
        endpoint = self._endpoint(target)
        token = self._credentials[target.credential].token
        headers = self._headers.of(token, posting=False, asks_limits=asks_limits)
        download = Download(
            self._transport,
            headers,
            endpoint.hearing,
            secrets=self._secrets,
            fetched=fetched,
            stall_s=self._stall_s,
        )
        async with AsyncExitStack() as stack:
            opened = await download.open(stack, endpoint.addresses.content(target, export_id))
            if isinstance(opened, Problem):
                opened = await self._with_renewal(opened, target, token)
            yield opened

    def scopes(self, call: Call, target: Target) -> tuple[Scope, ...]:
        """Every scope that this call for this server's project passes."""
        key = (call, target.endpoint, target.project_id, target.credential)
        scopes = self._scopes.get(key)
        if scopes is None:
            account = self._accounts[target.credential]
            scopes = self._scopes[key] = scopes_of(call, target, account)
        return scopes

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
        hearing = self._endpoint(target).hearing
        token = self._credentials[target.credential].token
        posting = body is not None
        headers = self._headers.of(token, posting=posting, asks_limits=asks_limits)
        method = "POST" if posting else "GET"
        transport = self._transport
        total_s = min(wire.TOTAL_S, within_s)
        try:
            with fail_after(total_s):
                async with transport.request(
                    method, url, headers, body, within_s=total_s, afresh=afresh
                ) as response:
                    answered = await read_whole(response.content)
                    reply = Reply.of(response.status, response.headers, answered)
                    said = self._said(call, hearing, reply, export_id)
                    if isinstance(said, Problem) and said.kind is ProblemKind.UNREADABLE:
                        transport.retire(response)
        except Exception as error:  # noqa: BLE001  # whatever came, it is this server's alone
            return wire.problem_of(error, self._secrets, total_s=total_s)
        return await self._with_renewal(said, target, token) if isinstance(said, Problem) else said

    def _said(
        self, call: Call, hearing: Hearing, reply: Reply, export_id: str | None
    ) -> ExportSaid | Problem:
        """Return what an answer says; without `export_id` it must name one."""
        reply = replace(reply, body=self._secrets.out_of_bytes(reply.body))
        if reply.succeeded:
            heard = hearing.heard(reply.headers)
            said = export_said(reply.body, heard, asked_for=export_id)
            if said is not None:
                if said.known:
                    return said
                return replace(said, word=told(said.word, self._secrets, WORD_MAX))
            return problem_of(call, reply, heard=heard, secrets=self._secrets)
        error = error_body(reply.body)
        heard = hearing.heard(reply.headers, error.words)
        return problem_of(call, reply, heard=heard, secrets=self._secrets, error=error)

    async def _with_renewal(self, problem: Problem, target: Target, token: str) -> Problem:
        """Return the problem with the word whether another token would now be sent."""
        if problem.kind is not ProblemKind.UNAUTHENTICATED:
            return problem
        source = self._credentials[target.credential]
        return replace(problem, renewed=await source.changed_since(token))

    def _endpoint(self, target: Target) -> _Endpoint:
        endpoint = self._endpoints.get(target.endpoint)
        if endpoint is None:
            endpoint = self._endpoints[target.endpoint] = _Endpoint(
                Addresses(target.endpoint), Hearing()
            )
        return endpoint

    @property
    def _transport(self) -> Transport:
        if self._entered is None:
            message = "CloudDC is used outside of its context: write `async with CloudDC(...)`"
            raise RuntimeError(message)
        return self._entered
