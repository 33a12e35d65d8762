"""`kind: aksk`: an access key and its secret key, from variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collector.providers.clouddc.signin.reading import (
    UnusableSecretError,
    of_variable,
    one_line,
    sendable,
)
from collector.providers.clouddc.signin.source import Offer, Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.providers.clouddc.signin.secret import Keyring, Keys, Secret
    from collector.providers.clouddc.signin.source import Means
    from collector.providers.protocol import ProjectAddress
    from collector.redaction import Secrets

AK: Final = "access key (AK)"
SK: Final = "secret key (SK)"
SECURITY_TOKEN: Final = "security token"  # noqa: S105  # its name


class KeySource(Source):
    """Keys that stay as they are while a process runs.

    Args:
        keys: the keys.
        source: where they come from, for a person.
    """

    def __init__(self, keys: Keys, source: str) -> None:
        self._keys = keys
        self._source = source

    @classmethod
    def of(
        cls, options: Mapping[str, str], environ: Mapping[str, str], keyring: Keyring
    ) -> KeySource:
        """Return the source that an inventory's `aksk` credentials name.

        Raises:
            UnusableSecretError: a variable is not set, or holds what cannot be a key.
        """
        given = {
            field: of_variable(what, options[field], environ)
            for field, what in (
                ("ak_env", AK),
                ("sk_env", SK),
                ("security_token_env", SECURITY_TOKEN),
            )
            if field in options
        }
        where = {field: f"environment variable {options[field]}" for field in given}
        token = given.get("security_token_env")
        keys = checked(
            keyring,
            (given["ak_env"], where["ak_env"]),
            (given["sk_env"], where["sk_env"]),
            None if token is None else (token, where["security_token_env"]),
        )
        return cls(keys, " and ".join(options[field] for field in given))

    @property
    def hint(self) -> str:
        """What to do where the service refuses them."""
        return f"check the keys in {self._source}, then --resume the run with --retry-failed"

    def __repr__(self) -> str:
        return f"KeySource({self._source!r})"

    def make_known(self, secrets: Secrets) -> None:
        """Make the keys known."""
        for part in self._keys.parts():
            secrets.add(part)

    def enter(self, means: Means) -> None:
        """Begin."""

    async def offer(self, project: ProjectAddress) -> Offer:
        """Return the keys."""
        del project
        return Offer(self._keys)

    async def refused(self, secret: Secret, project: ProjectAddress) -> bool:
        """Tell that there are no others."""
        del secret, project
        return False

    def accepted(self, secret: Secret, project: ProjectAddress) -> None:
        """Take it in."""


def checked(
    keyring: Keyring,
    ak: tuple[str, str],
    sk: tuple[str, str],
    security_token: tuple[str, str] | None,
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
