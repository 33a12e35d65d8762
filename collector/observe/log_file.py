"""The log file: full lines with every fact, which never stop a run."""

from __future__ import annotations

import errno
import os
import re
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from collector.observe.streams import record
from collector.printable import one_line
from collector.redaction import hide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from structlog.dev import ConsoleRenderer

    from collector.redaction import Secrets

_UNPLAIN: Final = re.compile("[ =\"']|^$")


class LogFile:
    """A file that lines are appended to. It is made for its owner alone.

    What cannot be written is left out, and `on_loss` is told why, once.

    Args:
        path: of the file.
        secrets: to be redacted.
        as_json: a line is a JSON object.
        on_loss: takes the reason why a line is missing.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(
        self, path: str, secrets: Secrets, *, as_json: bool, on_loss: Callable[[str], None]
    ) -> None:
        # Opened so that a pipe that nobody reads is refused in place of waited for.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        self._file = os.open(path, flags, 0o600)
        if stat.S_ISDIR(os.fstat(self._file).st_mode):  # pragma: no cover  # open refuses it
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        self._secrets = secrets
        self._as_json = as_json
        self._on_loss = on_loss
        self._is_lossy = False
        self._is_torn = False
        self._console: ConsoleRenderer | None = None

    def say(self, text: str, level: str, facts: Mapping[str, object]) -> None:
        """Write down what was said on stderr."""
        if text:
            self.write(hide(text), level, facts)

    def write(self, said: str, level: str, facts: Mapping[str, object]) -> None:
        """Append a line, without the secrets that are known; what looks like one is gone."""
        line = record(said, level, facts) if self._as_json else self._rendered(said, level, facts)
        data = f"{self._secrets.out_of(line)}\n".encode(errors="backslashreplace")
        try:
            written = os.write(self._file, b"\n" + data if self._is_torn else data)
        except OSError as error:
            self._lose(error)
            return
        self._is_torn = written < len(data)
        if self._is_torn:
            self._lose(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    def _lose(self, error: OSError) -> None:
        if not self._is_lossy:
            self._is_lossy = True
            self._on_loss(error.strerror or str(error))

    def _rendered(self, said: str, level: str, facts: Mapping[str, object]) -> str:
        if self._console is None:
            # With the first line: it takes a tenth of a second.
            from structlog.dev import ConsoleRenderer  # noqa: PLC0415

            self._console = ConsoleRenderer(
                colors=False, pad_event_to=0, pad_level=False, sort_keys=False
            )
        at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        shown = {one_line(name): _Shown(value) for name, value in facts.items()}
        line = {**shown, "timestamp": at, "level": level, "event": one_line(said)}
        return str(self._console(None, level, line))


class _Shown:
    """A value as a line shows it: in quotes where its end would not be plain."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __repr__(self) -> str:
        value = self._value
        text = one_line(value if isinstance(value, str) else repr(value))
        if not isinstance(value, str) or not _UNPLAIN.search(text):
            return text
        quote = '"' if "'" in text else "'"
        return f"{quote}{text}{quote}"
