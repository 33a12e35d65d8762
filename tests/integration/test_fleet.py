"""The main job: a fleet comes home through a throttle, each archive once and as it was sent."""

from __future__ import annotations

import hashlib
from datetime import datetime

import anyio
import pytest

from collector.emulator import Lognormal, Throttle, fleet
from collector.model.events import LimitLearned
from collector.rundir.verification import verify
from tests.support.drill import Told, collected, files_of, folded

SERVERS = 300
CALLS_A_SECOND = 200
"""Ten times what benchmarks/fleet_at_20.py allows, so that the same takes a tenth of the time."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    scenario = fleet(
        servers=SERVERS,
        projects=3,
        seed=7,
        dialect="mixed",
        throttles=(Throttle("user", CALLS_A_SECOND),),
        export_duration_s=Lognormal(median=0.3, low=0.05, high=1.0),
    )
    out = tmp_path_factory.mktemp("fleet")
    return anyio.run(lambda: collected(scenario, out))


def test_every_server_is_in_the_manifest_once_and_collected(told: Told) -> None:
    servers = [row["id"] for project in told.manifest["projects"] for row in project["servers"]]
    assert sorted(servers) == sorted(told.truth)
    assert {row["state"] for row in told.rows.values()} == {"collected"}
    assert told.summary.run.state == "complete"
    assert told.verdict == 0


def test_every_archive_is_what_the_service_sent(told: Told) -> None:
    for server_id, truth in told.truth.items():
        archive = told.rows[server_id]["archive"]
        content = (told.directory / archive["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == truth["sha256"] == archive["sha256"]
        assert len(content) == truth["bytes"] == archive["bytes"]
        assert (archive["file_name"], archive["members"]) == (truth["file_name"], truth["members"])
        for end, moment in truth["covers"].items():
            assert datetime.fromisoformat(archive["covers"][end]) == datetime.fromisoformat(moment)


def test_each_server_is_exported_and_downloaded_once(told: Told) -> None:
    assert told.statistics["exports"]["by_server"] == dict.fromkeys(told.truth, 1)
    assert told.statistics["downloads"]["by_server"] == dict.fromkeys(told.truth, 1)


def test_under_5_percent_of_calls_are_throttled(told: Told) -> None:
    calls = told.statistics["calls"]["total"]
    assert told.statistics["throttled"]["total"] < 0.05 * calls


def test_the_limit_is_learned_from_the_service(told: Told) -> None:
    learned = told.named(LimitLearned)
    assert {(event.limit, event.window_s) for event in learned} == {(CALLS_A_SECOND, 1.0)}


def test_the_manifest_counts_what_the_service_counted(told: Told) -> None:
    totals = told.summary.totals
    assert totals.requests == told.statistics["calls"]["total"]
    assert totals.throttled == told.statistics["throttled"]["total"]
    assert totals.bytes == sum(truth["bytes"] for truth in told.truth.values())
    assert totals.counters == "exact"


def test_the_journal_tells_the_same_as_the_run(told: Told) -> None:
    state = folded(told.directory)
    assert state.collected == SERVERS
    assert {row.id: row.archive.sha256 for row in state.servers if row.archive} == {
        server_id: truth["sha256"] for server_id, truth in told.truth.items()
    }


def test_nothing_lies_in_the_directory_but_the_run_and_its_archives(told: Told) -> None:
    archives = {row["archive"]["path"] for row in told.rows.values()}
    assert files_of(told.directory) == archives | {
        "manifest.json",
        "journal.jsonl",
        "SHA256SUMS",
        "members.jsonl.gz",
        "report.html",
    }


def test_verify_finds_nothing_amiss(told: Told) -> None:
    found = verify(told.directory)
    assert found.ok, found.mismatches
    assert found.archives == SERVERS
    assert found.notes == ()
