"""A disk that takes no archive is one condition, and not as many failures as there are servers."""

from __future__ import annotations

from collector.engine.admission.circuit_breaker import DISK_PATIENCE_S
from collector.model import events as e
from collector.model.answers import Call, ProblemKind
from tests.support.simulation import ANY_SERVER, Service, Simulation, problem, selected

FETCH = Call.FETCH_ARCHIVE
FULL = problem(ProblemKind.DISK)
SERVERS = 30


def test_a_full_disk_fails_one_server_and_the_others_wait_until_there_is_room() -> None:
    service = Service(script={(ANY_SERVER, FETCH): [FULL] * 8})
    sim = Simulation(service, selected(SERVERS)).run()
    assert (sim.state.failed, sim.state.collected) == (1, SERVERS - 1)
    assert [event.kind for event in sim.of(e.ServerFailed)] == [ProblemKind.DISK]
    assert not sim.of(e.AttemptFailed)
    assert len(sim.of(e.DownloadsPaused)) == len(sim.of(e.DownloadsWentOn)) == 1
    assert sim.state.paused is None


def test_while_the_disk_is_full_one_download_at_a_time_tries() -> None:
    service = Service(script={(ANY_SERVER, FETCH): [FULL] * 10_000})
    sim = Simulation(service, selected(SERVERS)).run()
    assert (sim.state.failed, sim.state.pending) == (1, SERVERS - 1)
    assert len(sim.times(FETCH)) < 60
    assert sim.state.paused is not None


def test_a_run_whose_disk_stays_full_ends_and_says_so() -> None:
    service = Service(script={(ANY_SERVER, FETCH): [FULL] * 10_000})
    sim = Simulation(service, selected(SERVERS)).run()
    assert DISK_PATIENCE_S <= sim.now_s < DISK_PATIENCE_S + 200
    assert sim.scheduler.ending(sim.now_s).reason == "disk"


def test_exports_go_on_while_downloads_wait_for_the_disk() -> None:
    service = Service(script={(ANY_SERVER, FETCH): [FULL] * 12})
    sim = Simulation(service, selected(SERVERS)).run()
    started = [event.server for event in sim.of(e.ExportStarted)]
    assert sorted(started) == list(range(SERVERS))


def test_how_often_a_download_was_gone_on_with_is_told_when_it_is_stored() -> None:
    begun = e.DownloadBegun(
        at="2027-01-15T08:00:00.000Z", server=0, file_name="a.tar.gz", length=9, validator=None,
        resumed=1,
    )  # fmt: skip
    service = Service(script={(0, FETCH): [problem(ProblemKind.CUT)]})
    sim = Simulation(service, [*selected(1), begun]).run()
    stored = sim.of(e.ArchiveStored)
    assert [event.resumed for event in stored] == [1]
