"""The kinds of credentials: from what an inventory says to a source of secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.providers.clouddc.signin.secret import Keyring
from collector.providers.clouddc.signin.tokens import TokenSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.model.events import CredentialNamed
    from collector.providers.clouddc.signin.source import Source


def sources_of(
    credentials: Mapping[str, CredentialNamed], environ: Mapping[str, str]
) -> dict[str, Source]:
    """Return the source of each entry.

    Args:
        credentials: each with the fields of its kind.
        environ: where variables are looked up.

    Raises:
        CollectorError: a secret is missing, or cannot be one.
    """
    keyring = Keyring()
    return {name: _source(named, environ, keyring) for name, named in credentials.items()}


def _source(named: CredentialNamed, environ: Mapping[str, str], keyring: Keyring) -> Source:
    options = named.options
    match named.kind:
        case "password":
            from collector.providers.clouddc.signin.passwords import (  # noqa: PLC0415  # one kind's imports, not all
                PasswordSource,
            )

            return PasswordSource.of(options, environ)
        case "aksk":
            from collector.providers.clouddc.signin.keys import key_source  # noqa: PLC0415  # as above

            return key_source(options, environ, keyring)
        case "sdk":
            from collector.providers.clouddc.signin.profiles import profile_source  # noqa: PLC0415

            return profile_source(options, environ, keyring)
        case "command":
            from collector.providers.clouddc.signin.commands import CommandSource  # noqa: PLC0415

            return CommandSource.of(options, environ, keyring)
        case _:
            return TokenSource.of(options, environ)
