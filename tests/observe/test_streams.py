"""How long a program waits for whoever reads what it writes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from collector.observe import streams
from collector.observe.streams import PATIENCE_AGAIN, Stream

if TYPE_CHECKING:
    import pytest

PATIENCE_S = 1.0


def test_a_reader_that_reads_slowly_is_waited_for_no_longer_in_all_than_one_that_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = waited_s = 0.0

    def write(_: int, data: bytes, patience_s: float | None) -> int:
        """Write all of it at the last moment."""
        nonlocal now_s, waited_s
        assert patience_s is not None
        now_s, waited_s = now_s + patience_s, waited_s + patience_s
        return len(data)

    monkeypatch.setattr("collector.observe.streams.time.monotonic", lambda: now_s)
    monkeypatch.setattr(streams, "_write", write)
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as file, os.fdopen(reading):
        stream = Stream(file, patience_s=PATIENCE_S)
        for _ in range(1000):
            now_s += 0.1
            stream.write_line("a line", "info")
    assert PATIENCE_S <= waited_s <= PATIENCE_S + PATIENCE_AGAIN * now_s
