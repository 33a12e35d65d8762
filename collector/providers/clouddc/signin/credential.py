"""`Credential`: what every request passes on its way out, and its answer on the way back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from collector.model.answers import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from multidict import CIMultiDict
    from yarl import URL

    from collector.providers.clouddc.signin.lockout import Ticket
    from collector.providers.clouddc.signin.secret import Secret
    from collector.providers.http.replies import Reply
    from collector.providers.protocol import ProjectAddress

T = TypeVar("T")


# Made for each call, as is `Authorized`: a frozen one takes several times as long to make.
@dataclass(slots=True, eq=False)
class Outgoing:
    """A request that is about to leave.

    Attributes:
        method: of HTTP.
        url: where to, as it is sent.
        body: what it brings, if anything.
        project: whose call it is.
        headers: what it carries so far. More may be added later, which no signature covers.
    """

    method: str
    url: URL
    body: bytes | None
    project: ProjectAddress
    headers: CIMultiDict[str]


@dataclass(slots=True, eq=False)
class Authorized:
    """A request that may leave.

    Attributes:
        headers: all that it carries.
        secret: what authorizes it.
        number: which of the calls that have carried the secret it is.
        is_alone: others wait for what becomes of it.
        ticket: where the call is counted until it is known not to be a wrong signature.
        stamped_s: the time of its signature less this machine's; 0 where it has none.
        elsewhere: the headers for another URL of the same origin; None where they are the same.
    """

    headers: CIMultiDict[str] = field(repr=False)
    secret: Secret
    number: int
    is_alone: bool = False
    ticket: Ticket | None = None
    stamped_s: float = 0.0
    elsewhere: Callable[[URL], CIMultiDict[str]] | None = field(default=None, repr=False)


class Note:
    """What of an answer tells about the credential that its request carried.

    Attributes:
        reply: the API's answer, if one came: the last one, where it sent the call on.
    """

    __slots__ = ("reply",)

    def __init__(self) -> None:
        self.reply: Reply | None = None


class Credential(Protocol):
    """What authorizes requests. It may send some of its own before it does."""

    async def authorize(self, request: Outgoing) -> Authorized | Problem:
        """Return the request's headers, or why it cannot leave: `UNAUTHENTICATED`, `sign_in`.

        Whoever gets an `Authorized` owes one `heard` or `abandoned`.
        """

    async def heard(
        self, request: Outgoing, authorized: Authorized, problem: Problem | None, note: Note
    ) -> Problem | None:
        """Take in what became of a request.

        Args:
            request: as it was authorized.
            authorized: what it left with.
            problem: what it came to, where that is a problem.
            note: what was answered.

        Returns:
            The problem, with all that the credential knows of it.
        """

    def abandoned(self, authorized: Authorized) -> None:
        """Take in that nobody waits for a request any more."""


async def signed_in(
    credential: Credential,
    request: Outgoing,
    send: Callable[[Authorized, Note], Awaitable[T | Problem]],
) -> T | Problem:
    """Make a call with a credential: authorize it, send it, and tell what came of it.

    Args:
        credential: whose.
        request: what is to be sent.
        send: sends it with these headers, puts the answer into the note, and returns what it says.
    """
    authorized = await credential.authorize(request)
    if isinstance(authorized, Problem):
        return authorized
    note = Note()
    try:
        said = await send(authorized, note)
    except BaseException:
        credential.abandoned(authorized)
        raise
    problem = said if isinstance(said, Problem) else None
    told = await credential.heard(request, authorized, problem, note)
    return said if told is None else told
