"""One server's story, as `status --server` tells it from the journal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from collector.emulator import Fault
from tests.support.command import Service, fleet_of, server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    fleet = fleet_of(
        [server(1), server(2, Fault("truncated", times=1)), server(3, Fault("corrupt"))]
    )
    with serving(fleet, tmp_path_factory.mktemp("story")) as found:
        assert found.run("collect", "fleet.json", "--max-attempts", "2").returncode == 3
        yield found


def test_a_story_has_each_step_in_its_order(service: Service) -> None:
    told = service.run("status", "--server", "bms-2")
    assert told.returncode == 0, told.stderr
    words = ("requesting an export", "export started", "export completed", "trying again", "stored")
    places = [told.stdout.index(one) for one in words]
    assert places == sorted(places)
    assert "bms-1" not in told.stdout
    assert told.stdout.splitlines()[-1].startswith("fleet/bms-2: collected: ")


def test_the_story_of_a_server_that_failed_ends_with_why_and_what_to_do(service: Service) -> None:
    told = service.run("status", "--server", "fleet/bms-3").stdout
    assert told.index("failed at verify") < told.index("-> ") < told.index("fleet/bms-3: failed")


def test_a_program_reads_the_events_of_a_server_that_it_names_by_id(service: Service) -> None:
    (story,) = json.loads(service.run("status", "--server", "id-2", "--json").stdout)
    assert (story["name"], story["phase"]) == ("bms-2", "collected")
    kinds = [one["event"] for one in story["events"]]
    assert (kinds[0], kinds[-1]) == ("ExportRequested", "ArchiveStored")
    assert not any("location" in one for one in story["events"])


def test_a_name_that_no_server_has_is_refused_and_the_like_of_it_named(service: Service) -> None:
    told = service.run("status", "--server", "bms-22")
    assert told.returncode == 2
    assert "no server 'bms-22'" in told.stderr
    assert "'bms-2'" in told.stderr
