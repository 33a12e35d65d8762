"""`kind: token`: a token from a variable, or from a file that is read again when it changes."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from collector import clock, threads
from collector.providers.clouddc.signin.reading import (
    UnusableSecretError,
    of_file,
    of_variable,
    sendable,
)
from collector.providers.clouddc.signin.secret import Token
from collector.providers.clouddc.signin.source import Offer, Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.providers.clouddc.signin.secret import Secret
    from collector.providers.clouddc.signin.source import Means
    from collector.providers.protocol import ProjectAddress
    from collector.redaction import Secrets

LOOKED_AT_EVERY_S: Final = 1.0
LOOK_S: Final = 5.0
"""How long a call waits for a file system that does not answer; then it carries what it has."""
_WHAT: Final = "token"


class TokenSource(Source):
    """A token for `X-Auth-Token`, from an environment variable or a file.

    A file is looked at once a second, and after a 401; an environment variable does not change
    while a process runs.
    """

    def __init__(self, source: str, token: str, file: Path | None = None) -> None:
        self._source = source
        self._file = file
        self._current = Token(sendable(_WHAT, token, source))
        self._earlier: Token | None = None
        self._refused_value: str | None = None
        self._seen: tuple[int, ...] | None = None
        self._next_look_s = 0.0
        self._reading = anyio.Lock()
        self._secrets: Secrets | None = None

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
        seen = _look(path)
        content = of_file(_WHAT, path, warns=True)
        made = cls(f"file {path}", content.decode("latin-1"), path)
        made._seen = seen  # what is written after the look is found by the next one
        return made

    def __repr__(self) -> str:
        return f"TokenSource({self._source!r})"

    @property
    def token(self) -> str:
        """What calls carry now."""
        return self._current.value

    @property
    def hint(self) -> str:
        """What to do where the service refuses it."""
        return f"put a new token into {self._source}, then --resume the run with --retry-failed"

    def make_known(self, secrets: Secrets) -> None:
        """Make the token known, and whichever comes in its place."""
        self._secrets = secrets
        secrets.add(self.token)

    def enter(self, means: Means) -> None:
        """Begin."""

    async def offer(self, project: ProjectAddress) -> Offer:
        """Return the token, which is another one where the file has changed."""
        del project  # the same for all
        if self._file is not None and clock.now_s() >= self._next_look_s:
            self._next_look_s = clock.now_s() + LOOKED_AT_EVERY_S
            with anyio.move_on_after(LOOK_S):
                look = partial(_look, self._file)
                if await threads.run_sync(look, abandon_on_cancel=True) != self._seen:
                    await self._read(self._current)
        return Offer(self._current, self._earlier)

    async def refused(self, secret: Secret, project: ProjectAddress) -> bool:
        """Tell whether a call would carry another token now.

        Of several calls that were refused at once the first finds the new token in the file, and
        the others find that it is there already.
        """
        del project
        if secret is self._earlier:
            self._earlier = None
        elif secret is self._current:
            if self._file is not None:
                await self._read(self._current)
            if secret is self._current and self._earlier is not None:
                # A file that was read while it was written: what it held before was never refused.
                self._refused_value = self._current.value
                self._current, self._earlier = self._earlier, None
        return secret is not self._current

    def accepted(self, secret: Secret, project: ProjectAddress) -> None:
        """Forget the token before."""
        del project
        if secret is self._current:
            self._earlier = None

    async def _read(self, known: Token) -> None:
        """Read the file anew, unless somebody has since `known` was read."""
        async with self._reading:
            if self._file is None or self._current is not known:
                return
            try:
                seen, fresh = await threads.run_sync(partial(_read, self._file, self._source))
            except UnusableSecretError:
                return  # half-written, or gone: what we have stays
            self._seen = seen
            if fresh in (self._current.value, self._refused_value):
                return
            if self._secrets is not None:
                self._secrets.add(fresh)
            self._earlier = self._current if self._current.is_accepted else None
            self._current = Token(fresh)


def _read(path: Path, source: str) -> tuple[tuple[int, ...] | None, str]:
    seen = _look(path)
    return seen, sendable(_WHAT, of_file(_WHAT, path).decode("latin-1"), source)


def _look(path: Path) -> tuple[int, ...] | None:
    """Return what changes with a file; None where it is none, or a pipe, which is read once."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    if not path.is_file():
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
