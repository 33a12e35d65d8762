"""A provider of somebody else's package, found by its entry point, over the whole way."""

from __future__ import annotations

import hashlib
import json
import signal
import time
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anyio.from_thread import start_blocking_portal

from collector.emulator import Emulator
from tests.support.bmcs import BUSY, LOGIN, SYSTEM, Bmc, inventory, serving
from tests.support.command import Command, fleet_of, servers

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[1] / "provider_package"
SIZE = 4_000_000
"""Bytes of a log that does not compress: so many take a slow BMC some seconds."""


def install(site: Path) -> Path:
    """Make the package's entry point known to whoever has this directory on its path."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    points = [
        line
        for group, entries in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(points))
    (site / "collector_redfish").symlink_to(PACKAGE / "collector_redfish")
    return site


@dataclass(frozen=True)
class Installed(Command):
    """The command where the package is installed."""

    site: Path

    def environment(self, **variables: str) -> dict[str, str]:
        own = {"PYTHONPATH": str(self.site), "BMC_PASSWORD": LOGIN.partition(":")[2]}
        return super().environment(**(own | variables))


@contextmanager
def bmcs(home: Path, *some: Bmc) -> Iterator[Installed]:
    """Serve BMCs; the inventory that names them is `fleet.json`."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serving(some)):
        (home / "fleet.json").write_text(json.dumps(inventory(some)))
        yield Installed(home, "unused", install(home / "site"))


def archives(command: Installed) -> dict[str, str]:
    """The SHA-256 of what was collected of each BMC."""
    return {
        project["id"]: hashlib.sha256(
            (command.latest / server["archive"]["path"]).read_bytes()
        ).hexdigest()
        for project in command.manifest()["projects"]
        for server in project["servers"]
        if server["archive"]
    }


def sent(*some: Bmc) -> dict[str, str]:
    return {bmc.name: hashlib.sha256(bmc.archive).hexdigest() for bmc in some}


def test_a_fleet_of_bmcs_is_collected_and_verified(tmp_path: Path) -> None:
    fleet = [Bmc(f"bmc-{number}", export_s=0.2) for number in range(5)]
    fleet[1].refusals = [BUSY, ("InternalError", 500)]
    with bmcs(tmp_path, *fleet) as command:
        ended = command.run("collect", "fleet.json", "--json")
        assert ended.returncode == 0, ended.stderr
        assert archives(command) == sent(*fleet)
        found = command.verify()
        assert (found["ok"], found["archives"]) == (True, 5)
        row = command.manifest()["projects"][0]["servers"][0]
    assert row["archive"]["file_name"] == f"{SYSTEM}-diagnostics.zip"
    assert row["archive"]["members"] == 2
    assert row["archive"]["covers"]["from"] == "2026-11-23T08:41:02.000Z"
    assert all(len(bmc.tasks) == 1 for bmc in fleet[:1] + fleet[2:])


def test_a_run_that_is_killed_in_a_download_is_resumed_and_whole(tmp_path: Path) -> None:
    slow = Bmc("slow", size=SIZE, bytes_per_s=SIZE / 5)
    fleet = [slow, Bmc("quick"), Bmc("late", export_s=3.0)]
    with bmcs(tmp_path, *fleet) as command:
        with command.start("collect", "fleet.json", "--run-id", "killed") as process:
            kill_once_it_says(command, process, "DownloadBegun", "ArchiveStored")
        found = command.verify()
        assert (found["ok"], found["archives"]) == (True, 1)
        slow.bytes_per_s = float("inf")
        ended = command.run("collect", "--resume", "latest", "--json")
        assert ended.returncode == 0, ended.stderr
        assert archives(command) == sent(*fleet)
        found = command.verify()
        assert (found["ok"], found["archives"], found["notes"]) == (True, 3, [])
        resumed = command.manifest()["projects"][0]["servers"][0]["archive"]["resumed"]
    assert resumed == 1
    assert [len(bmc.tasks) for bmc in fleet] == [1, 1, 1]
    assert not list(command.out.rglob("*.part"))


def kill_once_it_says(command: Command, process: subprocess.Popen[str], *events: str) -> None:
    """Kill the run once its journal holds an event of each of these names, and bytes are staged."""
    journal = command.out / "killed" / "journal.jsonl"
    while process.poll() is None:
        said = journal.read_text() if journal.exists() else ""
        staged = sum(path.stat().st_size for path in command.out.glob("killed/*/*/*.part"))
        if staged and all(f'"event":"{event}"' in said for event in events):
            process.send_signal(signal.SIGKILL)
        time.sleep(0.005)


def test_one_run_collects_from_two_providers(tmp_path: Path) -> None:
    bmc = Bmc("bmc-1")
    with (
        bmcs(tmp_path, bmc) as command,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Emulator(fleet_of(servers(2)))) as emulator,
    ):
        document = json.loads((tmp_path / "fleet.json").read_text())
        other = emulator.inventory()["projects"][0] | {"provider": "clouddc", "credentials": "ops"}
        document["projects"].append(other)
        document["credentials"]["ops"] = {"kind": "token", "token_env": "CLOUDDC_TOKEN"}
        (tmp_path / "fleet.json").write_text(json.dumps(document))
        env = command.environment(CLOUDDC_TOKEN=emulator.token)
        ended = command.run("collect", "fleet.json", "--json", env=env)
        assert ended.returncode == 0, ended.stderr
        assert json.loads(ended.stdout)["totals"]["collected"] == 3
        assert command.verify()["ok"]
        first = json.loads((command.latest / "journal.jsonl").read_text().partition("\n")[0])
    assert first["provider"] == "clouddc,redfish"


def test_what_a_command_says_without_the_package_is_one_clear_error(tmp_path: Path) -> None:
    with bmcs(tmp_path, Bmc("bmc-1")) as command:
        assert command.run("collect", "fleet.json").returncode == 0
        without = command.environment(PYTHONPATH="")
        for words in ("status", "runs", "collect --resume latest"):  # there is nothing to do
            assert command.run(*words.split(), env=without).returncode == 0
        refused = command.run("collect", "fleet.json", env=without)
        assert refused.returncode == 2
        assert "there is no provider 'redfish'; install the package" in refused.stderr
        for archive in command.latest.glob("*/*/*.zip"):
            archive.unlink()
        for words in ("verify", "collect --resume latest --trust-journal"):
            refused = command.run(*words.split(), env=without)
            assert refused.returncode == 2, refused.stderr
            assert "there is no provider 'redfish'; install the package" in refused.stderr
            assert "Traceback" not in refused.stderr


def test_the_inventory_is_checked_by_the_providers_own_rules(tmp_path: Path) -> None:
    with bmcs(tmp_path, Bmc("bmc-1")) as command:
        document = json.loads((tmp_path / "fleet.json").read_text())
        del document["projects"][0]["endpoint"]
        document["credentials"]["bmc"] = {"kind": "basik", "user": "oncall"}
        document["projects"].append({"id": "p", "provider": "redfihs", "servers": []})
        (tmp_path / "fleet.json").write_text(json.dumps(document, indent=1))
        refused = command.run("inventory", "check", "fleet.json")
    assert refused.returncode == 2
    said = refused.stderr
    assert "unknown kind; did you mean 'basic'?" in said
    assert "endpoint is missing; write endpoint: URL" in said
    assert "there is no provider 'redfihs'; did you mean 'redfish'?" in said


def test_the_schema_describes_every_provider_that_is_installed(tmp_path: Path) -> None:
    command = Installed(tmp_path, "unused", install(tmp_path / "site"))
    schema = json.loads(command.run("schema", "inventory").stdout)
    assert schema["$defs"]["ProjectShape"]["properties"]["provider"]["enum"] == [
        "clouddc",
        "redfish",
    ]
    kinds = schema["properties"]["credentials"]["additionalProperties"]["anyOf"]
    assert {"token", "basic"} <= {kind["properties"]["kind"]["const"] for kind in kinds}


def test_a_plan_asks_the_provider_and_sends_nothing(tmp_path: Path) -> None:
    bmc = Bmc("bmc-1")
    with bmcs(tmp_path, bmc) as command:
        planned = command.run("plan", "fleet.json", "--json")
    assert planned.returncode == 0, planned.stderr
    assert json.loads(planned.stdout)["servers"] == 1
    assert bmc.requests == []


def test_credentials_do_not_go_where_a_link_leads(tmp_path: Path) -> None:
    bmc = Bmc("bmc-1", signed=True)
    with bmcs(tmp_path, bmc) as command:
        ended = command.run("collect", "fleet.json", "-vv")
        assert ended.returncode == 0, ended.stderr
    assert bmc.signed_with == [None]
    assert "of-a-link" not in ended.stdout + ended.stderr


def test_a_run_keeps_the_provider_of_its_projects(tmp_path: Path) -> None:
    bmc = Bmc("bmc-1", export_s=60.0)
    with bmcs(tmp_path, bmc) as command:
        stopped = command.run("collect", "fleet.json", "--deadline", "1s")
        assert stopped.returncode in (3, 4), stopped.stderr
        document = json.loads((tmp_path / "fleet.json").read_text())
        document["credentials"]["bmc"] = {"kind": "token", "token_env": "CLOUDDC_TOKEN"}
        document["defaults"]["provider"] = "clouddc"
        (tmp_path / "fleet.json").write_text(json.dumps(document))
        refused = command.run("collect", "fleet.json", "--resume", "latest")
    assert refused.returncode == 2
    assert "is of provider 'redfish' in this run, and of 'clouddc'" in refused.stderr


def test_an_entry_that_two_providers_use_is_refused(tmp_path: Path) -> None:
    with bmcs(tmp_path, Bmc("bmc-1")) as command:
        document = json.loads((tmp_path / "fleet.json").read_text())
        document["projects"].append(
            {"id": "p", "provider": "clouddc", "region": "cn-east-3", "servers": [{"id": "s"}]}
        )
        (tmp_path / "fleet.json").write_text(json.dumps(document, indent=1))
        refused = command.run("inventory", "check", "fleet.json")
    assert refused.returncode == 2
    assert "projects of several providers use this entry: clouddc, redfish" in refused.stderr


def test_without_entries_the_variable_is_the_providers_own(tmp_path: Path) -> None:
    bmc = Bmc("bmc-1")
    with bmcs(tmp_path, bmc) as command:
        document = json.loads((tmp_path / "fleet.json").read_text())
        del document["credentials"], document["defaults"]["credentials"]
        (tmp_path / "fleet.json").write_text(json.dumps(document))
        refused = command.run("collect", "fleet.json")
        assert "REDFISH_LOGIN is not set" in refused.stderr
        env = command.environment(REDFISH_LOGIN=LOGIN)
        ended = command.run("collect", "fleet.json", "-vv", env=env)
    assert ended.returncode == 0, ended.stderr
    assert LOGIN not in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("collector_redfish_gone:PROVIDER", "cannot be imported (ModuleNotFoundError"),
        ("collector_redfish:RULES", "is no Provider but InventoryRules"),
        ("collector_redfish:NOTHING", "cannot be imported (AttributeError"),
    ],
)
def test_an_entry_point_that_leads_to_no_provider_is_one_clear_error(
    tmp_path: Path, value: str, says: str
) -> None:
    with bmcs(tmp_path, Bmc("bmc-1")) as command:
        (points,) = command.site.glob("*.dist-info/entry_points.txt")
        points.write_text(f"[collector.providers]\nredfish = {value}\n")
        refused = command.run("collect", "fleet.json")
    assert refused.returncode == 2
    assert f"provider 'redfish' cannot be used: {value} {says}" in refused.stderr
    assert "Traceback" not in refused.stderr
