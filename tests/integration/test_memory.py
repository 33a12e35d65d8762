"""What one run learned, the next one begins with; and what a person asks of both."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import collector
from collector.emulator import Emulator, Throttle
from collector.engine import Scheduler
from collector.model.events import ProjectSelected, RunEstimated
from tests.support.drill import (
    access_to,
    begin,
    folded,
    follow,
    manifest_of,
    scenario_of,
    selection_of,
    servers,
)

if TYPE_CHECKING:
    from pathlib import Path

    from collector.model.prior import Prior

pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture
def beginnings(monkeypatch: pytest.MonkeyPatch) -> list[Prior | None]:
    """What each run's scheduler was told to begin with."""
    found: list[Prior | None] = []
    made = Scheduler.__init__

    def noting(self: Scheduler, *args: Any, known: Prior | None = None, **options: Any) -> None:  # noqa: ANN401  # Scheduler's own
        found.append(known)
        made(self, *args, known=known, **options)

    monkeypatch.setattr(Scheduler, "__init__", noting)
    return found


def test_a_limit_that_one_run_was_told_the_next_begins_with(
    tmp_path: Path, beginnings: list[Prior | None]
) -> None:
    scenario = scenario_of(servers(3), throttles=(Throttle("user", 50, 1.0),))
    terms = collector.Terms(memory=tmp_path / "state")

    async def main() -> None:
        async with Emulator(scenario) as api:
            for _ in range(2):
                await follow(begin(api, tmp_path / "out", terms=terms))

    anyio.run(main)
    first, second = beginnings
    assert first is not None
    assert first.limits == ()
    assert second is not None
    assert [(one.scope.kind, one.limit) for one in second.limits] == [("user", 50)]
    kept = (tmp_path / "state" / "learned.json").read_text()
    assert [one["limit"] for one in json.loads(kept)["limits"]] == [50]


def test_the_library_keeps_nothing_unless_told_where(tmp_path: Path) -> None:
    scenario = scenario_of(servers(2), throttles=(Throttle("user", 50, 1.0),))

    async def main() -> None:
        async with Emulator(scenario) as api:
            run = begin(api, tmp_path / "out")
            await follow(run)
            assert run.state.limits

    anyio.run(main)
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


@pytest.mark.parametrize("named", [True, False])
def test_a_share_holds_for_every_project_and_over_a_resume(tmp_path: Path, *, named: bool) -> None:
    def shares(run: collector.Collection) -> list[float]:
        told = folded(run.directory).projects
        assert told == run.state.projects
        return [row.share for row in told]

    async def main() -> None:
        async with Emulator(scenario_of(servers(2), export_duration_s=60.0)) as api:
            selection = selection_of(api) if named else None
            run = begin(api, tmp_path, terms=collector.Terms(share=0.5))
            run.stop()
            events = await follow(run)
            assert [event.share for event in events if isinstance(event, ProjectSelected)] == [0.5]
            for share, expected in ((0.25, 0.25), (None, 0.95 if named else 0.25)):
                terms = collector.Terms(share=share)
                again = collector.resume(
                    run.directory,
                    access=access_to(api),
                    selection=selection,
                    trust_journal=True,
                    terms=terms,
                )
                again.stop()
                await follow(again)
                assert shares(again) == [expected]

    anyio.run(main)


def test_an_export_that_takes_longer_than_it_may_fails_its_server(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of(servers(1), export_duration_s=60.0)) as api:
            run = begin(api, tmp_path, terms=collector.Terms(deadline_s=0.5))
            await follow(run)
            assert run.state.pending == 1
            again = collector.resume(
                run.directory,
                access=access_to(api),
                trust_journal=True,
                terms=collector.Terms(export_s=0.1),
            )
            await follow(again)
            (row,) = again.summary.not_collected
            assert row.error is not None
            assert (row.state, row.error.stage) == ("failed", "export")

    anyio.run(main)


def test_an_estimate_is_made_at_the_start_and_stands_in_the_manifest(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of(servers(4))) as api:
            run = begin(api, tmp_path)
            events = await follow(run)
            (expected,) = [event for event in events if isinstance(event, RunEstimated)]
            assert (expected.servers, expected.requests) == (4, 12)
            estimate = manifest_of(run.directory)["run"]["estimate"]
            assert estimate["seconds"] == expected.seconds > 0
            assert estimate["took_s"] > 0
            assert estimate["requests_made"] == run.summary.totals.requests
            assert estimate["bytes_collected"] == run.summary.totals.bytes
            assert collector.verify(run.directory).ok
            again = begin(api, tmp_path)
            await follow(again)
            assert again.state.estimate is not None
            assert again.state.estimate.expected.bytes == run.summary.totals.bytes

    anyio.run(main)
