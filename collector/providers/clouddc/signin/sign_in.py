"""`SignIn`: carries the secret that a source offers, and lets one call prove it alone."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
from multidict import CIMultiDict, istr

from collector import clock
from collector.model.answers import Problem, ProblemKind
from collector.providers.clouddc.parsing import error_body
from collector.providers.clouddc.signin.credential import Authorized, Credential
from collector.providers.clouddc.signin.lockout import ANSWERED_S, Ticket
from collector.providers.clouddc.signin.problems import final, passing
from collector.providers.clouddc.signin.secret import Keys, Secret, Token
from collector.providers.clouddc.signin.service_clock import FOLLOWED_FROM_S, ServiceClock
from collector.providers.clouddc.signin.signing import LARGEST_BODY, signed, stamp

if TYPE_CHECKING:
    from yarl import URL

    from collector.providers.clouddc.signin.credential import Note, Outgoing
    from collector.providers.clouddc.signin.lockout import KeyGuard
    from collector.providers.clouddc.signin.source import Source

WAITS_S: Final = 90.0
"""How long a call waits for another to prove its secret: longer than that one may take."""
AGAIN_S: Final = 1.0
"""After which a call may wait for it once more."""
ASKED_AGAIN_S: Final = 0.2
"""How often keys are asked after that another process is proving."""
REPEATS: Final = 1
REPEATS_OF_ACCEPTED: Final = 2
"""How often keys that were refused are sent again as they are; and those that were accepted before,
for which it may be the trouble of a server, or of a moment."""

_OF_A_KEY: Final = re.compile(r"signature|not exist|token|AK access", re.IGNORECASE)
_ECHO: Final = re.compile(r"[,;]?\s*canonicalRequest\s*[:=].*", re.DOTALL | re.IGNORECASE)
"""What the gateway had signed: nothing that helps a person."""

_TOKEN: Final = istr("X-Auth-Token")
_SECURITY_TOKEN: Final = istr("X-Security-Token")
_PROJECT: Final = istr("X-Project-Id")
_DATE: Final = istr("X-Sdk-Date")
_HOST: Final = istr("Host")
_CONTENT_TYPE: Final = istr("Content-Type")


class SignIn(Credential):
    """A credential whose secrets come from a source.

    Args:
        source: what offers them.
        guard: keeps keys from being locked.
        clocks: those of the services, by origin; shared by all credentials of a run.
    """

    def __init__(self, source: Source, guard: KeyGuard, clocks: dict[URL, ServiceClock]) -> None:
        self._source = source
        self._guard = guard
        self._clocks = clocks

    async def authorize(self, request: Outgoing) -> Authorized | Problem:
        """Return the request's headers, or why it cannot leave."""
        until_s = clock.now_s() + WAITS_S
        while True:
            offer = await self._source.offer(request.project)
            if isinstance(offer, Problem):
                return offer
            secret = offer.secret
            if isinstance(secret, Keys) and len(request.body or b"") > LARGEST_BODY:
                return final("the request is larger than the 12 MB that can be signed")
            if secret.is_accepted:
                return self._authorized(request, secret)
            if not secret.turn.is_taken:
                return await self._alone(request, secret)
            if offer.spare is not None and offer.spare.is_accepted:
                return self._authorized(request, offer.spare)
            with anyio.move_on_after(until_s - clock.now_s()) as waiting:
                await secret.turn.wait()
            if waiting.cancelled_caught:
                return passing("another call is still to prove this credential", AGAIN_S)

    async def _alone(self, request: Outgoing, secret: Secret) -> Authorized | Problem:
        """Let a call prove a secret, and leave it the turn."""
        secret.turn.take()
        left = None
        try:
            ticket = await self._counted(secret) if isinstance(secret, Keys) else None
            if isinstance(ticket, Problem):
                return ticket
            left = self._authorized(request, secret, ticket, is_alone=True)
            return left
        finally:
            if left is None:
                secret.turn.leave()

    async def _counted(self, keys: Keys) -> Ticket | Problem:
        """Count a call with keys that are not proven, so that they are never locked."""
        if keys.refusals > (REPEATS_OF_ACCEPTED if keys.was_accepted else REPEATS):
            message = f"the service has refused these keys {keys.refusals} times: {keys.why}"
            return final(message, self._source.hint)
        until_s = clock.now_s() + ANSWERED_S
        while not isinstance(counted := await self._guard.leaves(keys.ak), Ticket):
            if counted.is_certain:
                wait = "correct keys have to wait until then, too"
                return final(counted.message, f"{wait}; {self._source.hint}")
            if not counted.is_soon_over or clock.now_s() >= until_s:
                # Nobody has answered: that is the service's trouble, and may not be the keys'.
                return Problem(ProblemKind.NOT_SENT, counted.message)
            await anyio.sleep(ASKED_AGAIN_S)  # until another process has its answer
        return counted

    def _authorized(
        self,
        request: Outgoing,
        secret: Secret,
        ticket: Ticket | None = None,
        *,
        is_alone: bool = False,
    ) -> Authorized:
        number = secret.leaves()
        if isinstance(secret, Token):
            headers = CIMultiDict(request.headers)
            headers[_TOKEN] = secret.value
            return Authorized(headers, secret, number, is_alone)
        assert isinstance(secret, Keys)  # noqa: S101  # there is no third kind
        where = self._clock(request)
        elsewhere = partial(_signed, request, secret, where.now_s())
        return Authorized(
            elsewhere(request.url), secret, number, is_alone, ticket, where.ahead_s, elsewhere
        )

    async def heard(
        self, request: Outgoing, authorized: Authorized, problem: Problem | None, note: Note
    ) -> Problem | None:
        """Take in what became of a request."""
        try:
            if problem is not None and problem.kind is ProblemKind.UNAUTHENTICATED:
                return await self._refused(request, authorized, problem, note)
            is_decided = note.reply is not None and _is_decided(problem)
            if is_decided:
                self._accepted(request, authorized, note)
            if authorized.ticket is not None:
                await self._settle(authorized.ticket, problem, note, is_decided=is_decided)
            return problem
        finally:
            self.abandoned(authorized)

    def abandoned(self, authorized: Authorized) -> None:
        """Let the next call go."""
        if authorized.is_alone:
            authorized.secret.turn.leave()

    async def _refused(
        self, request: Outgoing, authorized: Authorized, problem: Problem, note: Note
    ) -> Problem:
        secret, retimed = authorized.secret, False
        if isinstance(secret, Keys):
            await self._guard.refused(secret.ak, authorized.ticket)
            retimed = self._retimed(request, authorized, note)
        secret.refused(authorized.number, as_wrong=not retimed)
        message = _ECHO.sub("", problem.message)
        secret.why = message
        renewed = await self._source.refused(secret, request.project)
        hint = problem.hint or self._source.hint
        return replace(
            problem,
            message=message,
            renewed=renewed or retimed,
            everywhere=isinstance(secret, Keys) and _names_the_key(note),
            hint=hint,
        )

    def _retimed(self, request: Outgoing, authorized: Authorized, note: Note) -> bool:
        """Tell whether another signature would have another time, by the service's clock."""
        where = self._clock(request)
        if note.reply is not None:
            where.look(note.reply, error_body(note.reply.body).words, closely=True)
        return abs(where.ahead_s - authorized.stamped_s) > FOLLOWED_FROM_S

    def _accepted(self, request: Outgoing, authorized: Authorized, note: Note) -> None:
        secret = authorized.secret
        if note.reply is not None and isinstance(secret, Keys):
            self._clock(request).look(
                note.reply, closely=authorized.is_alone, accepted_s=authorized.stamped_s
            )
        if secret.accepted(authorized.number):
            self._source.accepted(secret, request.project)

    async def _settle(
        self, ticket: Ticket, problem: Problem | None, note: Note, *, is_decided: bool
    ) -> None:
        """Take in what became of a call with keys that were not proven, and was not refused."""
        if is_decided:
            await self._guard.accepted(ticket.ak)
        elif note.reply is None and (problem is None or problem.kind is not ProblemKind.NOT_SENT):
            await self._guard.lost(ticket)  # it may have been refused
        else:
            await self._guard.cleared(ticket)

    def _clock(self, request: Outgoing) -> ServiceClock:
        origin = request.url.origin()
        if origin not in self._clocks:
            self._clocks[origin] = ServiceClock(origin.host or "the service")
        return self._clocks[origin]


def _signed(request: Outgoing, keys: Keys, at_s: float, url: URL) -> CIMultiDict[str]:
    """Return all headers of a request to a URL of its origin."""
    headers = CIMultiDict(request.headers)
    to_sign = {str(_HOST): _host(url), str(_DATE): stamp(at_s), str(_PROJECT): request.project.id}
    if keys.security_token is not None:
        to_sign[str(_SECURITY_TOKEN)] = keys.security_token
    if (content_type := headers.get(_CONTENT_TYPE)) is not None:
        to_sign[str(_CONTENT_TYPE)] = content_type
    made = signed(
        request.method, url.raw_path, list(url.query.items()), to_sign, request.body or b"",
        ak=keys.ak, sk=keys.sk,
    )  # fmt: skip
    headers.update(made)
    return headers


def _host(url: URL) -> str:
    """Return the `Host` of a URL, as HTTP clients write it."""
    return url.host_port_subcomponent or ""


def _names_the_key(note: Note) -> bool:
    """Tell whether a refusal is of the key or its signature, and not of a project."""
    words = "" if note.reply is None else error_body(note.reply.body).words
    return _OF_A_KEY.search(words) is not None


def _is_decided(problem: Problem | None) -> bool:
    """Tell whether whoever answered has looked at the secret: a gateway or a proxy may not have."""
    if problem is None:
        return True
    if problem.kind is ProblemKind.NOT_SENT:
        return False
    if problem.elsewhere:
        return True
    if problem.kind is ProblemKind.NOT_READY:
        return problem.code is not None
    return problem.kind not in (ProblemKind.THROTTLED, ProblemKind.UNREADABLE)
