"""Opening an archive: the way to it, what comes in place of one, and its bytes."""

from __future__ import annotations

import re
from contextlib import aclosing
from dataclasses import replace
from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import TYPE_CHECKING, Final

from collector.engine.answers import UNHEARD, Call, ExportState, Problem, ProblemKind
from collector.providers.base import OpenArchive
from collector.providers.clouddc import wire
from collector.providers.clouddc.bodies import read_whole
from collector.providers.clouddc.errors import problem_of
from collector.providers.clouddc.parsing import Reply, error_body, parse_json, state_of
from collector.providers.clouddc.requests import redirected

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from contextlib import AsyncExitStack

    from aiohttp import ClientResponse, StreamReader
    from multidict import CIMultiDict
    from yarl import URL

    from collector.providers.clouddc.hearing import Hearing
    from collector.providers.clouddc.transport import Transport

REDIRECTIONS_MAX: Final = 5
_REDIRECTIONS: Final = frozenset({301, 302, 303, 307, 308})
_REFUSALS_FROM: Final = 300
_PARTIAL: Final = 206
_PLAINLY_NAMED = re.compile(r'attachment; *filename=(?:"([\w. -]+)"|([\w.-]+))', re.ASCII)
"""What nearly every Content-Disposition looks like: to parse any at all takes ten times as long."""


class Download:
    """One try to open one archive: at the API, and perhaps on at the object storage it names.

    Args:
        transport: what sends.
        headers: what authorizes the call. They go to the API's own origin alone, and never again
            once a redirection has led away from it.
        hearing: of the API's endpoint.
        secret: the token in the headers, which no message may repeat.
    """

    def __init__(
        self, transport: Transport, headers: CIMultiDict[str], hearing: Hearing, *, secret: str
    ) -> None:
        self._transport = transport
        self._headers: CIMultiDict[str] | None = headers
        self._hearing = hearing
        self._secret = secret
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
                step = self._broken(wire.problem_of(error), url)
        return step

    async def _step(self, stack: AsyncExitStack, url: URL) -> OpenArchive | Problem | URL:
        response = await stack.enter_async_context(
            self._transport.request("GET", url, self._headers)
        )
        succeeded = response.status < _REFUSALS_FROM
        reading = _read_beginning if succeeded else read_whole
        reply = Reply(response.status, response.headers, await reading(response.content))
        words = "" if succeeded else error_body(reply.body).words
        if not self._redirections:
            self._heard = self._hearing.heard(reply.headers, words)
        if succeeded and reply.status != _PARTIAL:
            return await self._arrived(stack, response, reply)
        if reply.status in _REDIRECTIONS:
            aim = redirected(url, reply.headers.get("Location", ""))
            if aim is not None and self._redirections < REDIRECTIONS_MAX:
                self._redirections += 1
                if aim.origin() != url.origin():
                    self._headers = None
                return aim
        if self._headers is None:
            return self._link_refused(url, reply.status)
        return self._problem(reply)

    async def _arrived(
        self, stack: AsyncExitStack, response: ClientResponse, reply: Reply
    ) -> OpenArchive | Problem:
        instead = _instead_of_archive(reply.body)
        if instead is not None:
            kind, meaning = instead
            said = self._problem(reply)
            words = error_body(reply.body).words
            return replace(said, kind=kind, message=said.message if words else meaning)
        # Bytes are passed on as they come, even under a Content-Encoding nobody asked for: what
        # it names is commonly the archive's own gzip, and undoing it would spoil the archive.
        length = response.content_length
        chunks = _chunks(response.content, reply.body, length)
        return OpenArchive(
            chunks=await stack.enter_async_context(aclosing(chunks)),
            file_name=_file_name(response),
            length=length,
            heard=self._heard,
        )

    def _problem(self, reply: Reply) -> Problem:
        return problem_of(Call.FETCH_ARCHIVE, reply, heard=self._heard, secret=self._secret)

    def _link_refused(self, url: URL, status: int) -> Problem:
        """The other origin's status says nothing about the API's export or credential."""
        return Problem(
            ProblemKind.UNREADABLE,
            f"the link that the service gave was refused by {url.host} with status {status}; "
            "a new try asks for a new link",
            http_status=status,
            heard=self._heard,
        )

    def _broken(self, problem: Problem, url: URL) -> Problem:
        """After a redirection the API has been reached, whatever became of the rest."""
        if not self._redirections:
            return problem
        message = f"the service's link to {url.host} failed: {problem.message}"
        return Problem(ProblemKind.CUT, message, hint=problem.hint, heard=self._heard)


async def _read_beginning(content: StreamReader) -> bytes:
    """Read what tells an archive from a message: its first bytes, or a whole small JSON body.

    A gzip file begins with neither brace nor bracket. The headers are not asked: the API reference
    shows JSON answers under an archive's headers.

    Raises:
        WIRE_ERRORS: it breaks off.
    """
    beginning = await content.readany()
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
    content: StreamReader, beginning: bytes, length: int | None
) -> AsyncGenerator[bytes | Problem, None]:
    """Yield the body as it arrives, and a `Problem` where it breaks off."""
    received = len(beginning)
    if beginning:
        yield beginning
    try:
        while chunk := await content.readany():
            received += len(chunk)
            yield chunk
    except wire.WIRE_ERRORS as error:
        of_all = "" if length is None else f" of {length}"
        why = wire.problem_of(error).message
        problem = Problem(ProblemKind.CUT, f"{why}: {received}{of_all} bytes arrived")
    else:
        return
    yield problem
