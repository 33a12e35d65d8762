"""What is printed shows all it holds: no name moves a cursor, forges a line or hides in one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from collector.emulator import Fault, ProjectSpec, Scenario
from tests.support.command import Service, server, serving
from tests.support.terminal import on_terminal, screen
from tests.support.trial import assert_printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORGED = "forged: all is well"
NAMES = (
    "\x1b]0;pwned\x07",
    "\u202ecod.exe",
    "[/prod]",
    f"a\n{FORGED}",
    "\x9b31m",
    "[bold]:smile:",
    "a\tb\rc\x7f\x08\x08",
    "\u200b\ufeff\u200f\u2066\u061c",
    f"p\u2028{FORGED}\u0085{FORGED}",
    "\U000e0041\ue000\u3164\u115f",
    "{0} %s \\u001b",
    "e\u0301\u0301 漢字漢字 \U0001f600",
    "long" * 1000,
)
ONE_TRICK = "\x1b[2J"
"""Stands in every other place that a text can come from."""


def assert_shown(text: str) -> None:
    """Nothing of it is raw, and no line is one that a name has made."""
    assert_printable(text)
    assert not any(line.startswith(FORGED) for line in text.splitlines())
    assert not {"\u3164", "\u115f"} & set(text)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A fleet with such names, and a finished run of it that has got odd files and neighbours."""
    servers = [server(number) for number in range(len(NAMES) - 2)]
    projects = (
        ProjectSpec("p1", "one", tuple(servers)),
        ProjectSpec(
            "p2", "two", (server("a", Fault("unknown_id")), server("b", Fault("unknown_id")))
        ),
    )
    home = tmp_path_factory.mktemp("printed")
    scenario = Scenario(projects=projects, export_duration_s=0.0, archive_bytes=1000)
    with serving(scenario, home) as found:
        inventory = found.emulator.inventory()
        rows = [row for project in inventory["projects"] for row in project["servers"]]
        for name, row in zip(NAMES, rows, strict=True):
            row |= {"name": name, "tags": {f"k{ONE_TRICK}": name}}
        inventory["projects"][0]["name"] = NAMES[0]
        inventory["projects"][1]["name"] = NAMES[2]
        (home / "fleet.json").write_text(json.dumps(inventory))
        ended = found.run("collect", "fleet.json", "-vv", "--run-id", "run")
        (home / "collected.txt").write_text(ended.stdout + ended.stderr)
        assert ended.returncode == 3, ended.stderr
        plant(found.out)
        yield found


def plant(out: Path) -> None:
    """Put odd names where a run and its neighbours lie."""
    run = out / "run"
    for odd in (b"\x1b[31mred", b"a\nforged: all is well", b"\xff\x9b31m", "\u202etxt".encode()):
        (run / os.fsdecode(odd)).write_bytes(b"")
        shutil.copytree(run, out / os.fsdecode(b"run-" + odd))
    for at, name in enumerate(NAMES[:5]):
        directory = out / f"made-{at}"
        directory.mkdir()
        document = json.loads((run / "manifest.json").read_bytes())
        document["run"] |= {"id": name, "state": name, "started_at": name}
        (directory / "manifest.json").write_text(json.dumps(document))


def test_what_a_collect_prints_shows_all_it_holds(service: Service) -> None:
    told = (service.home / "collected.txt").read_text()
    assert_shown(told)
    assert r"/a\u000aforged: all is well" in told
    assert r"\u001b]0;pwned\u0007" in told


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify", "RUN"], ["status", "RUN", "-v"], ["runs", "collected"],
        ["collect", "--resume", "run", "-vv"],
        ["inventory", "show", "fleet.json"], ["inventory", "check", "fleet.json"],
        ["plan", "fleet.json", "--deadline", "1s", "--out", NAMES[3]],
        ["inventory", "show", "fleet.json", "--select", f"name={ONE_TRICK}"],
        ["inventory", "show", "fleet.json", "--select", f"{NAMES[3]}=x"],
        [NAMES[3]], ["collect", NAMES[3]], ["collect", NAMES[3], NAMES[4]],
        ["collect", "fleet.json", "--run-id", NAMES[3]], ["collect", f"--{NAMES[4]}"],
        ["collect", "fleet.json", "--deadline", NAMES[3]], ["schema", NAMES[1]],
        ["collect", "fleet.json", "--ca-file", NAMES[3]], ["collect", "--resume", NAMES[3]],
        ["emulator", "--limit", NAMES[3]], ["emulator", "--scenario", NAMES[3]],
        ["runs", NAMES[3]], ["status", NAMES[1]],
    ],
    ids=lambda arguments: ascii(" ".join(arguments))[1:40],
)  # fmt: skip
def test_no_command_prints_what_moves_a_cursor(service: Service, arguments: list[str]) -> None:
    for run in ("collected/run", *_neighbours(service.out)) if "RUN" in arguments else ("",):
        named = [run if argument == "RUN" else argument for argument in arguments]
        ended = service.run(*named, errors="surrogateescape")
        assert ended.returncode in (0, 2, 3, 6), ended.stderr
        assert "Traceback" not in ended.stderr
        assert_shown(ended.stdout)
        assert_shown(ended.stderr)


def _neighbours(out: Path) -> list[str]:
    return [f"collected/{path.name}" for path in out.glob("[rm][ua][nd]*-*")]


def test_json_holds_names_as_they_are(service: Service) -> None:
    def told(*arguments: str) -> Any:  # noqa: ANN401  # JSON
        ended = service.run(*arguments, "--json")
        assert_printable(ended.stdout)
        return json.loads(ended.stdout)

    shown = told("inventory", "show", "fleet.json")
    names = [row["name"] for project in shown["projects"] for row in project["servers"]]
    assert names == list(NAMES)
    missing = told("collect", "--resume", "run")["not_collected"]
    assert {row["name"] for row in missing} == set(NAMES[-2:])
    assert {row["id"] for row in told("runs", "collected")} >= {"made-0", "run"}
    paths = {mismatch["path"] for mismatch in told("verify", "collected/run")["mismatches"]}
    assert {"\x1b[31mred", f"a\n{FORGED}", "\udcff\udc9b31m", "\u202etxt"} <= paths
    again = service.run(
        "inventory", "check", "-", stdin=service.run(
            "inventory", "show", "fleet.json", "--json").stdout
    )  # fmt: skip
    assert again.returncode == 0, again.stderr


def test_a_command_to_paste_reads_back_as_the_run_that_it_is_about(service: Service) -> None:
    name = next(name for name in _neighbours(service.out) if "\n" in name)
    told = service.run("verify", name).stdout
    line = next(line for line in told.splitlines() if "--resume" in line)
    argument = line.partition("--resume ")[2]
    read = subprocess.run(
        ["/bin/bash", "-c", f"printf %s {argument}"], capture_output=True, text=True, check=True
    )
    assert read.stdout == name


@pytest.mark.parametrize(
    ("size", "variables"),
    [
        ((24, 80), {}),
        ((24, 10), {"NO_COLOR": "1"}),
        ((1, 80), {"COLUMNS": "²", "LINES": "0"}),
        ((0, 0), {"COLUMNS": "1"}),
    ],
)
def test_a_live_run_shows_any_name_on_any_terminal(
    service: Service, size: tuple[int, int], variables: dict[str, str]
) -> None:
    code, written = on_terminal(
        service, "collect", "fleet.json", "-vv", size=size, variables=variables
    )
    assert code == 3
    shown = screen(written)
    assert_shown("\n".join(shown))
    assert b"Traceback" not in written
