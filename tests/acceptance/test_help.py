"""Every command says what it does, with examples."""

from __future__ import annotations

import pytest

from collector.cli import COMMANDS
from tests.support.command import run


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_shows_examples(command: str) -> None:
    arguments = [*command.split(), "--help"]
    ended = run(*arguments)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"Usage: collector {command}".rstrip())
    assert "Examples:\n" in ended.stdout
    assert f"  collector {command}".rstrip() in ended.stdout
