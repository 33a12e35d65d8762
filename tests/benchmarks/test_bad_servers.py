"""The benchmarks of misbehaving servers: what they measure is what they say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from benchmarks import bad_servers, bad_servers_tcp, outages
from benchmarks.bad import over_tcp
from benchmarks.bad.simulated import PLACES, PROJECTS, Fleet, Run
from benchmarks.bad.turns import in_turn
from benchmarks.bad.ways import STALL_S, WAYS
from collector.emulator import scenario_from_mapping
from collector.model.answers import ProblemKind

if TYPE_CHECKING:
    from pathlib import Path

BY_NAME = {way.name: way for way in WAYS}


@pytest.mark.parametrize("place", PLACES)
def test_as_many_servers_misbehave_as_said_wherever_they_stand(place: str) -> None:
    chosen = Fleet(100, seed=1).chosen(0.3, place)
    assert len(set(chosen)) == 30
    if place == "project":
        assert len({server % PROJECTS for server in chosen}) == 1


def test_fleet_without_misbehaving_servers_is_collected() -> None:
    ended = Run(Fleet(12, seed=1), range(3, 12), {}).ended()
    assert sorted(ended.homes_s) == list(range(3, 12))
    assert (ended.failed, ended.downs, ended.wrong) == ({}, 0, "")


def test_misbehaving_server_is_known_by_its_number_in_the_fleet() -> None:
    ended = Run(Fleet(12, seed=1), range(3, 12), {7: BY_NAME["POST 400"]}).ended()
    assert {server: event.kind for server, event in ended.failed.items()} == {
        7: ProblemKind.BAD_REQUEST
    }


def test_held_answer_comes_late_and_a_held_archive_keeps_its_download_open() -> None:
    fleet = Fleet(1, seed=1)
    healthy = Run(fleet, [0], {}).ended()
    late = Run(fleet, [0], {0: BY_NAME["POST late 8 s"]}).ended()
    assert late.homes_s[0] > 8 > healthy.homes_s[0]
    stalled = Run(fleet, [0], {0: BY_NAME["download stalled"]}).ended()
    assert stalled.failed[0].kind is ProblemKind.CUT
    assert stalled.ended_s > healthy.ended_s + STALL_S


def test_case_is_measured_and_nobody_is_missing() -> None:
    case = bad_servers.Case("POST 400", None, 0.3, "spread")
    measured = bad_servers.measure(case, servers=60, seed=1)
    assert (measured.missing, measured.downs, measured.astray, measured.wrong) == (0, 0, 0, "")


@pytest.mark.parametrize(("limit", "ok"), [(None, False), (20, True)])
def test_calls_of_misbehaving_servers_are_their_own_behind_a_limit(
    limit: int | None,
    ok: bool,
) -> None:
    case = bad_servers.Case("POST 400", limit, 0.3, "spread")
    measured = bad_servers.Measured(
        case, to_only=1.2, to_healthy=1.0, missing=0, downs=0, astray=0, ended_s=1.0, wrong=""
    )
    assert measured.ok is ok


def test_ways_fall_to_servers_in_turn_and_to_few_of_them_from_all_over_the_list() -> None:
    assert in_turn("abc", [4, 5, 6, 7]) == {4: "a", 5: "b", 6: "c", 7: "a"}
    assert in_turn("abcdef", [4, 5, 6]) == {4: "a", 5: "c", 6: "e"}


def test_server_that_should_have_failed_otherwise_is_astray() -> None:
    ways = {way.name: way for way in over_tcp.WAYS}
    assert not bad_servers_tcp.astray(ways["export reset_before"], "cut")
    assert bad_servers_tcp.astray(ways["export reset_before"], "pending")
    assert bad_servers_tcp.astray(ways["gzip_json"], "unreadable")
    assert not bad_servers_tcp.astray(ways["locked"], "pending")


def test_emulator_knows_every_way_over_tcp() -> None:
    servers = range(2 * len(over_tcp.WAYS))
    ways = dict(enumerate(over_tcp.WAYS))
    scenario = scenario_from_mapping(over_tcp.scenario(servers, ways, seed=1))
    found = {server.id: server for project in scenario.projects for server in project.servers}
    assert len(found) == len(servers)
    assert all(len(found[f"s{n}"].faults) == (n in ways) for n in servers)


def journal(path: Path, *events: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def at(seconds: int, event: str, **members: object) -> dict[str, object]:
    return {"event": event, "at": f"2026-11-29T00:00:{seconds:02}.000Z", **members}


def test_journal_tells_what_became_of_each_server(tmp_path: Path) -> None:
    ended = over_tcp.told(
        journal(
            tmp_path / "journal.jsonl",
            at(0, "ServerSelected", server=0, id="s4"),
            at(0, "ServerSelected", server=1, id="s7"),
            at(1, "SelectionEnded"),
            at(3, "EndpointWentDown", message="m"),
            at(4, "ServerFailed", server=0, kind="cut"),
            at(5, "ArchiveStored", server=1),
        ),
        3,
    )
    assert (ended.homes_s, ended.failed, ended.downs) == ({"s7": 4.0}, {"s4": "cut"}, ["m"])


def test_outage_is_found_after_the_cut_and_left_with_the_first_call_after_it(
    tmp_path: Path,
) -> None:
    path = journal(
        tmp_path / "journal.jsonl",
        at(0, "SelectionEnded"),
        at(2, "ExportStarted"),
        at(8, "EndpointWentDown"),
        at(20, "EndpointCameBack"),
        at(22, "ExportCompleted"),
    )
    began_s = outages.unix_s(at(0, ""))
    assert outages.found(path, began_s + 5, began_s + 19) == outages.Found(3.0, 3.0, 1)
    assert outages.found(path, began_s - 5, began_s + 19) == outages.Found(8.0, 3.0, 1)
