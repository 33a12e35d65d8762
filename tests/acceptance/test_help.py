"""Every command says what it does, with examples."""

from __future__ import annotations

import subprocess

import pytest

from collector.cli import COMMANDS
from tests.acceptance.command import COLLECTOR, environment


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_shows_examples(command: str) -> None:
    arguments = [*command.split(), "--help"]
    ended = subprocess.run(
        [COLLECTOR, *arguments], env=environment(), capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"Usage: collector {command}".rstrip())
    assert "Examples:\n" in ended.stdout
    assert f"  collector {command}".rstrip() in ended.stdout
