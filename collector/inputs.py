"""Files that a person names: an inventory, a token, a certificate. They may be links or pipes."""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

BLOCK_BYTES = 1 << 20
WRITER_WITHIN_S = 5.0
PIPE_WITHIN_S = 60.0
"""How long to wait for a pipe: until somebody has it open for writing, and until its end. A pipe
from a shell's `<(...)` has a writer from the start."""


def read_input(path: Path | str, most: int) -> bytes:
    """Return the content of a file that a person named; links and pipes are welcome.

    A pipe without a writer times out after `WRITER_WITHIN_S`, one that does not end after
    `PIPE_WITHIN_S`.

    Args:
        path: of the file, the pipe or the device.
        most: how many bytes to read; one more is returned if there are more.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        return b"".join(_pieces(descriptor, most + 1, str(path)))
    finally:
        os.close(descriptor)


def read_whole(source: Path | BinaryIO, most: int) -> bytes:
    """Return the content of a file that a person named, or of a stream such as stdin.

    Args:
        source: the file or the stream.
        most: how many bytes to read; one more is returned if there are more.
    """
    return read_input(source, most) if isinstance(source, Path) else source.read(most + 1)


def _pieces(descriptor: int, most: int, path: str) -> Iterator[bytes]:
    """Read up to `most` bytes, waiting a while for those that have not arrived."""
    is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    began_s, begun = time.monotonic(), False
    while most:
        try:
            piece = os.read(descriptor, min(most, BLOCK_BYTES))
        except BlockingIOError:  # somebody has it open to write
            begun, left_s = True, began_s + PIPE_WITHIN_S - time.monotonic()
            if left_s <= 0 or not _is_readable(descriptor, left_s):
                why = f"it did not end within {PIPE_WITHIN_S:g} s"
                raise TimeoutError(errno.ETIMEDOUT, why, path) from None
            continue
        if piece:
            begun, most = True, most - len(piece)
            yield piece
        elif begun or not is_pipe:
            return
        elif time.monotonic() - began_s > WRITER_WITHIN_S:
            why = f"a pipe that nothing was written to within {WRITER_WITHIN_S:g} s"
            raise TimeoutError(errno.ETIMEDOUT, why, path)
        else:
            time.sleep(0.01)


def _is_readable(descriptor: int, within_s: float) -> bool:
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(within_s * 1000))
