"""The kinds of credentials: from what an inventory says to a source of secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.providers.clouddc.signin.keys import KeySource
from collector.providers.clouddc.signin.passwords import PasswordSource
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
    if named.kind == "aksk":
        return KeySource.of(options, environ, keyring)
    if named.kind == "password":
        return PasswordSource.of(options, environ)
    return TokenSource.of(options, environ)
