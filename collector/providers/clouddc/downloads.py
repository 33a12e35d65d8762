"""Opening an archive: the way to it, what comes in place of one, and its bytes."""

from __future__ import annotations

import re
from contextlib import aclosing
from dataclasses import replace
from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import TYPE_CHECKING, Final

from multidict import CIMultiDict

from collector.engine.answers import UNHEARD, Call, ExportState, Problem, ProblemKind
from collector.providers.base import OpenArchive
from collector.providers.clouddc import wire
from collector.providers.clouddc.bodies import read_whole
from collector.providers.clouddc.checksums import checksums
from collector.providers.clouddc.errors import problem_of
from collector.providers.clouddc.parsing import Reply, error_body, parse_json, state_of
from collector.providers.clouddc.ranges import NotTheRest, range_headers, rest_of, validator
from collector.providers.clouddc.requests import redirected
from collector.providers.clouddc.wire import STALL_S

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from contextlib import AsyncExitStack

    from aiohttp import ClientResponse, StreamReader
    from yarl import URL

    from collector.providers.base import Fetched
    from collector.providers.clouddc.hearing import Hearing
    from collector.providers.clouddc.transport import Transport
    from collector.redaction import Secrets

REDIRECTIONS_MAX: Final = 5
_REDIRECTIONS: Final = frozenset({301, 302, 303, 307, 308})
_REFUSALS_FROM: Final = 300
_ERRORS_FROM: Final = 400
_FAILURES_FROM: Final = 500
_PARTIAL: Final = 206
_BEYOND: Final = 416
_TOO_MANY: Final = 429
_CODE: Final = re.compile(rb"<Code>([\w.-]{1,64})</Code>")
_ENDS: Final = re.compile(r"bytes \*/\d{1,18}", re.ASCII)
_PLAINLY_NAMED = re.compile(r'attachment; *filename=(?:"([\w. -]+)"|([\w.-]+))', re.ASCII)
"""What nearly every Content-Disposition looks like: to parse any at all takes ten times as long."""


class Download:
    """One try to open one archive: at the API, and perhaps on at the object storage it names.

    Args:
        transport: what sends.
        headers: what authorizes the call. They go to the API's own origin alone, and never again
            once a redirection has led away from it.
        hearing: of the API's endpoint.
        secrets: what no message and no file name may repeat.
        fetched: what is here of the archive; the rest alone is asked for.
        stall_s: seconds without a byte that are a cut.
    """

    def __init__(
        self,
        transport: Transport,
        headers: CIMultiDict[str],
        hearing: Hearing,
        *,
        secrets: Secrets,
        fetched: Fetched | None = None,
        stall_s: float = STALL_S,
    ) -> None:
        self._fetched = fetched
        self._stall_s = stall_s
        # Which part is asked for is no secret, and is said wherever a redirection leads.
        self._part = range_headers(fetched) if fetched is not None else None
        self._transport = transport
        self._headers: CIMultiDict[str] | None = headers
        self._hearing = hearing
        self._secrets = secrets
        self._link: URL | None = None
        self._heard = UNHEARD
        self._redirections = 0

    async def open(self, stack: AsyncExitStack, url: URL) -> OpenArchive | Problem:
        """Open the archive; its connection is let go when `stack` is."""
        step: OpenArchive | Problem | URL = url
        while not isinstance(step, OpenArchive | Problem):
            url = step
            try:
                step = await self._step(stack, url)
            except wire.WIRE_ERRORS as error:
                step = self._broken(wire.problem_of(error, self._stall_s), url)
        return step

    async def _step(self, stack: AsyncExitStack, url: URL) -> OpenArchive | Problem | URL:
        response = await stack.enter_async_context(
            self._transport.request("GET", url, self._all_headers(), stall_s=self._stall_s)
        )
        succeeded = response.status < _REFUSALS_FROM
        if not succeeded:
            body = await read_whole(response.content)
        elif response.status == _PARTIAL:
            body = await _read_some(response.content)  # it may begin with anything
        else:
            body = await _read_beginning(response.content)
        reply = Reply(response.status, response.headers, body)
        words = "" if succeeded else error_body(reply.body).words
        if not self._redirections:
            self._heard = self._hearing.heard(reply.headers, words)
        if succeeded and (reply.status != _PARTIAL or self._fetched is not None):
            return await self._arrived(stack, response, reply)
        if reply.status == _BEYOND and self._fetched is not None:
            told = reply.headers.get("Content-Range", "")
            has = f": it has {told[8:]} bytes" if _ENDS.fullmatch(told) else ""
            return self._changed(f"it ends before that by now{has}", reply)
        if reply.status in _REDIRECTIONS:
            aim = redirected(url, reply.headers.get("Location", ""))
            if aim is not None and self._redirections < REDIRECTIONS_MAX:
                self._redirections += 1
                self._link = aim
                if aim.origin() != url.origin():
                    self._headers = None
                return aim
        if self._headers is None and reply.status >= _ERRORS_FROM:
            return self._link_refused(url, reply)
        return self._problem(reply)

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
            heard=self._heard,
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
        instead = None if part is not None else _instead_of_archive(reply.body)
        if instead is not None:
            kind, meaning = instead
            said = self._problem(reply)
            words = error_body(reply.body).words
            return replace(
                said,
                kind=kind,
                message=said.message if words else meaning,
                elsewhere=self._redirections > 0,
            )
        # Bytes are passed on as they come, even under a Content-Encoding nobody asked for: what
        # it names is commonly the archive's own gzip, and undoing it would spoil the archive.
        coming, tag = response.content_length, validator(reply.headers)
        chunks = _chunks(response.content, reply.body, coming, self._stall_s)
        return OpenArchive(
            chunks=await stack.enter_async_context(aclosing(chunks)),
            file_name=self._secrets.out_of(_file_name(response) or "") or None,
            length=coming if part is None else part.whole,
            offset=0 if part is None else part.offset,
            validator=tag if tag and self._secrets.out_of(tag) == tag else None,
            checksums=checksums(reply.headers, whole=part is None),
            heard=self._heard,
        )

    def _problem(self, reply: Reply) -> Problem:
        secrets = self._secrets
        if self._link is not None:  # what its query says is secret too: it opens the archive
            secrets = secrets.and_also(self._link.query.values())
        return problem_of(Call.FETCH_ARCHIVE, reply, heard=self._heard, secrets=secrets)

    def _link_refused(self, url: URL, reply: Reply) -> Problem:
        """The other origin's status says nothing about the API's export or credential."""
        code = _CODE.search(reply.body)
        words = f" ({code[1].decode('ascii', 'replace')})" if code is not None else ""
        failed = reply.status >= _FAILURES_FROM or reply.status == _TOO_MANY
        return Problem(
            ProblemKind.UNREADABLE if failed else ProblemKind.LINK_REFUSED,
            f"the link that the service gave was refused by {url.host} with status {reply.status}"
            f"{words}; a new try asks for a new link",
            http_status=reply.status,
            elsewhere=True,
            heard=self._heard,
        )

    def _broken(self, problem: Problem, url: URL) -> Problem:
        """After a redirection the API has been reached, whatever became of the rest."""
        if not self._redirections:
            return problem
        message = f"the service's link to {url.host} failed: {problem.message}"
        return Problem(
            ProblemKind.CUT, message, hint=problem.hint, elsewhere=True, heard=self._heard
        )


async def _read_some(content: StreamReader) -> bytes:
    """Read what is there, also where the connection has broken since it came.

    Raises:
        WIRE_ERRORS: it broke off before.
    """
    try:
        return await content.readany()
    except wire.WIRE_ERRORS:
        if not (rest := _left_in(content)):
            raise
        return rest


def _left_in(content: StreamReader) -> bytes:
    """Return what came before a break: it is good, though the reader hands out no more of it."""
    return content._read_nowait(-1)  # noqa: SLF001  # there is no other way to it


async def _read_beginning(content: StreamReader) -> bytes:
    """Read what tells an archive from a message: its first bytes, or a whole small JSON body.

    A gzip file begins with neither brace nor bracket. The headers are not asked: the API reference
    shows JSON answers under an archive's headers.

    Raises:
        WIRE_ERRORS: it breaks off.
    """
    beginning = await _read_some(content)
    if beginning.lstrip().startswith(b"{"):
        return await read_whole(content, beginning)
    return beginning


def _instead_of_archive(beginning: bytes) -> tuple[ProblemKind, str] | None:
    """Return what a success means that brings no archive; None where it may be one."""
    text = beginning.lstrip()
    if text.startswith(b"<"):
        return ProblemKind.UNREADABLE, "a page came in place of the archive"
    fields = parse_json(beginning) if text.startswith(b"{") else None
    if not isinstance(fields, dict):
        return None
    word = fields.get("status")
    state = state_of(word) if isinstance(word, str) else None
    if state is ExportState.RUNNING:
        return ProblemKind.NOT_READY, "the export has no archive yet"
    if state is ExportState.FAILED:
        return ProblemKind.EXPORT_FAILED, "the service calls the export failed"
    return ProblemKind.UNREADABLE, "JSON came in place of the archive"


def _file_name(response: ClientResponse) -> str | None:
    """Return the name that Content-Disposition gives, unsafe as it is."""
    header = response.headers.get("Content-Disposition")
    if header is None:
        return None
    if (plain := _PLAINLY_NAMED.fullmatch(header)) is not None:
        return plain[1] or plain[2]
    message = Message()
    message["Content-Disposition"] = header
    parameters = message.get_params([], "Content-Disposition")
    names = [value for key, value in parameters if key.lower() == "filename"]
    # RFC 6266: of both forms the extended one counts, which here is a tuple.
    names.sort(key=lambda name: isinstance(name, str))
    return (collapse_rfc2231_value(names[0]) or None) if names else None


async def _chunks(
    content: StreamReader, beginning: bytes, length: int | None, stall_s: float
) -> AsyncGenerator[bytes | Problem, None]:
    """Yield the body as it arrives, and a `Problem` where it breaks off."""
    received = len(beginning)
    if beginning:
        yield beginning
    try:
        while True:
            # As it was read: `readany` would copy what has gathered into one.
            chunk, is_chunk_end = await content.readchunk()
            if chunk:
                received += len(chunk)
                yield chunk
            elif not is_chunk_end:
                break
    except wire.WIRE_ERRORS as error:
        of_all = "" if length is None else f" of {length}"
        why = wire.problem_of(error, stall_s).message
        rest = _left_in(content)
        received += len(rest)
        problem = Problem(ProblemKind.CUT, f"{why}: {received}{of_all} bytes arrived")
    else:
        return
    if rest:
        yield rest
    yield problem
