"""Reading the bodies of answers that are no archives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiohttp import StreamReader

BODY_MAX: Final = 1 << 20
"""How many bytes of such a body are read, give or take a piece: more than any that is meant."""


async def read_whole(
    content: StreamReader, beginning: bytes | None = None, *, most: int = BODY_MAX
) -> bytes:
    """Read a small body: all of it, or as much as is worth reading.

    Args:
        content: the body.
        beginning: what was read of it before.
        most: how many bytes are worth reading, give or take a piece.

    Raises:
        ClientError: it breaks off.
    """
    body = await content.readany() if beginning is None else beginning
    if content.at_eof():
        return body
    pieces, size = [body], len(body)
    while size <= most and (piece := await content.readany()):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)
