"""A stop before there is anything to stop, or after all is done, is told by the exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.altered import altered
from tests.support.command import COLLECTOR, Command, fleet_of, servers, serving

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = {
    "collect": ("collect", "fleet.json"),
    "plan": ("plan", "fleet.json"),
    "check": ("inventory", "check", "fleet.json"),
    "verify": ("verify", "collected/latest"),
    "status": ("status", "collected/latest"),
    "demo": ("demo",),
    "emulator": ("emulator", "--listen", "127.0.0.1:0"),
}
AT_AN_IMPORT = """
    import os, sys

    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == {name!r}:
                sys.meta_path.remove(self)
                os.kill(os.getpid(), {number})

    sys.meta_path.insert(0, Finder())
"""
AT_THE_EXIT = """
    import atexit, os

    atexit.register(os.kill, os.getpid(), {number})
"""
"""What is registered first is called last."""


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """With a run that is whole, and a service that is gone."""
    home = tmp_path_factory.mktemp("early")
    with serving(fleet_of(servers(1)), home) as service:
        assert service.run("collect", "fleet.json").returncode == 0
    return Command(home, service.token)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("collect", "click"),
        ("plan", "click"),
        ("collect", "collector.runtime.collection"),
        ("collect", "uvloop.loop"),
        *((name, f"collector.cli.commands.{COMMANDS[name][0]}") for name in COMMANDS),
        *(
            pytest.param(name, module, marks=pytest.mark.deep)
            for name, module in (
                *((name, "click") for name in [*COMMANDS][2:]),
                ("plan", "collector.planning.plans"),
                ("check", "collector.inventory.loading"),
                ("verify", "collector.rundir.verification"),
                ("demo", "collector.emulator.server"),
                ("emulator", "anyio"),
            )
        ),
    ],
)  # fmt: skip
def test_stop_while_modules_are_loaded_ends_by_the_code_of_its_signal_without_a_word(
    command: Command, tmp_path: Path, name: str, module: str
) -> None:
    number = signal.SIGTERM if module == "click" and name != "plan" else signal.SIGINT
    variables = altered(tmp_path, AT_AN_IMPORT.format(name=module, number=int(number)))
    before = sorted(command.out.iterdir())
    ended = command.run(*COMMANDS[name], env=command.environment(**variables))
    assert (ended.returncode, ended.stdout, ended.stderr) == (128 + number, "", "")
    assert sorted(command.out.iterdir()) == before


def test_module_that_is_run_heeds_a_stop_as_the_script_does(
    command: Command, tmp_path: Path
) -> None:
    variables = altered(tmp_path, AT_AN_IMPORT.format(name="click", number=int(signal.SIGINT)))
    ended = subprocess.run(
        [sys.executable, "-m", "collector", *COMMANDS["plan"]],
        env=command.environment(**variables), cwd=command.home, capture_output=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"")


@pytest.mark.parametrize("name", ["check", "verify"])
def test_stop_after_all_is_done_changes_nothing(
    command: Command, tmp_path: Path, name: str
) -> None:
    variables = altered(tmp_path, AT_THE_EXIT.format(number=int(signal.SIGINT)))
    ended = command.run(*COMMANDS[name], env=command.environment(**variables))
    assert (ended.returncode, ended.stderr) == (0, "")


def test_stop_that_the_caller_ignores_is_ignored(command: Command, tmp_path: Path) -> None:
    variables = altered(tmp_path, AT_AN_IMPORT.format(name="click", number=int(signal.SIGINT)))
    script = f"trap '' INT; exec {COLLECTOR} inventory check fleet.json"
    ended = subprocess.run(
        ["/bin/sh", "-c", script], env=os.environ | command.environment(**variables),
        cwd=command.home, capture_output=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, b"")
