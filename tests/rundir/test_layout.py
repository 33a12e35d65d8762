from __future__ import annotations

import logging
import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import CollectorError
from collector.rundir.layout import (
    create_run,
    find_run,
    point_latest,
    project_directories,
    runs_under,
    server_directories,
)

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 23, 8, 41, 3, tzinfo=UTC)


def test_a_run_is_named_by_its_time(tmp_path: Path) -> None:
    run = create_run(tmp_path / "out", run_id=None, now=NOW)
    assert re.fullmatch(r"20261123T084103Z-[0-9a-f]{4}", run.name)
    assert run.parent == tmp_path / "out"


def test_two_runs_in_a_second_are_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["7f3a", "7f3a", "0001"])
    monkeypatch.setattr("secrets.token_hex", lambda _: next(drawn))
    names = [create_run(tmp_path, run_id=None, now=NOW).name for _ in range(2)]
    assert names == ["20261123T084103Z-7f3a", "20261123T084103Z-0001"]


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_a_run_is_its_owners_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        run = create_run(tmp_path, run_id=None, now=NOW)
    finally:
        os.umask(before)
    assert run.stat().st_mode & 0o777 == 0o700


def test_a_run_id_that_exists_is_refused(tmp_path: Path) -> None:
    create_run(tmp_path, run_id="incident-7", now=NOW)
    with pytest.raises(CollectorError, match="incident-7 already exists; resume it"):
        create_run(tmp_path, run_id="incident-7", now=NOW)


@pytest.mark.parametrize(
    "run_id", ["", "../x", "a/b", ".collector", "latest", "LATEST", "x.part", "manifest.json"]
)
def test_a_run_id_that_is_no_safe_name_is_refused(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(CollectorError, match="not a safe directory name"):
        create_run(tmp_path, run_id=run_id, now=NOW)
    assert not [*tmp_path.iterdir()]


def test_an_output_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(CollectorError, match="is not a directory; choose another with --out"):
        create_run(tmp_path / "out", run_id=None, now=NOW)
    with pytest.raises(CollectorError, match="--out"):
        create_run(tmp_path / "out" / "deeper", run_id="x", now=NOW)


def test_latest_names_the_latest_run(tmp_path: Path) -> None:
    for run_id in ("first", "second"):
        run = create_run(tmp_path, run_id=run_id, now=NOW)
        point_latest(run)
    assert (tmp_path / "latest").readlink().name == "second"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["first", "latest", "second"]
    assert not [*run.iterdir()]


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_a_latest_that_is_no_link_is_left_alone(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    run = create_run(tmp_path, run_id="first", now=NOW)
    latest = tmp_path / "latest"
    if kind == "file":
        latest.write_text("mine")
    else:
        latest.mkdir()
    caplog.set_level(logging.WARNING, "collector")
    point_latest(run)
    assert [str(latest) in line.getMessage() for line in caplog.records] == [True]
    assert latest.is_file() == (kind == "file")
    assert not latest.is_symlink()


def test_a_link_to_elsewhere_is_replaced_and_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    out = tmp_path / "out"
    run = create_run(out, run_id="first", now=NOW)
    (out / "latest").symlink_to(elsewhere)
    point_latest(run)
    assert (out / "latest").resolve() == run
    assert not [*elsewhere.iterdir()]


def test_a_directory_has_the_name_or_else_the_id() -> None:
    assert server_directories([("id-1", "bms-001"), ("id-2", "")]) == ["bms-001", "id-2"]
    assert project_directories([("p1", "https://a", "payments"), ("p2", "https://a", "")]) == [
        "payments",
        "p2",
    ]


@pytest.mark.parametrize(
    "names", [("web", "web"), ("web", "WEB"), ("caf\u00e9", "cafe\u0301"), ("straße", "STRASSE")]
)
def test_names_that_some_file_system_takes_for_one_are_told_apart(names: tuple[str, str]) -> None:
    servers = [("id-1", names[0]), ("id-2", names[1]), ("id-3", "db")]
    first, second, third = server_directories(servers)
    assert first.casefold() != second.casefold()
    assert third == "db"
    assert server_directories(servers[::-1]) == [third, second, first]


def test_a_project_at_two_endpoints_has_two_directories() -> None:
    first, second = project_directories([("p1", "https://a", "web"), ("p1", "https://b", "web")])
    assert first != second


def test_a_name_that_another_gets_by_its_suffix_collides_no_more() -> None:
    suffixed = server_directories([("id-1", "web"), ("id-2", "web")])[0]
    names = server_directories([("id-1", "web"), ("id-2", "web"), ("id-3", suffixed)])
    assert len(set(names)) == 3


@given(
    st.lists(
        st.tuples(
            st.text(max_size=4), st.sampled_from(["a", "A", "a-", "./a", "\u00e5", "A\u030a"])
        ),
        unique_by=lambda entry: entry[0],
        max_size=12,
    )
)
def test_directories_are_distinct_whatever_the_names(servers: list[tuple[str, str]]) -> None:
    names = server_directories(servers)
    assert len({name.casefold() for name in names}) == len(servers)
    assert not any("/" in name or name.startswith(".") for name in names)


def test_an_id_that_stands_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="id-1"):
        server_directories([("id-1", "web"), ("id-1", "web")])


def test_a_run_is_found_by_path_and_by_latest(tmp_path: Path) -> None:
    run = create_run(tmp_path, run_id="first", now=NOW)
    (run / "journal.jsonl").touch()
    point_latest(run)
    assert find_run(run) == run.resolve()
    assert find_run(tmp_path / "latest") == run.resolve()
    assert find_run("latest", out=tmp_path) == run.resolve()
    assert runs_under(tmp_path) == [run]


def test_what_is_no_run_is_refused_and_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "latest").symlink_to("gone")
    for argument, message in [
        (tmp_path / "nowhere", "does not exist"),
        (tmp_path / "file", "is a file, not a run directory"),
        (tmp_path / "latest", "points to gone"),
        (tmp_path, "neither journal.jsonl nor manifest.json"),
    ]:
        with pytest.raises(CollectorError, match=message):
            find_run(argument)


def test_runs_under_what_is_no_directory_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(CollectorError, match="cannot list"):
        runs_under(tmp_path / "nowhere")
