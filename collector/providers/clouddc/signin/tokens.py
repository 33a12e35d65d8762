"""`kind: token`: a token from a variable, or from a file that is read again when it changes."""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from pathlib import Path
from typing import TYPE_CHECKING, Final

from collector.providers.clouddc.signin.kept import KeptSource, look
from collector.providers.clouddc.signin.reading import of_file, of_variable, sendable
from collector.providers.clouddc.signin.secret import Token

if TYPE_CHECKING:
    from collections.abc import Mapping

_WHAT: Final = "token"


class TokenSource(KeptSource):
    """A token for `X-Auth-Token`, from an environment variable or a file."""

    def __init__(self, source: str, token: str) -> None:
        help_ = f"put a new token in {source}"
        super().__init__(Token(sendable(_WHAT, token, source)), source, help_)

    @classmethod
    def of(
        cls, options: Mapping[str, str], environ: Mapping[str, str] | None = None
    ) -> TokenSource:
        """Return the source that an inventory's `token` credentials name.

        Args:
            options: `token_env` or `token_file`, as in the inventory.
            environ: instead of the process's own environment.

        Raises:
            UnusableSecretError: there is no token, or it cannot stand in a header.
        """
        if "token_file" in options:
            return cls.from_file(Path(options["token_file"]))
        return cls.from_variable(options["token_env"], environ)

    @classmethod
    def from_variable(cls, name: str, environ: Mapping[str, str] | None = None) -> TokenSource:
        """Read the token from an environment variable.

        Raises:
            UnusableSecretError: it is not set, or cannot stand in a header.
        """
        token = of_variable(_WHAT, name, os.environ if environ is None else environ)
        return cls(f"environment variable {name}", token)

    @classmethod
    def from_file(cls, path: Path) -> TokenSource:
        """Read the token from a file.

        Raises:
            UnusableSecretError: it cannot be read, or not stand in a header.
        """
        source = f"file {path}"

        def token_of(content: bytes) -> Token:
            return Token(sendable(_WHAT, _text(content), source))

        seen = look(path)
        found = cls(source, _text(of_file(_WHAT, path, warns=True)))
        found.follow(_WHAT, path, token_of, seen)
        return found

    @property
    def token(self) -> str:
        """What calls carry now."""
        return next(self._current.parts())


def _text(content: bytes) -> str:
    """Return a file's text, without a byte-order mark: whatever is not ASCII is no token's."""
    return content.removeprefix(BOM_UTF8).decode("latin-1")
