"""A program collects without a command: the library's interface."""

from __future__ import annotations

import errno
import io
import json
import os
from typing import TYPE_CHECKING

import anyio
import pytest

import collector
from collector import CollectorError, files
from collector.emulator import Emulator, Fault
from collector.model.events import CallsCounted, ExportNotStarted, RunEnded, RunEstimated
from collector.rundir.journal.journal import Journal
from tests.support.drill import (
    access_to,
    begin,
    folded,
    follow,
    manifest_of,
    scenario_of,
    selection_of,
    server,
    servers,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("impatient")


def test_feed_is_the_journal(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of([*servers(4), server("x", Fault("unknown_id"))])) as api:
            run = begin(api, tmp_path)
            events = await follow(run)
            assert events == list(Journal.read(run.directory / "journal.jsonl"))
            assert isinstance(events[-1], RunEnded)

    anyio.run(main)


def test_slow_reader_skips_events_and_does_not_slow_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.runtime.feed.KEPT", 10)

    async def main() -> None:
        async with Emulator(scenario_of(servers(20))) as api:
            async with begin(api, tmp_path) as run:
                while run.state.ended is None:  # noqa: ASYNC110  # the feed would tell: unread here
                    await anyio.sleep(0.01)
                seen = [event async for event in run]
            recorded = list(Journal.read(run.directory / "journal.jsonl"))
            assert isinstance(seen[0], collector.EventsSkipped)
            assert seen[0].events + len(seen) - 1 == len(recorded)
            assert seen[1:] == recorded[-len(seen) + 1 :]

    anyio.run(main)


def test_every_onlooker_sees_every_event_from_when_it_came(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of(servers(4))) as api:
            run = begin(api, tmp_path)
            first, second = run.subscribe(), run.subscribe()
            events = await follow(run)
            assert [event async for event in first] == events
            assert [event async for event in second] == events
            assert [event async for event in run.subscribe()] == []

    anyio.run(main)


def test_onlooker_that_leaves_gets_no_more_and_disturbs_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of(servers(4))) as api:
            run = begin(api, tmp_path)
            with run.subscribe() as onlooker:
                async with run:
                    await anext(onlooker)
                    onlooker.close()
                    rest = [event async for event in run]
            assert [event async for event in onlooker] == []
            assert isinstance(rest[-1], RunEnded)

    anyio.run(main)


def test_run_that_nobody_reads_comes_to_its_end(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of(servers(3))) as api:
            async with begin(api, tmp_path) as run:
                pass
            assert run.summary.run.state == "complete"
            assert run.verdict is collector.Verdict.COLLECTED

    anyio.run(main)


def test_bytes_of_archives_are_counted_as_they_arrive(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(
            scenario_of([*servers(4), server("cut", Fault("cut", at=0.5, times=1))])
        ) as api:
            run = begin(api, tmp_path)
            events = await follow(run)
            counted = sum(one.arrived for one in events if isinstance(one, CallsCounted))
            assert run.arrived == counted == sum(row.arrived for row in run.state.projects)
            assert run.arrived >= run.state.bytes > 0

    anyio.run(main)


def test_summary_is_that_of_the_manifest(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of([server(1), server(2, Fault("no_permission"))])) as api:
            run = begin(api, tmp_path)
            await follow(run)
            manifest = manifest_of(run.directory)
            assert run.summary.run.as_json() == manifest["run"]
            assert run.summary.totals.as_json() == manifest["totals"]
            missing = [row.id for row in run.summary.not_collected]
            assert missing == ["id-2"]

    anyio.run(main)


def test_stop_ends_a_run_in_order_and_a_second_changes_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of(servers(10), export_duration_s=60.0)) as api:
            async with begin(api, tmp_path) as run:
                async for _ in run:
                    if run.state.servers and all(row.export for row in run.state.servers):
                        run.stop()
                        run.stop()
            assert run.summary.run.state == "interrupted"
            assert {row.waiting and row.waiting.reason for row in run.summary.not_collected} == {
                "stopped"
            }
            assert folded(run.directory) == run.state
            assert api.statistics()["exports"]["started"] == 10

    anyio.run(main)


def test_run_stopped_before_it_is_entered_sends_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of(servers(3))) as api:
            run = begin(api, tmp_path)
            run.stop()
            await follow(run)
            assert api.statistics()["calls"]["total"] == 0
            assert run.state.pending == 3
            again = collector.resume(run.directory, access=access_to(api), trust_journal=True)
            await follow(again)
            assert again.state.collected == 3

    anyio.run(main)


def test_error_of_the_program_ends_the_run_with_its_state_written(tmp_path: Path) -> None:
    class OwnError(Exception):
        pass

    async def main() -> None:
        async with Emulator(scenario_of(servers(3), export_duration_s=60.0)) as api:
            run = begin(api, tmp_path)
            with pytest.raises(BaseExceptionGroup) as caught:
                async with run:
                    raise OwnError
            assert caught.value.subgroup(OwnError) is not None
            assert manifest_of(run.directory)["run"]["state"] == "interrupted"
            assert folded(run.directory) == run.state

    anyio.run(main)


def test_deadline_ends_a_run_with_what_it_has(tmp_path: Path) -> None:
    async def main() -> None:
        slow = server("slow", export_duration_s=60.0)
        async with Emulator(scenario_of([slow, server("quick")])) as api:
            run = begin(api, tmp_path, terms=collector.Terms(deadline_s=1.0))
            events = await follow(run)
            (estimated,) = [one for one in events if isinstance(one, RunEstimated)]
            assert estimated.deadline_at is not None
            assert run.summary.run.state == "deadline"
            assert [row.id for row in run.summary.not_collected] == ["id-slow"]
            assert run.verdict is collector.Verdict.INCOMPLETE

    anyio.run(main)


def test_endpoint_that_is_away_for_a_while_costs_no_server(tmp_path: Path) -> None:
    """As a gateway that is restarted: what waits, waits, and no attempt is counted."""

    async def main() -> None:
        api = Emulator(scenario_of(servers(6), export_duration_s=0.5))
        async with api:
            selection = selection_of(api)
        run = collector.collect(selection, tmp_path, access=access_to(api))
        async with run:
            async for event in run:
                if isinstance(event, ExportNotStarted):
                    break
            async with api:
                async for _ in run:
                    pass
        assert run.state.collected == 6
        assert {row.posts for row in run.state.servers} == {1}
        assert not run.state.down

    anyio.run(main)


def test_run_that_could_not_be_begun_is_held_by_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def main() -> None:
        async with Emulator(scenario_of(servers(1))) as api:
            with monkeypatch.context() as patch:
                patch.setattr(files, "make_link", refuse)
                with pytest.raises(CollectorError, match="latest"):
                    begin(api, tmp_path, run_id="run")
            selection = selection_of(api)
            run = collector.resume(
                tmp_path / "run", access=access_to(api), trust_journal=True, selection=selection
            )
            await follow(run)
            assert run.state.collected == 1

    anyio.run(main)


def test_two_runs_at_once_lie_apart(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of(servers(3))) as api:
            runs = [begin(api, tmp_path) for _ in range(2)]
            async with anyio.create_task_group() as tasks:
                for run in runs:
                    tasks.start_soon(follow, run)
            assert [run.state.collected for run in runs] == [3, 3]
            assert runs[0].directory != runs[1].directory
            assert (tmp_path / "latest").resolve() == runs[1].directory.resolve()

    anyio.run(main)


def test_every_public_name_is_there() -> None:
    for name in collector.__all__:
        assert getattr(collector, name) is not None


def test_verify_is_a_function_of_the_library(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of(servers(1))) as api:
            run = begin(api, tmp_path)
            await follow(run)
            found = collector.verify(run.directory)
            assert isinstance(found, collector.Verification)
            assert found.ok

    anyio.run(main)


def test_servers_that_nobody_asked_for_are_no_complete_run(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of(servers(2))) as api:
            text = json.dumps(api.inventory(discover=True)).encode()
            access = access_to(api)
            inventory = collector.load(io.BytesIO(text), environ=access.environ)
            with pytest.raises(CollectorError, match=r"not known yet; .*collector\.discover"):
                collector.collect(inventory.select(), tmp_path, access=access)
            assert not os.listdir(tmp_path)  # noqa: PTH208  # a pathlib call in async code
            found = await collector.discover(inventory, access)
            run = collector.collect(found.select(), tmp_path, access=access)
            await follow(run)
            assert run.summary.totals.collected == 2

    anyio.run(main)
