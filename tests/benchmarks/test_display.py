from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import display

if TYPE_CHECKING:
    import pytest


def test_a_run_that_is_made_up_is_shown_to_its_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert display.measure(200, 3, 80) > 0
    assert "200" in capsys.readouterr().out
