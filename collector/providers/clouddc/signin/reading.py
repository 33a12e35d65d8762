"""Reading secrets: from variables and files, checked once, and named without being shown."""

from __future__ import annotations

import logging
import os
import stat
import unicodedata
from typing import TYPE_CHECKING, Final

from collector import inputs
from collector.errors import CollectorError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LARGEST_FILE: Final = 64 << 10
"""Bytes: tokens have a few thousand, files of profiles not many more."""
_log = logging.getLogger(__name__)


class UnusableSecretError(CollectorError):
    """A secret cannot be read or sent: the text names its variable or file, never the secret.

    Attributes:
        what: which secret, for a person: `token`.
        source: the environment variable or the file.
    """

    def __init__(self, what: str, source: str, why: str, instead: str | None = None) -> None:
        self.what = what
        self.source = source
        instead = instead or f"put a valid {what} there and start again"
        super().__init__(f"the {what} in {source} {why}; {instead}")


def of_variable(what: str, name: str, environ: Mapping[str, str]) -> str:
    """Return what a variable holds.

    Raises:
        UnusableSecretError: it is not set.
    """
    found = environ.get(name)
    if found is None:
        raise UnusableSecretError(
            what, f"environment variable {name}", "is missing: the variable is not set"
        )
    return found


def of_file(what: str, path: Path, *, warns: bool = False) -> bytes:
    """Return what a file or a pipe holds.

    Args:
        what: which secret.
        path: of the file.
        warns: say that others may read it.

    Raises:
        UnusableSecretError: it cannot be read.
    """
    try:
        content = inputs.read_input(path, LARGEST_FILE)
        if warns:
            _warn_if_exposed(what, path, path.stat())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise UnusableSecretError(what, f"file {path}", f"cannot be read ({reason})") from None
    if len(content) > LARGEST_FILE:
        raise UnusableSecretError(what, f"file {path}", f"is longer than {LARGEST_FILE} bytes")
    return content


def sendable(what: str, text: str, source: str) -> str:
    """Return a secret that stands in a header, without the white space around it.

    Raises:
        UnusableSecretError: no header can carry it.
    """
    text = text.strip()
    if not text:
        raise UnusableSecretError(what, source, "is empty")
    if not text.isascii() or not text.isprintable():
        why = "holds characters that no HTTP header can carry"
        raise UnusableSecretError(what, source, why)
    return text


def one_line(what: str, text: str, source: str) -> str:
    """Return a secret that stands in no header, without the line's end: spaces are its own.

    Raises:
        UnusableSecretError: it is not one line of text.
    """
    text = text.rstrip("\r\n")
    if not text:
        raise UnusableSecretError(what, source, "is empty")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise UnusableSecretError(what, source, "is not one line of text")
    return text


def decoded(what: str, content: bytes, source: str) -> str:
    """Return a file's text.

    Raises:
        UnusableSecretError: it is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnusableSecretError(what, source, "is not UTF-8") from None


def _warn_if_exposed(what: str, path: Path, found: os.stat_result) -> None:
    """Say that others may read a secret, or put another one there, where that can be mended."""
    if not stat.S_ISREG(found.st_mode):
        return  # a pipe, as a shell's `<(...)`
    if path.is_symlink() and path.resolve().parent.stat().st_uid == 0:
        return  # as Kubernetes mounts a secret: for this container alone, with modes of its own
    if found.st_uid not in (os.geteuid(), 0):
        _log.warning(
            f"the file of a {what} belongs to another user; chown {os.geteuid()} {path}",
            extra={"facts": {"path": str(path), "owner": found.st_uid}, "once": True},
        )
    elif found.st_mode & 0o066:
        _log.warning(
            f"others may read or change the file of a {what}; chmod 600 {path}",
            extra={
                "facts": {"path": str(path), "mode": f"{stat.S_IMODE(found.st_mode):04o}"},
                "once": True,
            },
        )
