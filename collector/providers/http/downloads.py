"""Opening an archive: the way to it, what comes in place of one, and its bytes.

What a refusal means only the vendor knows: `Dialect`.
"""

from __future__ import annotations

import re
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from anyio import fail_after
from multidict import CIMultiDict

from collector.model.answers import NO_METADATA, Problem, ProblemKind, ResponseMetadata
from collector.providers.http import wire
from collector.providers.http.beginnings import is_message, left_in, read_beginning, read_some
from collector.providers.http.bodies import read_whole
from collector.providers.http.checksums import checksums
from collector.providers.http.disposition import file_name
from collector.providers.http.ranges import NotTheRest, range_headers, rest_of, validator
from collector.providers.http.replies import Reply, is_success
from collector.providers.http.times import retry_after_s
from collector.providers.http.unpacking import is_packed
from collector.providers.http.urls import redirected
from collector.providers.http.wire import STALL_S
from collector.providers.http.words import WORD_MAX, one_line
from collector.providers.protocol import OpenArchive

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from contextlib import AsyncExitStack

    from aiohttp import ClientResponse, StreamReader
    from yarl import URL

    from collector.providers.http.transport import Transport
    from collector.providers.protocol import Fetched
    from collector.redaction import Secrets

REDIRECTIONS_MAX: Final = 5
_REDIRECTIONS: Final = frozenset({301, 302, 303, 307, 308})
_ERRORS_FROM: Final = 400
_FAILURES_FROM: Final = 500
_PARTIAL: Final = 206
_BEYOND: Final = 416
_TOO_MANY: Final = 429
_CODE: Final = re.compile(rb"<Code>([\w.-]{1,64})</Code>")
_ENDS: Final = re.compile(r"bytes \*/\d{1,18}", re.ASCII)


class Dialect(Protocol):
    """What only a vendor can say about the answers that come for an archive."""

    def metadata(self, reply: Reply) -> ResponseMetadata:
        """Return what an answer of the API tells beside its content."""

    def problem(self, reply: Reply, metadata: ResponseMetadata, secrets: Secrets) -> Problem:
        """Return what an answer means that brings no archive.

        Args:
            reply: the answer.
            metadata: what it told beside.
            secrets: what no word of the problem may repeat.
        """

    def instead(self, reply: Reply, metadata: ResponseMetadata, secrets: Secrets) -> Problem | None:
        """Return what a success means that brings no archive; None where it may be one.

        Args:
            reply: the answer; of an archive's body, only the beginning.
            metadata: as for `problem`.
            secrets: as for `problem`.
        """


class Download:
    """One try to open one archive: at the API, and perhaps on at the object storage it names.

    Args:
        transport: what sends.
        headers: what authorizes the call. They go to the API's own origin alone, and never again
            once a redirection has led away from it. None: the archive lies elsewhere, at a link
            that the API has given.
        dialect: the vendor's.
        secrets: what no message and no file name may repeat.
        fetched: what is here of the archive; the rest alone is asked for.
        stall_s: seconds without a byte that are a cut.
        headers_at: what authorizes the call at another URL of the API's own origin, where that
            differs from one to the other, as signatures do.
    """

    def __init__(
        self,
        transport: Transport,
        headers: CIMultiDict[str] | None,
        dialect: Dialect,
        *,
        secrets: Secrets,
        fetched: Fetched | None = None,
        stall_s: float = STALL_S,
        headers_at: Callable[[URL], CIMultiDict[str]] | None = None,
    ) -> None:
        self._headers_at = headers_at
        self._fetched = fetched
        self._stall_s = stall_s
        # Which part is asked for is no secret, and is said wherever a redirection leads.
        self._part = range_headers(fetched) if fetched is not None else None
        self._transport = transport
        self._headers = headers
        self._dialect = dialect
        self._is_elsewhere = headers is None
        self._secrets = secrets
        self._link: URL | None = None
        self._heard = NO_METADATA
        self._redirections = 0

    async def open(self, stack: AsyncExitStack, url: URL) -> OpenArchive | Problem:
        """Open the archive; its connection is let go when `stack` is."""
        if self._headers is None:
            self._link = url
        step: OpenArchive | Problem | URL = url
        while not isinstance(step, OpenArchive | Problem):
            url = step
            try:
                with fail_after(self._within_s):
                    step = await self._step(stack, url)
            except Exception as error:  # noqa: BLE001  # whatever came, it is this server's alone
                step = self._broken(self._problem_of(error), url)
        return step

    @property
    def _within_s(self) -> float:
        """How long the first bytes may take: a service may pack the archive before it answers."""
        return max(wire.TOTAL_S, self._stall_s)

    def _problem_of(self, error: Exception) -> Problem:
        secrets = self._with_link()
        return wire.problem_of(error, secrets, total_s=self._within_s, idle_s=self._stall_s)

    async def _step(self, stack: AsyncExitStack, url: URL) -> OpenArchive | Problem | URL:
        response = await stack.enter_async_context(
            self._transport.request("GET", url, self._all_headers(), stall_s=self._stall_s)
        )
        step = await self._read(stack, response, url)
        if isinstance(step, Problem) and step.kind is ProblemKind.UNREADABLE:
            self._transport.retire(response)
        return step

    async def _read(
        self, stack: AsyncExitStack, response: ClientResponse, url: URL
    ) -> OpenArchive | Problem | URL:
        succeeded = is_success(response.status)
        if not succeeded:
            reply = Reply.of(response.status, response.headers, await read_whole(response.content))
        elif response.status == _PARTIAL:  # it may begin with anything
            body = await read_some(response.content)
            reply = Reply(response.status, response.headers, body)
        else:
            body = await read_beginning(response.content, response.headers)
            reply = Reply(response.status, response.headers, body)
        if not self._is_elsewhere:
            self._heard = self._dialect.metadata(reply)
        if succeeded and (reply.status != _PARTIAL or self._fetched is not None):
            return await self._arrived(stack, response, reply)
        if reply.status == _BEYOND and self._fetched is not None:
            told = reply.headers.get("Content-Range", "")
            has = f": it has {told[8:]} bytes" if _ENDS.fullmatch(told) else ""
            return self._changed(f"it ends before that by now{has}", reply)
        if reply.status in _REDIRECTIONS:
            return self._sent_on(url, reply)
        if self._headers is None and reply.status >= _ERRORS_FROM:
            return self._link_refused(url, reply)
        return self._problem(reply)

    def _sent_on(self, url: URL, reply: Reply) -> Problem | URL:
        aim = redirected(url, reply.headers.get("Location", ""))
        if aim is None:
            return replace(self._problem(reply), message="a redirection that leads nowhere")
        if self._redirections == REDIRECTIONS_MAX:
            many = f"more than {REDIRECTIONS_MAX} redirections, one after the other"
            return replace(self._problem(reply), message=many)
        self._redirections += 1
        self._is_elsewhere = True
        self._link = aim
        if aim.origin() != url.origin():
            self._headers = None
        elif self._headers is not None and self._headers_at is not None:
            self._headers = self._headers_at(aim)
        return aim

    def _all_headers(self) -> CIMultiDict[str] | None:
        if self._part is None or self._headers is None:
            return self._part or self._headers
        return CIMultiDict({**self._headers, **self._part})

    def _changed(self, why: str, reply: Reply) -> Problem:
        assert self._fetched is not None  # noqa: S101  # else nothing can have changed
        return Problem(
            ProblemKind.CHANGED,
            f"the archive is not the one whose first {self._fetched.bytes} bytes are here: {why}; "
            "it is fetched anew",
            http_status=reply.status,
            metadata=self._heard,
        )

    async def _arrived(
        self, stack: AsyncExitStack, response: ClientResponse, reply: Reply
    ) -> OpenArchive | Problem:
        part = None
        if reply.status == _PARTIAL and self._fetched is not None:
            try:
                part = rest_of(self._fetched, reply.headers, response.content_length)
            except NotTheRest as why:
                return self._changed(str(why), reply)
        instead = None if part is not None else self._instead_of_archive(reply)
        if instead is not None:
            return replace(instead, elsewhere=self._is_elsewhere)
        if not reply.body:
            nothing = f"an answer without a body came in place of the archive ({reply.status})"
            return replace(self._problem(reply), kind=ProblemKind.UNREADABLE, message=nothing)
        # Bytes are passed on as they come, even under a Content-Encoding nobody asked for: what
        # it names is commonly the archive's own gzip, and undoing it would spoil the archive.
        coming, tag = response.content_length, validator(reply.headers)
        chunks = self._chunks(response.content, reply.body, coming)
        return OpenArchive(
            chunks=await stack.enter_async_context(aclosing(chunks)),
            file_name=self._secrets.out_of(
                file_name(reply.headers.get("Content-Disposition")) or ""
            )
            or None,
            length=coming if part is None else part.whole,
            offset=0 if part is None else part.offset,
            validator=tag if tag and self._secrets.out_of(tag) == tag else None,
            checksums=checksums(reply.headers, whole=part is None),
            metadata=self._heard,
        )

    def _instead_of_archive(self, reply: Reply) -> Problem | None:
        """Return what a success means that brings no archive; None where it may be one."""
        encoding = reply.headers.get("Content-Encoding", "")
        if is_packed(encoding) and is_message(reply.body, encoding):
            reply = Reply.of(reply.status, reply.headers, reply.body)
            if reply.packed:
                return self._problem(reply)
        return self._dialect.instead(reply, self._heard, self._with_link())

    def _with_link(self) -> Secrets:
        """Return the secrets with those of a link: what its query says opens the archive."""
        if self._link is None:
            return self._secrets
        return self._secrets.and_also(self._link.query.values())

    def _problem(self, reply: Reply) -> Problem:
        return self._dialect.problem(reply, self._heard, self._with_link())

    def _link_refused(self, url: URL, reply: Reply) -> Problem:
        """The other origin's status says nothing about the API's export or credential."""
        code = _CODE.search(reply.body)
        words = f" ({code[1].decode('ascii', 'replace')})" if code is not None else ""
        failed = reply.status >= _FAILURES_FROM or reply.status == _TOO_MANY
        kind, way_out = ProblemKind.LINK_REFUSED, "; a new try asks for a new link"
        if not self._redirections:  # it came with the status: only another export has another link
            kind, way_out = ProblemKind.FORGOTTEN, ""
        return Problem(
            ProblemKind.UNREADABLE if failed else kind,
            f"the link that the service gave was refused by {_host(url)} with status "
            f"{reply.status}{words}{way_out}",
            http_status=reply.status,
            retry_after_s=retry_after_s(reply.headers) if failed else None,
            elsewhere=True,
            metadata=self._heard,
        )

    def _broken(self, problem: Problem, url: URL) -> Problem:
        """After a redirection the API has been reached, whatever became of the rest."""
        if not self._is_elsewhere:
            return problem
        kind = ProblemKind.CUT if problem.kind is ProblemKind.NOT_SENT else problem.kind
        message = f"the service's link to {_host(url)} failed: {problem.message}"
        return Problem(kind, message, hint=problem.hint, elsewhere=True, metadata=self._heard)

    async def _chunks(
        self, content: StreamReader, beginning: bytes, length: int | None
    ) -> AsyncGenerator[bytes | Problem, None]:
        """Yield the body as it arrives, and a `Problem` where it breaks off."""
        received = len(beginning)
        yield beginning
        try:
            while not content.at_eof():
                # As it was read: `readany` would copy what has gathered into one.
                chunk, _ = await content.readchunk()
                if chunk:
                    received += len(chunk)
                    yield chunk
        except Exception as error:  # noqa: BLE001  # as in `open`
            of_all = "" if length is None else f" of {length}"
            problem = self._problem_of(error)
            rest = left_in(content)
            received += len(rest)
            why = f"{problem.message}: {received}{of_all} bytes arrived"
        else:
            return
        if rest:
            yield rest
        yield Problem(problem.kind, why)


def _host(url: URL) -> str:
    return one_line(url.host or "", WORD_MAX)
