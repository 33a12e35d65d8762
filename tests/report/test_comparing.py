"""What has changed since another run: which servers count as gone, new, failing, larger."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from collector.model import events as e
from collector.model.state import RunState, apply
from collector.report.comparing import LEAST_BYTES, changes, other_run

if TYPE_CHECKING:
    from collector.report.page import Changes

AT = "2026-11-23T08:41:03Z"
ENDPOINT = "https://clouddc.example.com"


def run_of(
    servers: dict[str, int | str | None],
    *,
    project: str = "p",
    **started: Any,  # noqa: ANN401  # members of RunStarted
) -> RunState:
    """A run of these servers: bytes of an archive, or a failure's message, or pending."""
    state = RunState()
    for event in (
        e.RunStarted(
            at=AT, schema_version=1, run_id="run", collector_version="0.1.0", host="ops-1",
            user="oncall", pid=1, **{
                "argv": ("collector", "collect", "fleet.yaml"), "inventory_path": "fleet.yaml",
                "select": (), **started,
            },
            inventory_sha256="0" * 64, downloads=8, bytes_per_second=None,
        ),
        e.ProjectSelected(
            at=AT, project=0, id=project, name=f"name of {project}", endpoint=ENDPOINT,
            credential="ops", directory=project, requests_per_second=None, exports_in_flight=None,
            share=0.95,
        ),
    ):  # fmt: skip
        apply(state, event)
    for server, (id_, what) in enumerate(servers.items()):
        apply(
            state,
            e.ServerSelected(
                at=AT, server=server, project=0, id=id_, name=f"name of {id_}", tags={},
                directory=f"{project}/{id_}", first=False,
            ),
        )  # fmt: skip
        if isinstance(what, int):
            apply(
                state,
                e.ArchiveStored(
                    at=AT, server=server, path=f"{project}/{id_}/a", file_name="a", bytes=what,
                    sha256="0" * 64, members=1, covers_from=None, covers_to=None,
                ),
            )  # fmt: skip
        elif what is not None:
            apply(
                state,
                e.ServerFailed(
                    at=AT, server=server, stage="export", kind="forbidden", code=None,
                    http_status=403, message=what, request_id=None, attempts=1, hint="", polls=0,
                ),
            )  # fmt: skip
    return state


def between(before: RunState, now: RunState) -> Changes:
    return changes(now, other_run(before, "partial"))


def test_servers_that_failed_in_one_of_two_runs_alone_have_changed() -> None:
    before = run_of({"a": 1, "b": "no", "c": "no", "d": "no", "e": None, "f": 1})
    now = run_of({"a": "no", "b": 1, "c": "no", "d": None, "e": "no", "f": 1})
    found = between(before, now)
    assert (found.failing, found.recovered, found.in_both) == ([0, 4], [1], 6)


K = 1 << 10


@pytest.mark.parametrize(
    ("before", "now", "larger", "smaller"),
    [
        (100 * K, 200 * K, 1, 0),
        (100 * K, 200 * K - 1, 0, 0),
        (200 * K, 100 * K, 0, 1),
        (200 * K - 1, 100 * K, 0, 0),
        (10 * K, 70 * K, 0, 0),
        (0, LEAST_BYTES, 1, 0),
        (LEAST_BYTES, 0, 0, 1),
        (0, LEAST_BYTES - 1, 0, 0),
    ],
)
def test_an_archive_that_doubled_or_halved_by_64_kib_or_more_is_told(
    before: int, now: int, larger: int, smaller: int
) -> None:
    found = between(run_of({"a": before}), run_of({"a": now}))
    assert (len(found.larger), len(found.smaller)) == (larger, smaller)
    for one in (*found.larger, *found.smaller):
        assert (one.server, one.before, one.now) == (0, before, now)


def test_a_server_of_one_of_two_runs_alone_is_gone_or_new() -> None:
    found = between(run_of({"a": 1, "b": 1}), run_of({"b": 1, "c": 1}))
    assert [(one.project, one.name, one.id) for one in found.gone] == [
        ("name of p", "name of a", "a")
    ]
    assert found.new == [1]
    assert found.in_both == 1


SOME: dict[str, Any] = {"select": ("tag:role=db",)}
OTHERS: dict[str, Any] = {"select": ("tag:role=web",)}


@pytest.mark.parametrize(
    ("before", "now", "gone", "new"),
    [
        (SOME, SOME, 1, 1),
        (SOME, OTHERS, 0, 0),
        (SOME, {}, 1, 0),
        ({}, SOME, 0, 1),
        ({"argv": ("collector", "collect", "--exclude", "name=x", "f")}, {}, 1, 0),
        ({"argv": ("collector", "collect", "--exclude=name=x")}, {}, 1, 0),
        (
            {"argv": ("collector", "collect", "--exclude=name=x")},
            {"argv": ("collector", "collect", "f", "--exclude", "name=x")},
            1,
            1,
        ),
    ],
)
def test_a_server_that_was_not_selected_is_neither_gone_nor_new(
    before: dict[str, Any], now: dict[str, Any], gone: int, new: int
) -> None:
    found = between(run_of({"a": 1, "b": 1}, **before), run_of({"b": 1, "c": 1}, **now))
    assert (len(found.gone), len(found.new)) == (gone, new)


def test_of_other_inventories_only_projects_of_both_are_compared() -> None:
    before, now = run_of({"a": 1}), run_of({"b": 1}, inventory_path="other.yaml")
    found = between(before, now)
    assert (len(found.gone), found.new) == (1, [0])
    elsewhere = run_of({"b": 1}, project="q", inventory_path="other.yaml")
    found = between(before, elsewhere)
    assert (found.gone, found.new, found.in_both) == ([], [], 0)
    of_the_same = run_of({"b": 1}, project="q")
    found = between(before, of_the_same)
    assert (len(found.gone), found.new) == (1, [0])


def test_servers_of_the_same_id_in_other_projects_or_at_other_endpoints_are_others() -> None:
    before, now = run_of({"a": 1}), run_of({"a": 1}, project="q")
    assert not other_run(before, "complete").has_any_of(now)
    moved = run_of({"a": 1})
    (row,) = moved.projects
    selected = replace(row.selected, endpoint="https://elsewhere.example.com")
    moved.projects = [replace(row, selected=selected)]
    assert not other_run(before, "complete").has_any_of(moved)
    assert other_run(before, "complete").has_any_of(before)
