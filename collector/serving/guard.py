"""Who may look, and who may stop a run: host names, origins and the token.

A page on the Web can make a browser send requests here: with its own name for this address (DNS
rebinding), or with the address itself, from a script, a frame or a form. So a request must name a
host that is served, and come from this page, from the address bar or from a link.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio

from collector.errors import CollectorError
from collector.serving.listening import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.web import BaseRequest

    from collector.serving.listening import Listening

VARIABLE: Final = "COLLECTOR_SERVE_TOKEN"
"""The variable of the environment that holds the token."""
PARAMETER: Final = "token"
"""The parameter of a URL that holds it."""
STOP: Final = "stop"
"""What a request to stop the run says in the header `X-Collector`."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~-]{8,512}")
_HOST: Final = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+))(?::[0-9]{1,5})?"
)
_OWN_SITES: Final = ("same-origin", "none")
_GUESS_S: Final = 0.25
"""How long a wrong token waits, one after the other: so nobody guesses more than four a second."""


class TokenError(CollectorError):
    """The environment's token cannot be used."""

    def __init__(self) -> None:
        super().__init__(
            f"{VARIABLE} must have at least 8 characters, and only letters, digits and . _ ~ -; "
            f"make one with `openssl rand -hex 32`, or unset it to have one made"
        )


@dataclass(frozen=True, slots=True)
class Refused(Exception):  # noqa: N818 - an answer, not a mishap
    """A request is refused.

    Attributes:
        status: of HTTP.
        why: for whoever asked.
        allow: the methods that are answered, where this one is not.
    """

    status: int
    why: str
    allow: str = ""


@dataclass(frozen=True, slots=True)
class Token:
    """What whoever has it may look with, and stop the run.

    Attributes:
        value: the secret.
        is_new: it was made here, so a person must be told.
    """

    value: str
    is_new: bool

    def __repr__(self) -> str:
        return "Token(***)"


def token(environ: Mapping[str, str]) -> Token:
    """Take the token from the environment, or make one.

    Raises:
        TokenError: it is too short, or cannot stand in a URL.
    """
    given = environ.get(VARIABLE, "")
    if not given:
        return Token(secrets.token_urlsafe(24), is_new=True)
    if not _TOKEN.fullmatch(given):
        raise TokenError
    return Token(given, is_new=False)


class Guard:
    """Checks each request before anything else is done with it.

    Args:
        listening: where requests arrive. From another address than loopback, whoever looks needs
            the token.
        token: None where everybody may look, and nobody stop anything.
    """

    def __init__(self, listening: Listening, token: Token | None) -> None:
        self._host = listening.host.lower()
        self._only_here = listening.is_loopback
        self._token = token
        self._own_names = {"localhost", self._host}
        if not self._only_here:
            self._own_names.add(socket.gethostname().lower())
        self.cookie = f"collector-{listening.port}"
        self._guessing = anyio.Lock()

    async def admit(self, request: BaseRequest) -> bool:
        """Check that a request may be answered.

        Returns:
            Whether it carries the token.

        Raises:
            Refused: it may not.
        """
        self._check_host(request)
        self._check_origin(request)
        if self._token is None:
            return False
        given = self._given(request)
        if given is not None and not _is_right(given, self._token):
            async with self._guessing:
                await anyio.sleep(_GUESS_S)
            if not self._only_here or PARAMETER in request.query:
                raise Refused(
                    403, "This token is not the collector's; it is in the URL on its stderr."
                )
            given = None
        if given is None and not self._only_here:
            raise Refused(
                401, "Open the URL that the collector wrote on its stderr: it has the token."
            )
        return given is not None

    def check_stop(self, request: BaseRequest, *, has_token: bool) -> None:
        """Check that a request may stop the run.

        Raises:
            Refused: it may not.
        """
        if not has_token:
            raise Refused(401, "Only whoever has the token may stop the run.")
        if request.headers.get("X-Collector") != STOP:
            raise Refused(403, f"A request to stop the run says so: X-Collector: {STOP}")

    def _check_host(self, request: BaseRequest) -> None:
        hosts = request.headers.getall("Host", [])
        # A request for a whole URL has the host that it is meant for in there.
        if len(hosts) != 1 or not all(map(self._is_us, (hosts[0], request.host))):
            raise Refused(
                403, f"This address is not served under that name; use {self._host} or localhost."
            )

    def _is_us(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        return found is not None and self._is_served((found["six"] or found["host"]).lower())

    def _is_served(self, name: str) -> bool:
        """Whether this is our name. A name that is an address cannot be given to another host."""
        if name.removesuffix(".") in self._own_names:
            return True
        return is_loopback(name) if self._only_here else _is_address(name)

    def _check_origin(self, request: BaseRequest) -> None:
        headers = request.headers
        origins = headers.getall("Origin", [])
        host = headers["Host"].lower()
        if any(one.lower() not in (f"http://{host}", f"https://{host}") for one in origins):
            raise Refused(403, "This page answers no other page.")
        site = headers.get("Sec-Fetch-Site", "none")
        if site not in _OWN_SITES and not _is_a_link(request):
            raise Refused(403, "This page answers no other page.")

    def _given(self, request: BaseRequest) -> str | None:
        """Return the token that a request carries, right or wrong."""
        if PARAMETER in request.query:
            return request.query[PARAMETER]
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return value.strip()
        return request.cookies.get(self.cookie)


def _is_right(given: str, token: Token) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.value.encode())


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_a_link(request: BaseRequest) -> bool:
    """Whether somebody follows a link on another page, which sees nothing of what opens."""
    headers = request.headers
    return (
        request.method == "GET"
        and headers.get("Sec-Fetch-Mode") == "navigate"
        and headers.get("Sec-Fetch-Dest") == "document"
    )
