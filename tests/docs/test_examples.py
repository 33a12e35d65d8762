"""What the documentation shows to be written works when it is written."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING, get_args

from anyio.from_thread import start_blocking_portal

from collector.emulator import Emulator, fleet, scenario_from_mapping
from collector.emulator.faults import FaultName
from collector.emulator.iam_faults import IamFaultName
from collector.emulator.list_faults import ListFaultName
from collector.inventory import load
from collector.model.answers import ProblemKind
from collector.model.events import RunEnded, SelectionEnded
from collector.report import manifest as m
from collector.report.verdict import Verdict
from collector.rundir.journal.lines import NO_HASH, encode

if TYPE_CHECKING:
    from pathlib import Path

    import msgspec

FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page: Path, *languages: str) -> list[tuple[str, str]]:
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [(language, text) for language, text in found if language in languages]


def is_inventory(text: str) -> bool:
    return text.startswith(("version: 1", "version = 1", "project_id"))


def test_each_inventory_shown_loads(page: Path) -> None:
    for language, text in blocks(page, "yaml", "toml", "csv"):
        if is_inventory(text):
            name = f"{page.name}.{language}"
            environ = {"CLOUDDC_TOKEN": "t"}
            source = io.BytesIO(text.encode())
            assert load(source, environ=environ, name=name).projects


def test_inventories_are_shown(pages: list[Path]) -> None:
    shown = [text for page in pages for _, text in blocks(page, "yaml", "csv")]
    assert sum(map(is_inventory, shown)) >= 4


def test_each_scenario_shown_can_be_played(root: Path) -> None:
    shown = blocks(root / "docs" / "how-to" / "emulator.md", "toml")
    assert len(shown) == 7
    for _, text in shown:
        assert scenario_from_mapping(tomllib.loads(text)).projects


def test_each_fault_of_the_emulator_is_explained(root: Path) -> None:
    text = (root / "docs" / "how-to" / "emulator.md").read_text(encoding="utf-8")
    parts = (*get_args(FaultName), *get_args(IamFaultName), *get_args(ListFaultName))
    names = {name for part in parts for name in (get_args(part) or (part,))}
    assert {name for name in names if f"\n| `{name}` |" not in text} == set()


def test_each_problem_that_fails_a_server_has_its_section(root: Path) -> None:
    text = (root / "docs" / "how-to" / "errors.md").read_text(encoding="utf-8")
    never = {ProblemKind.THROTTLED, ProblemKind.NOT_SENT}
    assert {kind for kind in ProblemKind if kind not in never and f"\n## {kind}\n" not in text} == (
        set()
    )


def test_each_verdict_has_its_row_in_the_table_of_exit_codes(root: Path) -> None:
    for page in (root / "README.md", root / "docs" / "reference" / "exit-codes.md"):
        text = page.read_text(encoding="utf-8")
        assert {code for code in Verdict if f"\n| {code.value} |" not in text} == set()


def test_each_member_of_the_manifest_is_explained(root: Path) -> None:
    text = (root / "docs" / "reference" / "run-directory.md").read_text(encoding="utf-8")
    parts: tuple[tuple[str, type[msgspec.Struct]], ...] = (
        ("run", m.Run), ("totals", m.RunTotals), ("projects[]", m.Project), ("export", m.Export),
        ("archive", m.Archive), ("error", m.Error), ("waiting", m.Waiting),
    )  # fmt: skip
    wanted = [f"{part}.{name}" for part, kind in parts for name in kind.__struct_encode_fields__]
    missing = [name for name in wanted if f"| `{name}" not in text]
    assert missing == ["projects[].servers"]  # explained as a table of its own


def test_the_library_example_of_the_readme_collects_a_fleet(root: Path, tmp_path: Path) -> None:
    ((_, program),) = blocks(root / "README.md", "python")
    scenario = fleet(servers=2, projects=1, export_duration_s=0.01)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Emulator(scenario)) as emulator,
    ):
        # JSON is YAML too, under the name that the example has.
        (tmp_path / "fleet.yaml").write_text(json.dumps(emulator.inventory()), encoding="utf-8")
        answer = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env={**os.environ, "CLOUDDC_TOKEN": emulator.token},
            capture_output=True,
            text=True,
            check=False,
        )
    assert answer.returncode == 0, answer.stderr
    assert "collected=2" in answer.stdout.splitlines()[-1]


def test_the_program_that_checks_the_chain_finds_a_changed_line(root: Path, tmp_path: Path) -> None:
    ((_, program),) = blocks(root / "docs" / "how-to" / "verify.md", "python")
    journal = tmp_path / "journal.jsonl"

    def checked() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program, str(journal)],
            capture_output=True,
            text=True,
            check=False,
        )

    lines = _journal()
    journal.write_bytes(b"".join(lines))
    assert checked().stdout.startswith("2 ")
    journal.write_bytes(lines[0] + lines[1].replace(b"finished", b"stopped"))
    assert checked().stderr == "line 2 does not follow the one before it\n"


def _journal() -> list[bytes]:
    at = "2026-11-23T08:41:03.000Z"
    first, head = encode(SelectionEnded(at=at, servers=0), NO_HASH)
    second, _ = encode(RunEnded(at=at, reason="finished"), head)
    return [first, second]
