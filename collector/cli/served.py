"""What `--serve` and `serve` need before anything begins: an address to listen at, and a token."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from collector.cli.streams import say
from collector.redaction import Secrets

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.runtime.collection import Collection
    from collector.serving.guard import Token
    from collector.serving.listening import Listening
    from collector.serving.serving import Serving


@dataclass(frozen=True, slots=True)
class Place:
    """Where something will be served, and with which token; bound, and not served yet."""

    listening: Listening
    token: Token

    def serve(self, run: Collection, stop: Callable[[], None]) -> Serving:
        """Make what serves a run."""
        from collector.serving.serving import Serving  # noqa: PLC0415  # loads aiohttp's server

        return Serving(run, self.listening, self.token, stop)

    def tell(self, what: str, *, can_stop: bool = False) -> None:
        """Say where the page is; the token is shown this once, if it was made here."""
        url, token = self.listening.url, self.token
        with_token = f"{url}?token={token.value}" if token.is_new else None
        if self.listening.is_loopback:
            say(f"{what}: {url}")
            if can_stop and with_token is not None:
                say(f"To stop the run from the page, open {with_token}", has_secrets=False)
        elif with_token is not None:
            say(f"{what}: {with_token}", has_secrets=False)
        else:
            say(f"{what}: {url} (with ?token= and the value of COLLECTOR_SERVE_TOKEN)")
        if self.listening.is_everywhere:
            say("From other machines, use this machine's name or address in place of that one.")
        secrets().add(token.value)


def place(address: str) -> Place:
    """Listen at an address.

    Raises:
        CollectorError: it cannot be listened at, or the token in the environment is no good.
    """
    from collector.serving.guard import token  # noqa: PLC0415  # most commands serve nothing
    from collector.serving.listening import listen  # noqa: PLC0415  # as above

    made = token(os.environ)
    if not made.is_new:
        secrets().add(made.value)
    return Place(listen(address), made)


def secrets() -> Secrets:
    """Return the secrets of this process."""
    return click.get_current_context().find_object(Secrets) or Secrets()
