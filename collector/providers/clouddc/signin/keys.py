"""`kind: aksk`: an access key and its secret key, from variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collector.providers.clouddc.signin.kept import KeptSource
from collector.providers.clouddc.signin.reading import (
    UnusableSecretError,
    of_variable,
    one_line,
    sendable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.providers.clouddc.signin.secret import Keyring, Keys

AK: Final = "access key (AK)"
SK: Final = "secret key (SK)"
SECURITY_TOKEN: Final = "security token"  # noqa: S105  # its name
_FIELDS: Final = (("ak_env", AK), ("sk_env", SK), ("security_token_env", SECURITY_TOKEN))


def key_source(
    options: Mapping[str, str], environ: Mapping[str, str], keyring: Keyring
) -> KeptSource:
    """Return the source that an inventory's `aksk` credentials name.

    Raises:
        UnusableSecretError: a variable is not set, or holds what cannot be a key.
    """
    names = [options[field] for field, _ in _FIELDS if field in options]
    found = [
        (of_variable(what, options[field], environ), f"environment variable {options[field]}")
        for field, what in _FIELDS
        if field in options
    ]
    keys = checked(keyring, found[0], found[1], *found[2:])
    listed = " and ".join((", ".join(names[:-1]), names[-1]))
    return KeptSource(keys, listed, _help(listed, is_temporary="security_token_env" in options))


def _help(where: str, *, is_temporary: bool) -> str:
    """Return what to do where the service refuses keys."""
    if is_temporary:
        return f"get new temporary keys, put them in {where}"
    return f"check the keys in {where}"


def checked(
    keyring: Keyring,
    ak: tuple[str, str],
    sk: tuple[str, str],
    security_token: tuple[str, str] | None = None,
) -> Keys:
    """Return keys that can be sent, from their texts and where each comes from.

    Raises:
        UnusableSecretError: one of them cannot be what it should be.
    """
    access_key = sendable(AK, *ak)
    if not set(access_key).isdisjoint(" ,="):
        raise UnusableSecretError(AK, ak[1], "is no access key: it holds a space, a comma or =")
    secret_key = one_line(SK, *sk).strip()
    if not secret_key:
        raise UnusableSecretError(SK, sk[1], "is empty")
    token = None if security_token is None else sendable(SECURITY_TOKEN, *security_token)
    return keyring.keys(access_key, secret_key, token)
