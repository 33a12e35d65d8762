"""The journal is the run: whoever takes it up, whenever it was left, brings it to its end."""

from __future__ import annotations

import gzip
import random
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import collector
from collector.emulator import Emulator, Fault, fleet
from collector.model.events import RunEnded, RunResumed
from collector.model.state import Phase
from collector.rundir.verification import verify
from tests.support.drill import (
    access_to,
    begin,
    files_of,
    folded,
    follow,
    manifest_of,
    scenario_of,
    selection_of,
    server,
    servers,
    told,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from collector.runtime.collection import Collection

pytestmark = pytest.mark.usefixtures("impatient")

SERVERS = 18


def resume(emulator: Emulator, run: Collection, **options: Any) -> Collection:  # noqa: ANN401  # resume's own
    return collector.resume(
        run.directory, access=access_to(emulator), trust_journal=True, **options
    )


async def interrupted(run: Collection, events: int, interrupt: Callable[[], None]) -> None:
    """Run, and do that after so many events; the run may be over before."""
    seen = 0
    async with run:
        async for _ in run:
            seen += 1
            if seen == events:
                interrupt()


@pytest.mark.parametrize("seed", range(2))
def test_run_that_is_stopped_now_and_then_starts_each_export_once(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)  # noqa: S311  # repeatable, no secret

    async def main() -> None:
        async with Emulator(fleet(servers=SERVERS, export_duration_s=0.1, latency_s=0.02)) as api:
            run = begin(api, tmp_path)
            # What a run of its own makes is some 130 events.
            await interrupted(run, rng.randrange(1, 60), run.stop)
            stops = 1
            while run.state.pending:
                assert folded(run.directory) == run.state
                assert manifest_of(run.directory)["run"]["state"] == "interrupted"
                assert int(run.verdict) == (3 if run.state.collected else 4)
                run = resume(api, run)
                stops += 1
                await interrupted(run, rng.randrange(10, 60), run.stop)
            assert api.statistics()["exports"]["by_server"] == dict.fromkeys(
                (row.id for row in run.state.servers), 1
            )
            assert stops > 1
            assert folded(run.directory) == run.state
            assert manifest_of(run.directory)["run"]["resumed"] == run.state.resumed
            assert verify(run.directory).ok
            assert int(run.verdict) == 0

    anyio.run(main)


@pytest.mark.parametrize("seed", range(2))
def test_run_that_is_cancelled_repeats_no_more_than_what_was_unanswered(
    tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)  # noqa: S311  # as above

    async def main() -> None:
        async with Emulator(fleet(servers=SERVERS, export_duration_s=0.1, latency_s=0.02)) as api:
            unanswered = 0
            run = begin(api, tmp_path)
            while run.state.pending or not run.state.selected:
                with anyio.CancelScope() as scope:
                    await interrupted(run, rng.randrange(40, 90), scope.cancel)
                state = folded(run.directory)
                assert state == run.state
                unanswered += sum(row.phase is Phase.REQUESTED for row in state.servers)
                run = resume(api, run)
            await follow(run)
            assert SERVERS <= api.statistics()["exports"]["started"] <= SERVERS + unanswered
            assert run.state.collected == SERVERS
            assert verify(run.directory).ok

    anyio.run(main)


def test_finished_run_stays_as_it_is(tmp_path: Path) -> None:
    scenario = scenario_of([server(1), server(2, Fault("unknown_id"))])

    async def main() -> None:
        async with Emulator(scenario) as api:
            first = await told(api, begin(api, tmp_path))
            journal = (first.directory / "journal.jsonl").read_bytes()
            again = await told(
                api, collector.resume(first.directory, access=access_to(api), trust_journal=True)
            )
            assert again.events == []
            assert again.verdict == first.verdict == 3
            assert again.statistics == first.statistics
            assert again.manifest == first.manifest
            assert (first.directory / "journal.jsonl").read_bytes() == journal
            assert again.summary == first.summary

    anyio.run(main)


@pytest.mark.parametrize("harm", ["gone", "cut"])
def test_archive_that_is_lost_is_fetched_again_from_its_export(tmp_path: Path, harm: str) -> None:
    async def main() -> None:
        async with Emulator(scenario_of(servers(3))) as api:
            first = await told(api, begin(api, tmp_path))
            archive = first.directory / first.rows["id-1"]["archive"]["path"]
            content = archive.read_bytes()
            if harm == "gone":
                archive.unlink()
            else:
                archive.write_bytes(content[:-1])
            assert not verify(first.directory).ok
            again = await told(
                api, collector.resume(first.directory, access=access_to(api), trust_journal=True)
            )
            assert archive.read_bytes() == content
            assert again.statistics["exports"]["started"] == 3
            assert again.statistics["downloads"]["by_server"] == {
                "id-0": 1, "id-1": 2, "id-2": 1
            }  # fmt: skip
            assert verify(first.directory).ok

    anyio.run(main)


def test_inventory_given_with_a_resume_adds_its_servers(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of(servers(5))) as api:
            whole = selection_of(api)
            few = whole.inventory.select(["name=bms-0", "name=bms-1"])
            first = collector.collect(few, tmp_path, access=access_to(api))
            await follow(first)
            before = {path: (first.directory / path).stat() for path in files_of(first.directory)}
            again = await told(api, resume(api, first, selection=whole))
            assert again.summary.totals.collected == 5
            assert again.statistics["exports"]["by_server"] == dict.fromkeys(again.truth, 1)
            assert len(again.named(RunResumed)) == len(again.named(RunEnded)) == 1
            for path, stat in before.items():
                if path.endswith(".tar.gz"):
                    assert (first.directory / path).stat() == stat
            assert verify(first.directory).ok

    anyio.run(main)


def test_servers_that_failed_stay_failed(tmp_path: Path) -> None:
    scenario = scenario_of([server(1, Fault("unknown_id", times=1)), server(2)])

    async def main() -> None:
        async with Emulator(scenario) as api:
            first = await told(api, begin(api, tmp_path))
            again = await told(
                api, collector.resume(first.directory, access=access_to(api), trust_journal=True)
            )
            assert again.rows["id-1"]["state"] == "failed"
            assert again.verdict == first.verdict == 3

    anyio.run(main)


def test_export_of_a_server_that_was_left_ready_is_used(tmp_path: Path) -> None:
    """What the service has exported is fetched, not exported anew."""

    async def main() -> None:
        slow = server(1, Fault("slow", bytes_per_s=50, times=1))
        async with Emulator(scenario_of([slow])) as api:
            run = begin(api, tmp_path, terms=collector.Terms(deadline_s=1.5))
            await follow(run)
            row = manifest_of(run.directory)["projects"][0]["servers"][0]
            assert (row["state"], row["waiting"]["phase"]) == ("pending", "downloading")
            again = await told(api, resume(api, run))
            assert again.verdict == 0
            assert again.statistics["exports"]["started"] == 1
            assert not [path for path in files_of(run.directory) if path.endswith(".part")]

    anyio.run(main)


def test_run_that_another_holds_is_not_taken_up(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of(servers(1))) as api:
            run = begin(api, tmp_path)
            with pytest.raises(collector.CollectorError) as caught:
                resume(api, run)
            assert caught.value.exit_code == 75
            await follow(run)

    anyio.run(main)


def test_what_a_kill_kept_from_being_listed_is_listed_by_the_resume(tmp_path: Path) -> None:
    """Also where nothing was left to do but to end the run."""

    async def main() -> None:
        async with Emulator(scenario_of(servers(3))) as api:
            run = begin(api, tmp_path)
            await follow(run)
            members = run.directory / "members.jsonl.gz"
            whole = sorted(gzip.decompress(members.read_bytes()).splitlines())
            journal = run.directory / "journal.jsonl"
            lines = journal.read_bytes().splitlines(keepends=True)
            while b'"ArchiveStored"' not in lines[-1]:
                lines.pop()
            for missing in (0, 1):
                journal.write_bytes(b"".join(lines[: len(lines) - missing]))
                for left in (b"", members.read_bytes()[:-9]):
                    members.write_bytes(left)
                    left_so = journal.read_bytes()
                    await follow(resume(api, run))
                    assert verify(run.directory).ok
                    assert verify(run.directory).notes == ()
                    assert sorted(gzip.decompress(members.read_bytes()).splitlines()) == whole
                    journal.write_bytes(left_so)

    anyio.run(main)


def test_a_finished_run_of_a_version_that_listed_no_members_stays_as_it_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of(servers(1))) as api:
            run = begin(api, tmp_path)
            await follow(run)
            (run.directory / "members.jsonl.gz").unlink()
            await follow(resume(api, run))
            assert "members.jsonl.gz" not in files_of(run.directory)

    anyio.run(main)
