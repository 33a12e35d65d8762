"""What a command does not use it does not import: so each is quick to start."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.command import Service, fleet_of, server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

HTTP = {"aiohttp", "ssl", "uvloop", "asyncio", "collector.providers.clouddc.client"}
RUNS = {"collector.engine.scheduler", "collector.runtime.loop", "collector.runtime.collection"}
INVENTORIES = {"collector.inventory.loading", "collector.inventory.shape"}
FORMATS = {"yaml", "tomllib", "collector.inventory.csv_rows"}
MEMORY = {"platformdirs", "collector.history"}
LOOKING_BACK = HTTP | RUNS | INVENTORIES | FORMATS | MEMORY | {"rich", "importlib.metadata"}

UNUSED: dict[str, set[str]] = {
    "--help": {*LOOKING_BACK, "logging", "hashlib", "collector.model.events"},
    "status collected/run": {*LOOKING_BACK, "isal"},
    "runs collected": {*LOOKING_BACK, "isal"},
    "verify collected/run": LOOKING_BACK,
    "schema manifest": LOOKING_BACK,
    "doctor": {"aiohttp", "collector.providers.clouddc.client", *RUNS, *INVENTORIES, "rich"},
    "inventory convert ids.txt --from list --project p --region cn-east-3": {
        *HTTP, *RUNS, *FORMATS, *MEMORY, "rich",
    },
    "inventory show fleet.json": {*HTTP, *RUNS, *FORMATS, *MEMORY, "rich"},
    "plan fleet.json": {*HTTP, *RUNS, *FORMATS, "rich", "isal", "anyio"},
    "collect fleet.json --run-id other --progress plain": {
        *FORMATS, "rich", "aiohttp.web", "collector.emulator",
    },
}  # fmt: skip
"""For each command line, modules that it has no use for."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A fleet of one, and a run of it."""
    with serving(fleet_of([server(1)]), tmp_path_factory.mktemp("imports")) as found:
        (found.home / "ids.txt").write_text("id-1\n")
        assert found.run("collect", "fleet.json", "--run-id", "run").returncode == 0
        yield found


@pytest.mark.parametrize("line", UNUSED)
def test_a_command_imports_nothing_that_it_has_no_use_for(service: Service, line: str) -> None:
    ended = service.run(*line.split(), env=service.environment(PYTHONPROFILEIMPORTTIME="1"))
    assert ended.returncode == 0, ended.stdout
    imported = set(re.findall(r"^import time:.*\|\s+([\w.]+)$", ended.stderr, re.MULTILINE))
    assert "collector.cli" in imported
    assert sorted(imported & UNUSED[line]) == []
