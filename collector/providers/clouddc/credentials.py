"""Secrets: where a token comes from, and whether it has changed since."""

from __future__ import annotations

import logging
import os
import stat
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from collector import inputs, threads
from collector.errors import CollectorError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.redaction import Secrets

LARGEST_FILE = 64 << 10
_log = logging.getLogger(__name__)


class UnusableTokenError(CollectorError):
    """A token cannot be read or sent: the text names its variable or file, never the token.

    Attributes:
        source: the environment variable or the file.
    """

    def __init__(self, source: str, what: str) -> None:
        self.source = source
        super().__init__(f"the token in {source} {what}; put a valid token there and start again")


class TokenSource:
    """A token for `X-Auth-Token`, from an environment variable or a file.

    It is read once, at the start. One that was read from a file is read again after a 401; an
    environment variable does not change while a process runs.

    Attributes:
        token: what calls carry now.
    """

    def __init__(self, source: str, token: str, file: Path | None = None) -> None:
        self.token = _sendable(token, source)
        self._source = source
        self._file = file
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
            UnusableTokenError: there is no token, or it cannot stand in a header.
        """
        if "token_file" in options:
            return cls.from_file(Path(options["token_file"]))
        return cls.from_variable(options["token_env"], environ)

    @classmethod
    def from_variable(cls, name: str, environ: Mapping[str, str] | None = None) -> TokenSource:
        """Read the token from an environment variable.

        Raises:
            UnusableTokenError: it is not set, or cannot stand in a header.
        """
        token = (os.environ if environ is None else environ).get(name)
        source = f"environment variable {name}"
        if token is None:
            raise UnusableTokenError(source, "is missing: the variable is not set")
        return cls(source, token)

    @classmethod
    def from_file(cls, path: Path) -> TokenSource:
        """Read the token from a file.

        Raises:
            UnusableTokenError: it cannot be read, or not stand in a header.
        """
        return cls(f"file {path}", _read(path, warns=True), path)

    def make_known(self, secrets: Secrets) -> None:
        """Make the token known, and whichever comes in its place."""
        self._secrets = secrets
        secrets.add(self.token)

    def __repr__(self) -> str:
        return f"TokenSource({self._source!r})"

    async def changed_since(self, refused: str) -> bool:
        """Tell whether a call that carried `refused` would carry another token now.

        Of several calls that were refused at once the first finds the new token in the file, and
        the others find that it is there already.
        """
        if self._file is not None and self.token == refused:
            try:
                fresh = _sendable(await threads.run_sync(partial(_read, self._file)), self._source)
            except UnusableTokenError:
                return False  # half-written, or gone: what we have stays refused
            if self._secrets is not None:
                self._secrets.add(fresh)
            if self.token == refused:
                self.token = fresh
        return self.token != refused


def _read(path: Path, *, warns: bool = False) -> str:
    try:
        content = inputs.read_input(path, LARGEST_FILE)
        if warns:
            _warn_if_exposed(path, path.stat())
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UnusableTokenError(f"file {path}", f"cannot be read ({reason})") from None
    if len(content) > LARGEST_FILE:
        raise UnusableTokenError(f"file {path}", f"is longer than {LARGEST_FILE} bytes")
    return content.decode("latin-1")


def _warn_if_exposed(path: Path, found: os.stat_result) -> None:
    """Say that others may read the token, or put another one there, where that can be mended."""
    if not stat.S_ISREG(found.st_mode):
        return  # a pipe, as a shell's `<(...)`
    if path.is_symlink() and path.resolve().parent.stat().st_uid == 0:
        return  # as Kubernetes mounts a secret: for this container alone, with modes of its own
    if found.st_uid not in (os.geteuid(), 0):
        _log.warning(
            f"the file of a token belongs to another user; chown {os.geteuid()} {path}",
            extra={"facts": {"path": str(path), "owner": found.st_uid}},
        )
    elif found.st_mode & 0o066:
        _log.warning(
            f"others may read or change the file of a token; chmod 600 {path}",
            extra={"facts": {"path": str(path), "mode": f"{stat.S_IMODE(found.st_mode):04o}"}},
        )


def _sendable(token: str, source: str) -> str:
    """Return the token without the white space around it, if it can stand in a header."""
    token = token.strip()
    if not token:
        raise UnusableTokenError(source, "is empty")
    if not token.isascii() or not token.isprintable():
        raise UnusableTokenError(source, "holds characters that no HTTP header can carry")
    return token
