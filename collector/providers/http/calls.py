"""A small call: one request, and its whole answer within a time."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from anyio import fail_after

from collector.model.answers import Problem, ProblemKind
from collector.providers.http import wire
from collector.providers.http.bodies import BODY_MAX, read_whole
from collector.providers.http.replies import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from multidict import CIMultiDict
    from yarl import URL

    from collector.providers.http.transport import Transport
    from collector.redaction import Secrets

T = TypeVar("T")


async def call(
    transport: Transport,
    method: str,
    url: URL,
    headers: CIMultiDict[str],
    body: bytes | None,
    *,
    read: Callable[[Reply], T | Problem],
    secrets: Secrets,
    within_s: float = math.inf,
    afresh: bool = False,
    most: int = BODY_MAX,
) -> T | Problem:
    """Make a call, and return what its answer is read as; never raise for what the wire did.

    Args:
        transport: what sends.
        method: of HTTP.
        url: where to.
        headers: beside those that every request carries.
        body: what it brings.
        read: makes something of the answer. What it raises makes the answer `UNREADABLE`.
        secrets: what is taken out of the answer before it is read.
        within_s: seconds that it may take; no more than `wire.TOTAL_S`.
        afresh: over a connection of its own.
        most: how many bytes of the answer are worth reading.
    """
    total_s = min(wire.TOTAL_S, within_s)
    try:
        with fail_after(total_s):
            async with transport.request(
                method, url, headers, body, within_s=total_s, afresh=afresh
            ) as response:
                answered = await read_whole(response.content, most=most)
                reply = Reply.of(response.status, response.headers, answered, most=most)
                said = read(replace(reply, body=secrets.out_of_bytes(reply.body)))
                if isinstance(said, Problem) and said.kind is ProblemKind.UNREADABLE:
                    transport.retire(response)
    except Exception as error:  # noqa: BLE001  # whatever came, it is this server's alone
        return wire.problem_of(error, secrets, total_s=total_s)
    return said
