"""stdout and stderr for the program: they accept any text, and never raise."""

from __future__ import annotations

import codecs
import errno
import json
import os
import select
import stat
import textwrap
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from collector.printable import escaped, one_line, visible
from collector.redaction import hide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TextIO

    from collector.redaction import Secrets

_ESCAPE: Final = "collector.escape"
"""The name of our codec error handler, which escapes what an encoding lacks."""
_PAUSE_S: Final = 0.01
PATIENCE_AGAIN: Final = 0.02
"""Which part of the time may be spent on waiting for a reader that reads slowly."""
_PLAIN_TERMINALS: Final = ("", "dumb", "unknown")


class Stream:
    r"""A standard stream that survives the loss of its reader, disk or terminal.

    Control characters, and what the stream's encoding lacks, are written as `\uXXXX`. Once the
    reader has gone, text is dropped silently.

    Attributes:
        encoding, errors: any text is accepted, whatever the encoding of the file behind it.
        is_terminal: whether it is, or was when the program started, a terminal.
        lost: why some text could not be written; None if all was, or the reader left.
        as_json: every line is written as a JSON object.
        quiet: only errors are written.
        above: while a live display is shown: writes lines above it. They have escape sequences
            of our own alone; one that is not to be cut is broken into several.
        copy: takes each line of `write` and `write_line` as well, with its level and facts.
    """

    encoding = "utf-8"
    errors = "strict"

    def __init__(
        self,
        stream: TextIO | None,
        secrets: Secrets | None = None,
        *,
        patience_s: float | None = None,
    ) -> None:
        """Wrap a stream.

        Args:
            stream: None if the caller closed it.
            secrets: to be redacted.
            patience_s: how long to wait for a reader that does not read, before text is dropped
                until it reads again; one that reads slowly is not waited for much longer in all.
                None to wait forever.
        """
        codecs.register_error(_ESCAPE, _escape)
        self.lost: OSError | None = None
        self.as_json = False
        self.quiet = False
        self.above: Callable[[str, bool], None] | None = None
        self.copy: Callable[[str, str, Mapping[str, object]], None] | None = None
        self._stream = stream
        self._secrets = secrets
        self._patience_s = self._left_s = patience_s
        self._waited_s = time.monotonic()
        self._gone = stream is None
        self._missing: str | None = None
        self._rest = ""
        self.is_terminal = False
        self.file_encoding = "utf-8"
        if stream is not None:
            self.is_terminal = stream.isatty()
            self.file_encoding = stream.encoding or "utf-8"
        self._own = self._opened_anew() if self.is_terminal and patience_s is not None else None
        self._encode = codecs.getincrementalencoder(self.file_encoding)(_ESCAPE).encode

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self.is_terminal

    @property
    def can_draw(self) -> bool:
        """Whether it is a terminal whose lines can be redrawn."""
        return self.is_terminal and os.environ.get("TERM", "") not in _PLAIN_TERMINALS

    @property
    def is_in_background(self) -> bool:
        """Whether it is the terminal of this process, and somebody else's turn there."""
        try:
            return os.tcgetpgrp(self.fileno()) != os.getpgrp()
        except (OSError, ValueError):  # no terminal, or not the one that this process belongs to
            return False

    @property
    def has_colours(self) -> bool:
        """Whether colours are supported and wanted."""
        return self.can_draw and not os.environ.get("NO_COLOR")

    @property
    def has_gap(self) -> bool:
        """Whether something was not written, since nobody made room for it in time."""
        return self._missing is not None

    def fileno(self) -> int:
        """Return the file descriptor, for queries about the terminal."""
        if self._stream is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write text from any source."""
        if not isinstance(text, str):
            raise TypeError(f"text is written, not {type(text).__name__}")
        told = text if self._secrets is None else self._secrets.hide(text)
        for line in told.splitlines() if self.copy is not None else ():
            self._copied(line, "warning", {})
        if not self.as_json and self.above is None:
            self.draw(visible(told))
            return len(text)
        *lines, self._rest = f"{self._rest}{told}".split("\n")
        for line in lines:
            if not self.as_json:
                self._put(one_line(line), is_cut=False)
            elif line:
                self._put(record(line, "warning", {}))
        return len(text)

    def flush(self) -> None:
        """Write the unfinished line that was held back."""
        if self._rest:
            self.write("\n")

    def put(self, line: str) -> None:
        """Write a line that is safe to print: escape sequences in it are our own."""
        self._put(line if self._secrets is None else self._secrets.out_of(line))

    def write_line(
        self,
        line: str,
        level: str,
        facts: Mapping[str, object] | None = None,
        *,
        has_secrets: bool = True,
        is_kept: bool = True,
    ) -> None:
        """Write one line for people.

        Args:
            line: the text.
            level: `error`, `warning` or `info`; in JSON, a member of the line.
            facts: more members.
            has_secrets: whether to redact what looks like a secret.
            is_kept: whether `copy` gets it.
        """
        told = hide(line) if has_secrets else line
        if is_kept:
            self._copied(told, level, facts or {})
        told = told if self._secrets is None else self._secrets.out_of(told)
        if not self.as_json:
            for piece in self._broken(one_line(told)):
                self._put(piece, is_cut=False)
        elif told:
            self.put(record(told, level, facts or {}))

    def _broken(self, line: str) -> list[str]:
        """Break a line between words where a terminal would break it anywhere."""
        if not self.is_terminal or self.above is not None:
            return [line]
        try:
            columns = os.get_terminal_size(self.fileno()).columns
        except (OSError, ValueError):
            return [line]
        if len(line) <= columns or not columns:
            return [line]
        return textwrap.wrap(line, columns, break_long_words=False, break_on_hyphens=False)

    def _copied(self, line: str, level: str, facts: Mapping[str, object]) -> None:
        if self.copy is not None:
            self.copy(line, level, facts)

    def draw(self, text: str) -> None:
        """Write to the file itself, for the live display; `write` and `put` go above it."""
        if self._gone or self._stream is None:
            return
        try:
            if self._missing is None:
                self._write(text, self._patience())
            else:
                self._write(f"{self._missing}{text}", 0)
        except (OSError, ValueError) as error:
            self._note(error)

    def _patience(self) -> float | None:
        """Return how long the reader is waited for now: it is given a little time again and again.

        Each wait holds up the whole program.
        """
        if self._patience_s is None or self._left_s is None:
            return None
        before_s, self._waited_s = self._waited_s, time.monotonic()
        again_s = PATIENCE_AGAIN * (self._waited_s - before_s)
        self._left_s = min(self._patience_s, self._left_s + again_s)
        return self._left_s

    def _put(self, line: str, *, is_cut: bool = True) -> None:
        if self.above is not None:
            self.above(line, is_cut)
        else:
            self.draw(f"{line}\n")

    def _write(self, text: str, patience_s: float | None) -> None:
        """Write text, or remember that some is missing, to say so once there is room again."""
        assert self._stream is not None  # noqa: S101  # else it is gone
        data = self._encode(text)
        number = _number(self._stream) if self._own is None else self._own
        if number is None:  # not a file, as in a test
            self._stream.write(text)
            self._stream.flush()
            return
        began_s = time.monotonic()
        written = _write(number, data, patience_s)
        if self._left_s is not None:
            self._left_s = max(0.0, self._left_s - (time.monotonic() - began_s))
        if written == len(data):
            self._missing = None
        elif written or self._missing is None:
            told = "some lines are missing here: stderr was not read in time"
            told = record(told, "warning", {}) if self.as_json else told
            self._missing = f"\n{told}\n" if written else f"{told}\n"

    def _note(self, error: OSError | ValueError) -> None:
        """Distinguish a reader that left, which is fine, from a full disk."""
        code = error.errno if isinstance(error, OSError) else None
        if code in (errno.EPIPE, None) or (code == errno.EIO and self._is_device()):
            self._gone = True
        else:
            self.lost = error if isinstance(error, OSError) else None

    def _opened_anew(self) -> int | None:
        """Reopen the terminal without blocking, so that writing does not hang while it is halted.

        Non-blocking mode belongs to an open file, and the caller shares this one with others.
        """
        flags = os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            return os.open(os.ttyname(self.fileno()), flags)
        except OSError:
            return None

    def _is_device(self) -> bool:
        """Whether it is not a file on disk; a closed terminal no longer says what it is."""
        return stat.S_ISCHR(os.fstat(self.fileno()).st_mode)


def record(event: str, level: str, facts: Mapping[str, object]) -> str:
    """Return a line of JSON."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    told = {"event": event, "level": level, "timestamp": now, **facts}
    return visible(json.dumps(told, ensure_ascii=False, default=str))


def _number(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None


def _write(number: int, data: bytes, patience_s: float | None) -> int:
    """Write all data, bypassing Python's buffers, which would fail again at exit.

    Args:
        number: the file descriptor.
        data: the bytes.
        patience_s: how long to wait for the reader to make room; None to wait forever.

    Returns:
        How many bytes were written: all, if there was room in time.
    """
    began_s = time.monotonic()
    written = 0
    while written < len(data):
        left_s = None if patience_s is None else max(0.0, began_s + patience_s - time.monotonic())
        if not select.select((), (number,), (), left_s)[1]:
            break
        try:
            # A pipe with any room has room for this many bytes, so the write does not block.
            written += os.write(number, data[written : written + select.PIPE_BUF])
        except BlockingIOError:
            if not left_s and patience_s is not None:
                break
            time.sleep(_PAUSE_S)  # less room than a terminal wants
    return written


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Escape what an encoding lacks: a codec error handler."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return escaped(error.object[error.start : error.end]), error.end
