"""The beginning of a body that should be an archive: its first bytes tell it from a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp

from collector.providers.http.bodies import read_whole
from collector.providers.http.unpacking import PEEK_BYTES, is_packed, peeked, start_of_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import StreamReader


async def read_some(content: StreamReader) -> bytes:
    """Read what is there, also where the connection has broken since it came.

    Raises:
        ClientError: it broke off before.
    """
    try:
        return await content.readany()
    except aiohttp.ClientError:
        if not (rest := left_in(content)):
            raise
        return rest


def left_in(content: StreamReader) -> bytes:
    """Return what came before a break: it is good, though the reader hands out no more of it."""
    return content._read_nowait(-1)  # noqa: SLF001  # there is no other way to it


async def read_beginning(content: StreamReader, headers: Mapping[str, str]) -> bytes:
    """Read what tells an archive from a message: its first bytes, or the whole of a message.

    No packed archive begins with a brace or a bracket. Content-Type is not asked: services send
    JSON under an archive's headers. Under a Content-Encoding, which commonly names the archive's
    own gzip, what is packed tells them apart: a tar's first header has zeros in it.

    Raises:
        ClientError: it breaks off.
    """
    beginning = await read_some(content)
    encoding = headers.get("Content-Encoding", "")
    tells = PEEK_BYTES if is_packed(encoding) else 1
    while len(start_of_text(beginning)) < tells and not content.at_eof():
        if len(beginning) > PEEK_BYTES:
            break
        beginning += await content.readany()
    is_page = not is_packed(encoding) and start_of_text(beginning).startswith(b"<")
    if is_page or not is_message(beginning, encoding):
        return beginning
    return await read_whole(content, beginning)


def is_message(beginning: bytes, encoding: str) -> bool:
    """Tell whether a body, of which this is the beginning, is JSON or a page and no archive."""
    plain = peeked(beginning, encoding)
    return start_of_text(plain).startswith((b"{", b"<")) and b"\0" not in plain
