"""Servers that failed are tried again in the same run, where a person asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from msgspec.structs import replace

import collector
from collector.emulator import Emulator, Fault
from collector.model.events import ServerFailed, ServerRetried
from collector.rundir.journal.journal import Journal
from collector.runtime.terms import Terms
from tests.support.drill import (
    Told,
    access_to,
    assert_as_sent,
    begin,
    scenario_of,
    server,
    told,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("impatient")


async def first_and_again(
    out: Path,
    *faults: Fault,
    max_attempts: int = 1,
    **options: Any,  # noqa: ANN401  # scenario_of's
) -> tuple[Told, Told]:
    """Collect a server that meets with these faults, and one that does not; then try it again."""
    scenario = scenario_of([server(1, *faults), server(2)], **options)
    async with Emulator(scenario) as api:
        first = await told(api, begin(api, out, terms=Terms(max_attempts=max_attempts)))
        assert first.rows["id-1"]["state"] == "failed"
        run = collector.resume(
            first.directory, access=access_to(api), trust_journal=True, retry_failed=True
        )
        return first, await told(api, run)


@pytest.mark.parametrize(
    ("fault", "exports"),
    [
        (Fault("unknown_id", times=1), 1),
        (Fault("error_500", calls=("export",), times=1), 1),
        (Fault("error_500", calls=("status",), times=1), 1),
        (Fault("error_500", calls=("download",), times=1), 1),
        (Fault("truncated", times=1), 1),
        (Fault("failed_export", times=2), 3),
    ],
    ids=lambda value: f"{value.name}-{'-'.join(value.calls)}" if isinstance(value, Fault) else "",
)
def test_failed_server_goes_on_where_it_was(tmp_path: Path, fault: Fault, exports: int) -> None:
    first, again = anyio.run(lambda: first_and_again(tmp_path, fault))
    assert (first.verdict, again.verdict) == (3, 0)
    assert again.statistics["exports"]["by_server"]["id-1"] == exports
    assert_as_sent(again)
    row, before = again.rows["id-1"], first.rows["id-1"]
    assert row["error"] is None
    assert again.summary.run.resumed == 1
    assert before["export"] is None or row["export"]["attempts"] >= before["export"]["attempts"]


def test_history_of_what_failed_is_kept(tmp_path: Path) -> None:
    first, again = anyio.run(lambda: first_and_again(tmp_path, Fault("unknown_id", times=1)))
    kept = [type(event) for event in Journal.read(again.directory / "journal.jsonl")]
    assert kept.index(ServerFailed) < kept.index(ServerRetried)
    assert again.rows["id-1"]["export"]["attempts"] == 2
    assert first.rows["id-2"] == again.rows["id-2"]


def test_server_that_fails_again_tells_why_it_did_the_last_time(tmp_path: Path) -> None:
    faults = Fault("unknown_id", times=1), Fault("no_permission")
    first, again = anyio.run(lambda: first_and_again(tmp_path, *faults))
    assert first.rows["id-1"]["error"]["code"] != again.rows["id-1"]["error"]["code"]
    assert again.verdict == 3
    requests = again.summary.totals.requests
    assert again.summary.totals == replace(first.summary.totals, requests=requests)


def test_complete_run_has_nothing_to_try_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with Emulator(scenario_of([server(1)])) as api:
            first = await told(api, begin(api, tmp_path))
            run = collector.resume(
                first.directory, access=access_to(api), trust_journal=True, retry_failed=True
            )
            assert run.taken_up == ()
            assert (await told(api, run)).manifest == first.manifest

    anyio.run(main)
