"""Names from outside: whatever they are, they stay in the run and overwrite nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

import collector
from collector.emulator import Emulator, ProjectSpec, Scenario, ServerSpec
from collector.rundir.verification import verify
from tests.support.drill import (
    Told,
    access_to,
    collected,
    files_of,
    follow,
    scenario_of,
    selection_of,
    server,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("impatient")

FILE_NAMES = (
    "../escaped.tar.gz",
    "../../../../../../../../tmp/escaped.tar.gz",
    "/etc/escaped.tar.gz",
    "..\\escaped.tar.gz",
    "C:\\escaped.tar.gz",
    "..",
    ".",
    "",
    " ",
    ".hidden.tar.gz",
    "-rf",
    "x" * 4000 + ".tar.gz",
    "ж" * 400 + ".tar.gz",
    "manifest.json",
    "MANIFEST.JSON",
    "SHA256SUMS",
    "journal.jsonl",
    "latest",
    "dump.tar.gz.part",
    "CON",
    "nul.tar.gz",
    "a:b.tar.gz",
    "tab\tstop.tar.gz",
    "\u202egz.rat.tar.gz",
    "e\u0301.tar.gz",
    "%2e%2e%2fescaped.tar.gz",
    'quo"ted.tar.gz',
)
HEADERS = (
    "attachment; filename*=UTF-8''..%2F..%2Fescaped.tar.gz",
    "attachment; filename*=UTF-8''%2Fetc%2Fescaped.tar.gz",
    "attachment; filename*=UTF-8''%00escaped.tar.gz",
    "attachment; filename*=UTF-8''%E2%82%AC.tar.gz; filename=../plain.tar.gz",
    "attachment; filename*=nonsense''%FF%FE",
    'attachment; filename="unclosed',
    'attachment; filename="a"; filename="../../b"',
    "filename",
    "\xff\xfe",
)
SERVER_NAMES = (
    "..", "../..", "/etc", "a/b", "a\\b", "", ".part", "bms.part", "x" * 300, "ж" * 300,
    "manifest.json", "same", "SAME", "Same.", "same ", "e\u0301", "\u00e9", "con", "-", "\u202e",
)  # fmt: skip
PROJECT_NAMES = ("manifest.json", "SHA256SUMS", "../up", "/abs", "journal.jsonl", "latest", "..")


@pytest.fixture(scope="module")
def hostile_files(impatient: None, tmp_path_factory: pytest.TempPathFactory) -> Told:
    hostile = [
        *(server(f"name-{n}", file_name=name) for n, name in enumerate(FILE_NAMES)),
        *(server(f"header-{n}", content_disposition=text) for n, text in enumerate(HEADERS)),
    ]
    out = tmp_path_factory.mktemp("files") / "out"
    return anyio.run(lambda: collected(scenario_of(hostile), out))


@pytest.fixture(scope="module")
def hostile_places(impatient: None, tmp_path_factory: pytest.TempPathFactory) -> Told:
    projects = [
        *(
            ProjectSpec(f"p{n}", name, (ServerSpec(f"s{n}", "bms"),))
            for n, name in enumerate(PROJECT_NAMES)
        ),
        ProjectSpec(
            "names", "", tuple(ServerSpec(f"n{n}", name) for n, name in enumerate(SERVER_NAMES))
        ),
    ]
    scenario = Scenario(projects=tuple(projects), export_duration_s=0.1, archive_bytes=1000)
    out = tmp_path_factory.mktemp("places") / "out"
    return anyio.run(lambda: collected(scenario, out))


@pytest.fixture(params=["hostile_files", "hostile_places"])
def told(request: pytest.FixtureRequest) -> Told:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Told)
    return found


def test_every_archive_lies_in_a_directory_of_its_server(told: Told) -> None:
    assert {row["state"] for row in told.rows.values()} == {"collected"}
    paths = [row["archive"]["path"] for row in told.rows.values()]
    assert {len(path.split("/")) for path in paths} == {3}
    directories = {path.rpartition("/")[0].casefold() for path in paths}
    assert len(directories) == len(paths)


def test_nothing_lies_outside_the_run_and_nothing_unknown_in_it(told: Told) -> None:
    archives = {row["archive"]["path"] for row in told.rows.values()}
    run = told.directory.name
    assert files_of(told.directory.parent.parent) == {
        "out/latest",
        *(f"out/.collector/{name}" for name in ("exports.jsonl", "exports.lock")),
        *(
            f"out/{run}/{name}"
            for name in (
                "manifest.json",
                "journal.jsonl",
                "SHA256SUMS",
                "members.jsonl.gz",
                "report.html",
            )
        ),
        *(f"out/{run}/{path}" for path in archives),
    }


def test_nothing_is_overwritten(told: Told) -> None:
    found = verify(told.directory)
    assert found.ok, found.mismatches
    assert found.archives == len(told.truth)


def test_names_on_disk_are_fit_for_every_tool(told: Told) -> None:
    for row in told.rows.values():
        for part in row["archive"]["path"].split("/"):
            assert part.isprintable()
            assert not part.startswith(".")
            assert not part.endswith((".part", " ", "."))
            assert not set(part) & set('/\\:*?"<>|\0')
            assert len(part.encode()) <= 255


def test_archives_of_one_name_lie_apart(tmp_path: Path) -> None:
    scenario = scenario_of(server(n, file_name="dump.tar.gz") for n in range(5))
    told = anyio.run(lambda: collected(scenario, tmp_path))
    assert verify(told.directory).archives == 5
    assert {row["archive"]["file_name"] for row in told.rows.values()} == {"dump.tar.gz"}


def test_directory_of_a_server_does_not_hang_on_the_selection(tmp_path: Path) -> None:
    twins = scenario_of([ServerSpec("a", "twin"), ServerSpec("b", "Twin")])

    async def main() -> list[str]:
        async with Emulator(twins) as emulator:
            both = selection_of(emulator)
            directories = []
            for selection in (both, both.inventory.select(["id=b"])):
                run = collector.collect(selection, tmp_path, access=access_to(emulator))
                await follow(run)
                directories += [row.directory for row in run.state.servers if row.id == "b"]
            return directories

    in_both, alone = anyio.run(main)
    assert in_both == alone
