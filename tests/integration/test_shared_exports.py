"""Runs under one output directory share exports, and nothing else."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import collector
from collector.emulator import Emulator, fleet
from collector.model.events import ExportReused, ExportStarted
from collector.model.state import Phase
from collector.rundir.journal.journal import Journal
from collector.runtime.terms import Terms
from tests.support.drill import (
    Told,
    access_to,
    assert_as_sent,
    begin,
    follow,
    scenario_of,
    selection_of,
    servers,
    told,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from collector.emulator import Scenario

pytestmark = pytest.mark.usefixtures("impatient")

ONCE = 1


def exports_of(api: Emulator) -> dict[str, int]:
    by_server: dict[str, int] = api.statistics()["exports"]["by_server"]
    return by_server


def sources(run: Told) -> list[str]:
    return sorted(row["export"]["source"] for row in run.rows.values())


def test_two_runs_at_once_start_each_export_once(tmp_path: Path) -> None:
    found: list[Told] = []

    async def main() -> None:
        scenario = fleet(servers=100, export_duration_s=0.5, latency_s=0.01, archive_bytes=2000)
        async with Emulator(scenario) as api, anyio.create_task_group() as tasks:

            async def one(run_id: str) -> None:
                found.append(await told(api, begin(api, tmp_path, run_id=run_id)))

            tasks.start_soon(one, "one")
            tasks.start_soon(one, "two")
        assert exports_of(api) == dict.fromkeys(found[0].truth, ONCE)

    anyio.run(main)
    for run in found:
        assert run.verdict == 0
        assert_as_sent(run)
    assert sum(sources(run).count("started") for run in found) == 100
    assert sum(sources(run).count("reused") for run in found) == 100
    assert any("reused" in sources(run) and "started" in sources(run) for run in found)


def test_run_after_one_that_was_stopped_takes_its_exports_over(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of(servers(12), export_duration_s=0.4)) as api:
            first = begin(api, tmp_path)
            async with first:
                async for _ in first:
                    if sum(row.phase is Phase.EXPORTING for row in first.state.servers) >= 8:
                        first.stop_at_once()
            started = exports_of(api)
            assert len(started) >= 8
            second = await told(api, begin(api, tmp_path))
            assert exports_of(api) == dict.fromkeys(second.truth, ONCE)
            assert second.verdict == 0
            assert_as_sent(second)
            reused = second.named(ExportReused)
            assert len(reused) >= 8
            row = second.rows[next(iter(started))]
            assert row["export"]["source"] == "reused"
            assert row["export"]["run"] == first.directory.name
            assert row["export"]["age_s"] >= 0
            assert row["export"]["attempts"] == 0
            assert second.summary.reused_exports.count == len(reused)

    anyio.run(main)


async def one_after_another(
    scenario: Scenario, out: Path, *, first: Mapping[str, Any], second: Mapping[str, Any]
) -> tuple[Told, dict[str, int]]:
    """Stop a run while its exports are under way, and begin another."""
    async with Emulator(scenario) as api:
        run = begin(api, out, **first)
        async with run:
            async for event in run:
                if isinstance(event, ExportStarted):
                    run.stop_at_once()
        return await told(api, begin(api, out, **second)), exports_of(api)


@pytest.mark.parametrize("reuse_s", [0.0, 0.001])
def test_export_that_is_too_old_or_not_wanted_is_not_taken_over(
    tmp_path: Path, reuse_s: float
) -> None:
    async def main() -> None:
        second, exports = await one_after_another(
            scenario_of(servers(1), export_duration_s=0.5),
            tmp_path,
            first={},
            second={"terms": Terms(reuse_s=reuse_s)},
        )
        assert exports == {"id-0": 2}
        assert sources(second) == ["started"]

    anyio.run(main)


def test_export_whose_archive_is_home_is_not_taken_over_by_a_later_run(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of(servers(3))) as api:
            for times in (1, 2):
                run = await told(api, begin(api, tmp_path))
                assert exports_of(api) == dict.fromkeys(run.truth, times)
                assert sources(run) == ["started"] * 3

    anyio.run(main)


def test_export_that_was_taken_over_and_fetched_serves_no_third_run(tmp_path: Path) -> None:
    async def main() -> None:
        scenario = scenario_of(servers(1), export_duration_s=0.3)
        async with Emulator(scenario) as api:
            first = begin(api, tmp_path)
            async with first:
                async for event in first:
                    if isinstance(event, ExportStarted):
                        first.stop_at_once()
            assert sources(await told(api, begin(api, tmp_path))) == ["reused"]
            assert sources(await told(api, begin(api, tmp_path))) == ["started"]
            assert exports_of(api) == {"id-0": 2}
            # And the one that started it goes on with it.
            again = await told(
                api, collector.resume(first.directory, access=access_to(api), trust_journal=True)
            )
            assert sources(again) == ["started"]
            assert exports_of(api) == {"id-0": 2}

    anyio.run(main)


def test_export_that_the_service_has_forgotten_is_started_anew(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of(servers(2), export_duration_s=0.3)) as old:
            run = begin(old, tmp_path)
            async with run:
                async for event in run:
                    if isinstance(event, ExportStarted):
                        run.stop_at_once()
            port = int(old.url.rpartition(":")[2])
        async with Emulator(scenario_of(servers(2)), port=port) as api:
            second = await told(api, begin(api, tmp_path))
            assert len(second.named(ExportReused)) >= 1
            assert second.verdict == 0
            assert exports_of(api) == dict.fromkeys(second.truth, ONCE)
            assert sources(second) == ["started"] * 2

    anyio.run(main)


def test_export_of_other_credentials_is_not_shared(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of(servers(1), export_duration_s=0.5)) as api:
            run = begin(api, tmp_path)
            async with run:
                async for event in run:
                    if isinstance(event, ExportStarted):
                        run.stop_at_once()
            inventory = json.loads(json.dumps(api.inventory()))
            (name,) = inventory["credentials"]
            inventory["credentials"][name]["account"] = "another"
            selection = selection_of(api, inventory)
            second = await told(api, collector.collect(selection, tmp_path, access=access_to(api)))
            assert exports_of(api) == {"id-0": 2}
            assert sources(second) == ["started"]

    anyio.run(main)


def test_answer_that_the_journal_has_lost_is_found_in_the_claims(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of(servers(4), export_duration_s=0.5)) as api:
            run = begin(api, tmp_path)
            async with run:
                async for _ in run:
                    if len(exports_of(api)) == 4 and all(row.export for row in run.state.servers):
                        run.stop_at_once()
            path = run.directory / "journal.jsonl"
            reading = Journal.read(path)
            sizes = [reading.size for event in reading if isinstance(event, ExportStarted)]
            journal = path.read_bytes()
            end = journal.rfind(b"\n", 0, sizes[0] - 1) + 1
            path.write_bytes(journal[:end])  # before the first answer
            again = await told(
                api, collector.resume(run.directory, access=access_to(api), trust_journal=True)
            )
            assert again.verdict == 0
            assert exports_of(api) == dict.fromkeys(again.truth, ONCE)
            assert sources(again) == ["started"] * 4

    anyio.run(main)


@pytest.mark.parametrize("harm", ["link", "file", "unwritable lines"])
def test_run_that_cannot_share_says_so_and_goes_on(
    tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    if harm == "link":
        (out / ".collector").symlink_to(elsewhere)
    elif harm == "file":
        (out / ".collector").write_text("mine")
    else:
        (out / ".collector" / "exports.jsonl").mkdir(parents=True)

    async def main() -> None:
        async with Emulator(scenario_of(servers(2))) as api:
            run = await told(api, begin(api, out))
            assert run.verdict == 0
            assert_as_sent(run)

    caplog.set_level(logging.WARNING, "collector")
    anyio.run(main)
    assert list(elsewhere.iterdir()) == []
    assert caplog.text.count("exports are no longer shared") == 1


def test_claims_are_for_their_owner_alone_and_hold_no_secret(tmp_path: Path) -> None:
    async def main() -> str:
        async with Emulator(scenario_of(servers(2))) as api:
            await follow(begin(api, tmp_path))
            return api.token

    token = anyio.run(main)
    shared = tmp_path / ".collector"
    assert shared.stat().st_mode & 0o777 == 0o700
    for path in shared.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        assert token not in path.read_text()


def test_lines_that_a_crash_has_cut_are_passed_over(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of(servers(2), export_duration_s=0.4)) as api:
            first = begin(api, tmp_path)
            async with first:
                async for _ in first:
                    if all(row.export for row in first.state.servers):
                        first.stop_at_once()
            path = tmp_path / ".collector" / "exports.jsonl"
            path.write_bytes(b"\0" * 100 + b"\n[1]\n{}\n" + path.read_bytes() + b'{"at":"2')
            second = await told(api, begin(api, tmp_path))
            assert sources(second) == ["reused"] * 2
            assert b'\n{"at":"2\n' in path.read_bytes()

    anyio.run(main)
