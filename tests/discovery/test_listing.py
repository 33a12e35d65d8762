"""Projects are listed whole, with few calls, whatever a service does meanwhile."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from collector.discovery import alarms, list_projects
from collector.discovery.asking import Patience
from collector.inventory.models import Credential, Discover, Project, ProjectLimits
from collector.model.answers import ProblemKind
from collector.providers.protocol import Access
from tests.support.directory import TOKEN, Asked, Directory, Said, alarm, entry, listing, page

if TYPE_CHECKING:
    from pathlib import Path

    from collector.discovery import Found

pytestmark = pytest.mark.anyio

HASTY = Patience(first_s=0.01, longest_s=5.0)
OPS = Credential("ops", "token", "acme", {"token_env": "OPS"}, "clouddc", ("OPS",))


def project(directory: Directory, project_id: str = "p1", **fields: Any) -> Project:  # noqa: ANN401  # any
    return Project(
        id=project_id,
        name=project_id,
        endpoint=directory.url,
        region=None,
        provider="clouddc",
        credentials="ops",
        limits=ProjectLimits(),
        servers=(),
        discover=Discover(**fields),
    )


async def listed(
    directory: Directory, *projects: Project, token: str = TOKEN, patience: Patience = HASTY
) -> list[Found]:
    wanted = projects or [project(directory, one) for one in directory.servers]
    access = Access(environ={"OPS": token})
    return await list_projects(wanted, {"ops": OPS}, access, patience=patience)


async def one_listed(directory: Directory, **fields: Any) -> Found:  # noqa: ANN401  # any
    with listing(directory):
        (found,) = await listed(directory, project(directory, **fields))
    return found


def servers(number: int, first: int = 0) -> list[dict[str, Any]]:
    return [entry(n) for n in range(first, first + number)]


async def test_a_project_is_listed_in_pages_of_a_thousand_and_no_call_more() -> None:
    directory = Directory({"p1": servers(2000)})
    found = await one_listed(directory)
    assert len(found.servers) == 2000
    assert [one.query["limit"] for one in directory.lists] == ["1000", "1000"]
    assert found.calls == 2
    assert found.problem is None
    assert not found.notes


async def test_what_the_list_tells_of_a_server_is_known() -> None:
    found = await one_listed(Directory({"p1": [entry(3)]}))
    (server,) = found.servers.values()
    assert server.name == "bms-3"
    assert server.tags == {"role": "db"}
    assert (server.health, server.rack, server.model) == ("OK", "r3", "2288H V5")
    assert server.manage_state == "in-use"


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 3000])
@pytest.mark.parametrize(
    "form", ["no page_info", "no count", "neither", "always", "url", "per page"]
)
async def test_every_way_to_tell_of_the_next_page_leads_to_all_of_them(
    form: str, size: int
) -> None:
    everything = servers(size)

    def told(asked: Asked, _number: int) -> Said:
        body = page(everything, asked.marker, 1000)
        info = body["page_info"]
        if form in ("no page_info", "neither"):
            del body["page_info"]
        if form in ("no count", "neither"):
            del body["count"]
        if form == "per page":
            body["count"] = len(body["servers"])
        if form in ("always", "url") and body["servers"]:
            info["next_marker"] = body["servers"][-1]["id"]
        if form == "url" and info["next_marker"]:
            info["next_marker"] = f"/v1/p1/physicalservers?limit=1000&marker={info['next_marker']}"
        return Said(body=body)

    directory = Directory({"p1": everything}, instead=told)
    found = await one_listed(directory)
    assert list(found.servers) == [one["id"] for one in everything]
    assert found.problem is None
    assert found.notes == []
    assert found.calls <= -(-size // 1000) + 1


@pytest.mark.parametrize(
    "count",
    [0, 1, 3, "1", 10**400, -1, None, "per page"],
    ids=["0", "1", "3", "text", "huge", "negative", "null", "per page"],
)
@pytest.mark.parametrize("size", [3, 30])
async def test_a_page_that_names_the_next_one_is_followed_whatever_the_total(
    size: int, count: object
) -> None:
    everything = servers(size)

    def told(asked: Asked, _number: int) -> Said:
        body = page(everything, asked.marker, 3)  # fewer than were asked for
        body["count"] = len(body["servers"]) if count == "per page" else count
        if body["servers"]:
            body["page_info"]["next_marker"] = body["servers"][-1]["id"]
        return Said(body=body)

    found = await one_listed(Directory({"p1": everything}, instead=told))
    assert list(found.servers) == [one["id"] for one in everything]
    assert found.problem is None


@pytest.mark.parametrize("marker", ["a\r\nb", {"id": 1}, "x" * 5000], ids=["lines", "map", "long"])
async def test_a_marker_that_cannot_be_sent_is_not_the_end_of_the_list(marker: object) -> None:
    everything = servers(1500)

    def told(asked: Asked, _number: int) -> Said:
        body = page(everything, asked.marker, 1000)
        if body["page_info"]["next_marker"]:
            body["page_info"]["next_marker"] = marker
        return Said(body={**body, "count": None})

    found = await one_listed(Directory({"p1": everything}, instead=told))
    assert len(found.servers) == 1500


async def test_an_empty_list_may_be_written_as_null() -> None:
    body = {"servers": None, "page_info": {"next_marker": None}, "count": 0}
    found = await one_listed(Directory({"p1": []}, instead=lambda _asked, _number: Said(body=body)))
    assert found.problem is None
    assert found.calls == 1


@pytest.mark.parametrize(
    "fault",
    [
        Said(429, {"error_code": "APIGW.0308", "error_msg": "policy user over ratelimit"}),
        Said(429, b"slow down", {"Retry-After": "0"}),
        Said(500, {"error_code": "iMetal.0099", "error_msg": "internal error"}),
        Said(503, b"<html><title>away</title></html>"),
        Said(200, b"<html>a page</html>"),
        Said(200, {"servers": None}),
        Said(200, b'{"servers": ['),
        Said(200, [1, 2]),
        Said(0),
    ],
)
async def test_it_goes_on_after(fault: Said) -> None:
    faults = {1: fault, 2: fault}
    directory = Directory({"p1": servers(2500)}, instead=lambda _asked, number: faults.get(number))
    found = await one_listed(directory)
    assert len(found.servers) == 2500
    assert found.calls == 5
    assert found.throttled == (2 if fault.status == 429 else 0)
    assert found.problem is None


async def test_a_page_that_never_comes_is_one_error_and_the_others_go_on() -> None:
    broken = Said(500, {"error_code": "iMetal.0099", "error_msg": "internal error"})

    def instead(asked: Asked, _number: int) -> Said | None:
        return broken if asked.project == "p2" and asked.marker else None

    directory = Directory({"p1": servers(3), "p2": servers(1500, 9000)}, instead=instead)
    with listing(directory):
        good, bad = await listed(directory)
    assert len(good.servers) == 3
    assert good.problem is None
    assert bad.problem is not None
    assert bad.problem.kind is ProblemKind.SERVICE_FAILED
    assert bad.attempts == HASTY.tries
    assert len(bad.servers) == 1000  # nothing that was listed is dropped


async def test_a_project_that_is_not_there_and_one_that_is_forbidden_say_so() -> None:
    refusal = Said(403, {"error_code": "iMetal.0004", "error_msg": "insufficient permissions"})

    def instead(asked: Asked, _number: int) -> Said | None:
        return refusal if asked.project == "p2" else None

    directory = Directory({"p1": [], "p2": []}, instead=instead)
    with listing(directory):
        gone, forbidden = await listed(
            directory, project(directory, "nowhere"), project(directory, "p2")
        )
    assert gone.problem is not None
    assert gone.problem.kind is ProblemKind.UNKNOWN_SERVER
    assert "project's id" in str(gone.problem.hint)
    assert forbidden.problem is not None
    assert forbidden.problem.kind is ProblemKind.FORBIDDEN
    assert "ask for the permission" in str(forbidden.problem.hint)


async def test_a_list_that_goes_round_ends_and_says_so() -> None:
    everything = servers(1500)

    def round_and_round(asked: Asked, _number: int) -> Said:
        body = page(everything, None, 1000)
        body["page_info"]["next_marker"] = asked.marker or everything[0]["id"]
        return Said(body=body)

    found = await one_listed(Directory({"p1": everything}, instead=round_and_round))
    assert found.problem is not None
    assert "no end" in found.problem.message
    assert len(found.servers) == 1000
    assert found.calls <= 3


async def test_a_marker_that_repeats_ends_the_list_though_pages_differ() -> None:
    def repeating(_asked: Asked, number: int) -> Said:
        return Said(body={"servers": servers(5, number * 5), "page_info": {"next_marker": "m"}})

    found = await one_listed(Directory({"p1": []}, instead=repeating))
    assert found.problem is not None
    assert "read already" in found.problem.message
    assert found.calls == 2
    assert len(found.servers) == 10


async def test_pages_of_nothing_new_with_ever_new_markers_end() -> None:
    some = servers(10)

    def endless(_asked: Asked, number: int) -> Said:
        return Said(body={"servers": some, "page_info": {"next_marker": f"m{number}"}})

    found = await one_listed(Directory({"p1": some}, instead=endless))
    assert found.problem is not None
    assert found.calls == 2


async def test_an_empty_page_that_names_a_further_one_is_passed() -> None:
    everything = servers(2500)

    def instead(asked: Asked, number: int) -> Said | None:
        if number != 1:
            return None
        body = page(everything, asked.marker, 1000)
        info = {"next_marker": everything[1200]["id"]}
        return Said(body={**body, "servers": [], "page_info": info})

    found = await one_listed(Directory({"p1": everything}, instead=instead))
    assert len(found.servers) == 2500  # those that were passed over come with the second list
    assert "changed while it was read" in found.notes[0]


async def test_empty_pages_without_end_end() -> None:
    def endless(_asked: Asked, number: int) -> Said:
        return Said(body={"servers": [], "page_info": {"next_marker": f"m{number}"}, "count": 9})

    found = await one_listed(Directory({"p1": []}, instead=endless))
    assert found.problem is not None
    assert found.calls == 4


async def test_a_server_that_moved_to_a_later_page_is_noticed_and_all_are_listed_once_more() -> (
    None
):
    everything = servers(1200)

    def moving(asked: Asked, number: int) -> Said | None:
        body = page(everything, asked.marker, 1000)
        if number == 1:
            body["servers"].insert(0, everything[3])
        return Said(body=body)

    found = await one_listed(Directory({"p1": everything}, instead=moving))
    assert len(found.servers) == 1200
    assert found.problem is None
    assert "changed while it was read" in found.notes[0]
    assert found.calls == 4


async def test_a_server_that_appears_while_pages_are_read_is_not_lost() -> None:
    everything = servers(1200)
    late = entry(5000)

    def growing(asked: Asked, number: int) -> Said | None:
        # It comes to stand on the page that was read already.
        now = everything if number < 1 else [*everything[:5], late, *everything[5:]]
        return Said(body=page(now, asked.marker, 1000))

    found = await one_listed(Directory({"p1": everything}, instead=growing))
    assert late["id"] in found.servers
    assert len(found.servers) == 1201
    assert found.calls == 4


async def test_a_total_that_is_never_right_costs_one_more_list_and_no_server() -> None:
    def wrong(asked: Asked, _number: int) -> Said:
        body = page(servers(30), asked.marker, 1000)
        body["count"] = 31
        return Said(body=body)

    found = await one_listed(Directory({"p1": []}, instead=wrong))
    assert len(found.servers) == 30
    assert found.problem is None
    assert any("counts 31 servers and lists 30" in note for note in found.notes)
    assert found.calls == 2


async def test_an_id_that_is_listed_twice_is_told_and_kept_once() -> None:
    found = await one_listed(Directory({"p1": [entry(1), entry(2), entry(1, name="again")]}))
    assert [one.name for one in found.servers.values()] == ["bms-1", "bms-2"]
    assert found.notes == ["entries that repeat others: 1"]


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        (entry(1, id="../../etc"), "cannot be part of a URL"),
        (entry(1, id="a/b"), "cannot be part of a URL"),
        (entry(1, id="nul\x00"), "cannot be part of a URL"),
        (entry(1, id=".."), "cannot be part of a URL"),
        (entry(1, id="x" * 5000), "cannot be part of a URL"),
        (entry(1, id="half \ud800"), "cannot be part of a URL"),
        (entry(1, id=None), "without an id"),
        (entry(1, id={"a": 1}), "without an id"),
        (entry(1, project_id="another"), "is of another project, another"),
        (None, "no object"),
        ("text", "no object"),
        ([entry(1)], "no object"),
    ],
)
async def test_an_entry_that_cannot_be_used_is_left_out_and_told(odd: Any, words: str) -> None:  # noqa: ANN401  # any JSON
    found = await one_listed(Directory({"p1": [odd, entry(2)]}))
    assert [one.name for one in found.servers.values()] == ["bms-2"]
    assert "entries left out: 1: " in found.notes[0]
    assert words in found.notes[0]


@pytest.mark.parametrize(
    "fields",
    [
        dict.fromkeys(entry(1).keys() - {"id"}),
        {"name": 7, "health_state": True, "location": "r1", "hardware_attributes": []},
        {"tags": "role=db"},
        {"tags": [None, 3, {"key": None}, {"value": "x"}, {"key": {"a": 1}, "value": 2}]},
        {"name": "\x1b[2J\nbms", "health_state": "Nobody has ever seen this"},
        {"name": "n" * 100_000, "location": {"rack": "r" * 100_000}},
    ],
)
async def test_an_entry_with_odd_fields_is_still_a_server(fields: dict[str, Any]) -> None:
    found = await one_listed(Directory({"p1": [entry(1, **fields), entry(2)]}))
    assert list(found.servers) == [entry(1)["id"], entry(2)["id"]]
    odd = next(iter(found.servers.values()))
    assert odd.name
    assert odd.name.isprintable()
    assert len(odd.name) <= 256
    assert found.notes == []


async def test_words_that_nobody_knows_are_kept_and_tags_may_be_an_object() -> None:
    odd = entry(1, health_state="Degraded", tags={"role": "db", "rank": 3})
    found = await one_listed(Directory({"p1": [odd]}))
    (server,) = found.servers.values()
    assert server.health == "Degraded"
    assert server.tags == {"role": "db", "rank": "3"}


async def test_a_page_of_ten_megabytes_is_read_and_one_of_a_hundred_is_not() -> None:
    large = entry(1, error={"message": "x" * 10_000_000})
    found = await one_listed(Directory({"p1": [large]}))
    assert len(found.servers) == 1
    huge = Said(200, b'{"servers": [' + b" " * (40 << 20) + b"]}")
    found = await one_listed(Directory({"p1": []}, instead=lambda _asked, _number: huge))
    assert found.problem is not None
    assert "more than 32 MiB" in found.problem.message


async def test_one_state_is_asked_of_the_service_and_several_are_looked_at_here() -> None:
    directory = Directory({"p1": [entry(1), entry(2, manage_state="ready")]})
    found = await one_listed(directory, manage_state=("ready",))
    assert directory.lists[0].query["manage_state"] == "ready"
    assert len(found.servers) == 1
    directory = Directory({"p1": [entry(1), entry(2, manage_state="ready")]})
    await one_listed(directory, manage_state=("ready", "in-*"))
    assert "manage_state" not in directory.lists[0].query


async def test_the_worst_alarm_that_holds_is_known() -> None:
    bad, worse, well = entry(1), entry(2), entry(3)
    alarms = [
        alarm(bad, 3),
        alarm(bad, 1, status="ok"),
        alarm(worse, 2),
        alarm(worse, "1"),
        alarm(well, 4, status="invalid"),
        {**alarm(well, 1), "metric": None},
        {"alarm_level": 1, "resource_id": "nobody"},
    ]
    directory = Directory({"p1": [bad, worse, well]}, {"p1": alarms})
    found = await one_listed(directory, alarms_s=3600.0)
    assert found.alarms == {bad["id"]: "minor", worse["id"]: "critical"}
    (asked,) = (one for one in directory.asked if one.what == "alarms")
    assert asked.query["alarm_status"] == "alarm"
    assert int(asked.query["from"]) > 1_700_000_000


async def test_all_pages_of_alarms_are_read() -> None:
    everything = servers(250)
    alarms = [alarm(one, 2) for one in everything]
    found = await one_listed(Directory({"p1": everything}, {"p1": alarms}), alarms_s=60.0)
    assert len(found.alarms) == 250


async def test_alarms_that_cannot_be_had_leave_the_servers_listed() -> None:
    refusal = Said(403, {"error_code": "iMetal.0004", "error_msg": "no"})
    directory = Directory(
        {"p1": servers(3)}, instead=lambda asked, _n: refusal if asked.what == "alarms" else None
    )
    found = await one_listed(directory, alarms_s=60.0)
    assert len(found.servers) == 3
    assert found.problem is None
    assert found.alarms_problem is not None


async def test_a_wrong_credential_makes_one_call_for_all_its_projects() -> None:
    directory = Directory({f"p{n}": servers(3) for n in range(20)})
    with listing(directory):
        found = await listed(directory, token="wrong")
    assert len(directory.asked) == 1
    assert {one.problem.hint for one in found if one.problem} == {
        "put a new token in environment variable OPS"
    }
    assert all(one.problem is not None for one in found)
    assert {one.problem.kind for one in found if one.problem} == {ProblemKind.UNAUTHENTICATED}
    assert sum(one.calls for one in found) == 1


async def test_until_a_credential_is_accepted_its_calls_go_one_by_one() -> None:
    busy = Said(503, b"busy")
    marks: list[str] = []

    def instead(asked: Asked, number: int) -> Said | None:
        marks.append(asked.project)
        return busy if number < 3 else None

    directory = Directory({f"p{n}": servers(1) for n in range(4)}, instead=instead)
    with listing(directory):
        found = await listed(directory)
    assert all(len(one.servers) == 1 for one in found)
    assert len(directory.asked) == 7


async def test_a_hundred_thousand_servers_take_a_hundred_calls() -> None:
    pages = {p: servers(5000, p * 5000) for p in range(20)}
    ready = {
        (p, marker): json.dumps(page(pages[p], marker, 1000)).encode()
        for p in range(20)
        for marker in (None, *(pages[p][at]["id"] for at in (999, 1999, 2999, 3999)))
    }

    def instead(asked: Asked, number: int) -> Said | None:
        if number in (7, 30):
            return Said(429, b"slow down")
        if number == 50:
            return Said(500, {"error_code": "iMetal.0099", "error_msg": "internal"})
        return Said(body=ready[int(asked.project), asked.marker])

    directory = Directory({str(p): [] for p in range(20)}, instead=instead)
    with listing(directory):
        found = await listed(directory)
    assert sum(len(one.servers) for one in found) == 100_000
    assert len(directory.lists) == 103
    assert all(one.problem is None for one in found)


async def test_what_is_not_listed_in_time_is_given_up_and_the_rest_is_kept() -> None:
    waiting = Said(429, b"", {"Retry-After": "100"})
    directory = Directory(
        {"p1": servers(3), "p2": servers(3)},
        instead=lambda asked, _number: waiting if asked.project == "p2" else None,
    )
    with listing(directory):
        slow, quick = (project(directory, one) for one in ("p2", "p1"))
        access = Access(environ={"OPS": TOKEN})
        late, listed_one = await list_projects(
            [slow, replace(quick, credentials="others")],
            {"ops": OPS, "others": replace(OPS, name="others")},
            access,
            within_s=1.0,
        )
    assert len(listed_one.servers) == 3
    assert listed_one.problem is None
    assert late.problem is not None
    assert "not listed in time" in late.problem.message


async def test_an_endpoint_that_answers_nobody_is_not_asked_for_every_project() -> None:
    directory = Directory({f"p{n}": [] for n in range(10)}, instead=lambda _asked, _n: Said(0))
    with listing(directory):
        found = await listed(directory)
    assert all(one.problem is not None for one in found)
    assert len(directory.asked) == HASTY.tries + 2


async def test_a_token_that_dies_under_several_calls_is_renewed_once(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    path.chmod(0o600)
    current = ["old"]
    begun = threading.Barrier(2, timeout=1)

    def instead(asked: Asked, number: int) -> Said | None:
        if asked.marker and asked.token == "old":
            with contextlib.suppress(threading.BrokenBarrierError):
                begun.wait()
            fresh = tmp_path / f"fresh-{number}"
            fresh.write_text(TOKEN)
            fresh.rename(path)
            current[0] = TOKEN
        if asked.token != current[0]:
            return Said(401, {"error_code": "APIGW.0301", "error_msg": "token expires"})
        return directory.usual(replace(asked, token=TOKEN))

    directory = Directory({f"p{n}": servers(1500, n * 2000) for n in range(4)}, instead=instead)
    by_file = replace(OPS, options={"token_file": str(path)}, variables=())
    with listing(directory):
        wanted = [project(directory, one) for one in directory.servers]
        found = await list_projects(wanted, {"ops": by_file}, Access(), patience=HASTY)
    assert [len(one.servers) for one in found] == [1500] * 4
    assert all(one.problem is None for one in found)


async def test_patience_ends() -> None:
    directory = Directory({"p1": []}, instead=lambda _a, _n: Said(429, b"", {"Retry-After": "0"}))
    with listing(directory):
        (found,) = await listed(directory, patience=replace(HASTY, throttled=5))
    assert found.problem is not None
    assert found.problem.kind is ProblemKind.THROTTLED
    assert found.attempts == 5
    assert found.throttled == 5


async def test_a_wait_longer_than_patience_is_not_waited_for() -> None:
    later = Said(429, b"", {"Retry-After": "9999"})
    found = await one_listed(Directory({"p1": []}, instead=lambda _asked, _number: later))
    assert found.problem is not None
    assert found.calls == 1


async def test_alarms_that_come_too_late_leave_the_servers_that_were_listed() -> None:
    def slow(asked: Asked, _number: int) -> Said | None:
        if asked.what == "alarms":
            time.sleep(5)
        return None

    directory = Directory({"p1": servers(3)}, instead=slow)
    with listing(directory):
        (found,) = await list_projects(
            [project(directory, alarms_s=3600.0)],
            {"ops": OPS},
            Access(environ={"OPS": TOKEN}),
            patience=HASTY,
            within_s=1.0,
        )
    assert len(found.servers) == 3
    assert found.problem is None
    assert found.alarms_problem is not None
    assert found.calls == 1


async def test_alarms_without_end_are_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "PAGES_MAX", 5)
    everything = servers(3)
    same = {"alarms": [alarm(everything[0], 1)] * 100, "count": 10**9}

    def endless(asked: Asked, _number: int) -> Said | None:
        return Said(body=same) if asked.what == "alarms" else None

    directory = Directory({"p1": everything}, instead=endless)
    with listing(directory):
        (found,) = await listed(directory, project(directory, alarms_s=3600.0))
    assert found.problem is None
    assert found.alarms_problem is not None
    assert "no end" in found.alarms_problem.message
    assert list(found.alarms.values()) == ["critical"]
