from __future__ import annotations

import io
import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

import collector
from collector.cli.rendering.plan import rendered
from collector.history.file import save
from collector.model import events as e
from collector.model.state import RunState, apply
from collector.planning.disk import ASSUMED_ARCHIVE_BYTES
from collector.planning.limits import ASSUMED_CALLS
from collector.rundir import manifest

if TYPE_CHECKING:
    from pathlib import Path

    from collector.planning import Plan

ENDPOINT = "https://clouddc.example.com"
AT = datetime.now(UTC).isoformat()


def inventory(
    *projects: dict[str, Any],
    credentials: dict[str, Any] | None = None,
    **limits: Any,  # noqa: ANN401  # those of defaults
) -> collector.Inventory:
    document = {
        "version": 1,
        "credentials": credentials or {"ops": {"kind": "token", "token_env": "CLOUDDC_TOKEN"}},
        "defaults": {"credentials": "ops", "limits": limits},
        "projects": list(projects),
    }
    return collector.load(
        io.BytesIO(json.dumps(document).encode()),
        environ={"CLOUDDC_TOKEN": "t", "OTHER": "t"},
    )


def project(name: str, servers: int, **options: Any) -> dict[str, Any]:  # noqa: ANN401  # the shape's own
    rows = [{"id": f"{name}-{number}"} for number in range(servers)]
    return {"id": name, "endpoint": ENDPOINT, "servers": rows, **options}


def planned(loaded: collector.Inventory, out: Path, **options: Any) -> Plan:  # noqa: ANN401  # plan's own
    return collector.plan(loaded.select(), out, **options)


def remember(directory: Path, loaded: collector.Inventory, *learned: e.Event) -> Path:
    """Leave what a run of this inventory would have learned."""
    state = RunState()
    for number, one in enumerate(loaded.projects):
        apply(
            state,
            e.ProjectSelected(
                at=AT, project=number, id=one.id, name=one.name, endpoint=one.endpoint,
                credential=one.credentials, directory=one.name, requests_per_second=None,
                exports_in_flight=None, share=0.95,
            ),
        )  # fmt: skip
    for event in learned:
        apply(state, event)
    save(directory, state, datetime.now(UTC))
    return directory


def user_limit(limit: int, window_s: float = 1.0) -> e.Event:
    return e.LimitLearned(
        at=AT,
        scope="user",
        name=f"ops at {ENDPOINT}",
        limit=limit,
        window_s=window_s,
        source="told",
    )


def test_what_nobody_knows_is_assumed_and_said_to_be(tmp_path: Path) -> None:
    plan = planned(inventory(project("p1", 100)), tmp_path)
    (limit,) = plan.limits
    assert (limit.source, limit.scope, limit.limit) == ("assumed", "user", ASSUMED_CALLS)
    assert plan.projects[0].durations_source == "assumed"
    assert plan.disk.needed == 100 * ASSUMED_ARCHIVE_BYTES
    assert (plan.disk.known, plan.disk.assumed) == (0, 100)
    assert (plan.servers, plan.requests) == (100, 300)


def test_what_earlier_runs_learned_is_planned_with_at_its_share(tmp_path: Path) -> None:
    loaded = inventory(project("p1", 1000))
    learned = e.DurationsLearned(at=AT, project=0, exports=40, median_s=60.0, spread=0.1)
    memory = remember(tmp_path / "state", loaded, user_limit(20, 10.0), learned)
    plan = planned(loaded, tmp_path, memory=memory)
    (limit,) = plan.limits
    assert (limit.source, limit.limit, limit.used) == ("remembered", 20, 19)
    assert limit.seconds == pytest.approx((3000 - 19) / 1.9)
    assert plan.seconds == limit.seconds
    assert plan.projects[0].durations.median_s == 60
    half = planned(loaded, tmp_path, memory=memory, share=0.5)
    assert half.limits[0].used == 10
    assert half.seconds > 1.8 * plan.seconds


def test_durations_of_models_are_planned_with_by_how_many_servers_are_of_each(
    tmp_path: Path,
) -> None:
    servers = [
        {"id": f"s{number}", "model": "slow" if number < 30 else "fast"} for number in range(40)
    ]
    loaded = inventory(project("p1", 0) | {"servers": servers})

    def of_model(model: str | None, median_s: float) -> e.Event:
        return e.DurationsLearned(
            at=AT, project=0, exports=40, median_s=median_s, spread=0.1, model=model
        )

    learned = [of_model(None, 60.0), of_model("slow", 400.0), of_model("fast", 4.0)]
    memory = remember(tmp_path / "state", loaded, *learned)
    found = planned(loaded, tmp_path, memory=memory).projects[0].durations
    assert found.median_s == pytest.approx(400.0**0.75 * 4.0**0.25)
    slow = inventory(project("p1", 0) | {"servers": servers[:30]})
    assert planned(slow, tmp_path, memory=memory).projects[0].durations.median_s == 400


def test_where_as_many_exports_have_met_no_limit_none_is_assumed(tmp_path: Path) -> None:
    learned = e.DurationsLearned(at=AT, project=0, exports=40, median_s=60.0, spread=0.1)
    for servers, assumed in ((40, []), (41, ["assumed"])):
        loaded = inventory(project("p1", servers))
        memory = remember(tmp_path / "state", loaded, learned)
        plan = planned(loaded, tmp_path, memory=memory)
        assert [limit.source for limit in plan.limits] == assumed
        assert rendered(plan, "out")


def test_projects_of_one_account_share_its_limit_and_others_do_not(tmp_path: Path) -> None:
    credentials = {
        "ops": {"kind": "token", "token_env": "CLOUDDC_TOKEN"},
        "other": {"kind": "token", "token_env": "OTHER"},
    }
    both = inventory(project("p1", 1000), project("p2", 1000))
    apart = inventory(
        project("p1", 1000), project("p2", 1000, credentials="other"), credentials=credentials
    )
    assert [one.seconds for one in planned(both, tmp_path).limits] == [
        pytest.approx((6000 - 9) / 9)
    ]
    assert [one.seconds for one in planned(apart, tmp_path).limits] == [
        pytest.approx((3000 - 9) / 9)
    ] * 2


def test_what_the_inventory_limits_is_among_the_limits(tmp_path: Path) -> None:
    loaded = inventory(
        project("p1", 100, limits={"requests_per_second": 2, "exports_in_flight": 5}),
        bytes_per_second=1000,
    )
    plan = planned(loaded, tmp_path)
    found = {(one.what, one.source): one for one in plan.limits}
    assert set(found) == {
        ("calls", "inventory"), ("exports", "inventory"), ("bytes", "inventory"),
        ("calls", "assumed"),
    }  # fmt: skip
    assert found["calls", "inventory"].seconds == pytest.approx(149)
    assert found["exports", "inventory"].seconds == pytest.approx(20 * 185.9, rel=0.01)
    assert plan.seconds == found["bytes", "inventory"].seconds == 400_000


def test_exports_that_may_not_run_at_once_make_it_longer(tmp_path: Path) -> None:
    loaded = inventory(project("p1", 100))
    learned = e.ExportsLimitLearned(
        at=AT, scope="project", name=f"p1 at {ENDPOINT}", limit=5, source="estimated"
    )
    memory = remember(tmp_path / "state", loaded, learned)
    free, bound = planned(loaded, tmp_path), planned(loaded, tmp_path, memory=memory)
    assert {one.what for one in bound.limits} == {"calls", "exports"}
    assert bound.seconds > 19 * 185 > 3 * free.seconds


def test_a_deadline_that_cannot_hold_all_says_how_many_it_holds(tmp_path: Path) -> None:
    loaded = inventory(project("p1", 1000))
    whole = planned(loaded, tmp_path)
    assert (whole.deadline_reachable, whole.servers_by_deadline) == (None, None)
    enough = planned(loaded, tmp_path, deadline_s=whole.seconds)
    assert (enough.deadline_reachable, enough.servers_by_deadline) == (True, 1000)
    short = planned(loaded, tmp_path, deadline_s=200.0)
    assert short.deadline_reachable is False
    assert short.servers_by_deadline is not None
    assert 200 < short.servers_by_deadline < 600
    none = planned(loaded, tmp_path, deadline_s=1.0)
    assert none.servers_by_deadline == 0


def leave_run(directory: Path, loaded: collector.Inventory, sizes: dict[str, int]) -> None:
    """Leave the manifest of a run that collected archives of these sizes."""
    from collector.runtime import beginning  # noqa: PLC0415  # only here

    directory.mkdir(parents=True)
    state = RunState()
    for event in beginning.events(loaded.select(), directory.name, (), AT):
        apply(state, event)
    for row in list(state.servers):
        if row.id in sizes:
            for event in (
                e.ExportRequested(at=AT, server=row.server),
                e.ExportStarted(at=AT, server=row.server, export_id="x"),
                e.ExportCompleted(at=AT, server=row.server, polls=1),
                e.ArchiveStored(
                    at=AT, server=row.server, path=f"{row.directory}/x.tar.gz",
                    file_name="x.tar.gz", bytes=sizes[row.id], sha256="0" * 64, members=1,
                    covers_from=None, covers_to=None,
                ),
            ):  # fmt: skip
                apply(state, event)
    manifest.write(state, directory, lines=1, head="0" * 64)


def test_the_disk_needed_is_told_from_the_last_run_of_each_server(tmp_path: Path) -> None:
    loaded = inventory(project("p1", 3), project("p2", 1))
    leave_run(tmp_path / "first", loaded, {"p1-0": 100, "p1-1": 1000})
    os.utime(tmp_path / "first" / "manifest.json", (1, 1))
    leave_run(tmp_path / "second", loaded, {"p1-0": 300, "p2-0": 500})
    disk = planned(loaded, tmp_path).disk
    assert (disk.known, disk.assumed, disk.assumed_archive_bytes) == (3, 1, 600)
    assert disk.needed == 300 + 1000 + 500 + 600


def test_a_server_of_the_same_id_elsewhere_tells_nothing(tmp_path: Path) -> None:
    loaded = inventory(project("p1", 1))
    leave_run(tmp_path / "run", loaded, {"p1-0": 7})
    other = inventory(project("p1", 1, endpoint="https://clouddc.elsewhere.example.com"))
    assert planned(loaded, tmp_path).disk.known == 1
    assert planned(other, tmp_path).disk.known == 0


@pytest.mark.parametrize("content", [b"", b"{", b'{"projects": [\n  {"id": "servers": [\n  {"id"'])
def test_an_earlier_manifest_that_is_damaged_tells_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_bytes(content)
    assert planned(inventory(project("p1", 1)), tmp_path).disk.known == 0


def test_json_has_its_members_whatever_is_planned(tmp_path: Path) -> None:
    for loaded in (inventory(project("p1", 2)), inventory(project("p1", 2), bytes_per_second=5)):
        made = json.loads(json.dumps(planned(loaded, tmp_path, deadline_s=60.0).as_json()))
        assert set(made) == {
            "servers", "requests", "seconds", "deadline_s", "deadline_reachable",
            "servers_by_deadline", "disk", "limits", "projects",
        }  # fmt: skip
        assert all(limit["source"] in {"inventory", "assumed"} for limit in made["limits"])


def test_limits_of_no_sense_make_a_plan_all_the_same(tmp_path: Path) -> None:
    loaded = inventory(project("p1", 3), requests_per_second=1e-6)
    learned = e.DurationsLearned(at=AT, project=0, exports=1, median_s=86_400.0, spread=10.0)
    memory = remember(tmp_path / "state", loaded, learned)
    plan = planned(loaded, tmp_path, memory=memory, deadline_s=60.0)
    json.dumps(plan.as_json(), allow_nan=False)
    assert rendered(plan, "out")[-1].startswith("Not reachable in 1 min: none of 3 servers")


def test_an_empty_selection_takes_nothing(tmp_path: Path) -> None:
    selection = inventory(project("p1", 2)).select(["id=nobody"])
    plan = collector.plan(selection, tmp_path, deadline_s=1.0)
    assert (plan.servers, plan.seconds, plan.disk.needed) == (0, 0, 0)
    assert (plan.deadline_reachable, plan.servers_by_deadline) == (True, 0)
