"""What has changed since a revision, whoever asks, and however late."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from collector.model import events as e
from collector.model.state import RunState, apply
from collector.report.glance import Watch
from collector.report.manifest import JournalHead
from collector.report.series import Follower
from collector.serving import page_state
from collector.serving.page_state import PageState, Seen
from collector.serving.source import Revision, revision

AT = "2026-11-23T08:41:03Z"


class Run:
    """A run of a few servers that goes on by events, and its shown."""

    def __init__(self, servers: int = 6) -> None:
        self.state = RunState()
        self.follower = Follower()
        self.shown = PageState(Path("collected/r"), self.state, Watch(self.state))
        self.alive = True
        self.take(
            e.RunStarted(
                at=AT, schema_version=1, run_id="r", collector_version="1", host="h", user="u",
                pid=1, argv=(), inventory_path="-", inventory_sha256="0" * 64, select=(),
                downloads=8, bytes_per_second=None,
            ),
            e.ProjectSelected(
                at=AT, project=0, id="p", name="p", endpoint="https://x.example",
                credential="ops", directory="p", requests_per_second=None,
                exports_in_flight=None, share=0.95,
            ),
        )  # fmt: skip
        self.take(*(self.selected(server) for server in range(servers)))
        self.take(e.SelectionEnded(at=AT, servers=servers))

    def selected(self, server: int) -> e.Event:
        return e.ServerSelected(
            at=AT, server=server, project=0, id=f"id-{server}", name=f"bms-{server}", tags={},
            directory=f"p/bms-{server}", first=False,
        )  # fmt: skip

    def take(self, *events: e.Event) -> None:
        for event in events:
            apply(self.state, event)
            self.follower.follow(event)

    def request(self, *servers: int) -> None:
        self.take(*(e.ExportRequested(at=AT, server=server) for server in servers))

    def fail(self, server: int, message: str) -> None:
        self.take(
            e.ServerFailed(
                at=AT, server=server, stage="export", kind="forbidden", code=None, http_status=403,
                message=message, request_id=None, attempts=1, hint="ask", polls=0,
            )
        )  # fmt: skip

    def look(self) -> Revision:
        seen = Seen(
            journaled=JournalHead(1, "0" * 64), series=self.follower.series(), alive=self.alive
        )
        self.shown.look(seen)
        return self.shown.revision

    def news(self, since: Revision, *, whole: bool = False) -> dict[str, Any] | None:
        found = self.shown.news(since, whole=whole)
        return None if found is None else dict(json.loads(found))

    def data(self) -> tuple[Revision, dict[str, Any]]:
        data = self.shown.data(AT, None)
        return data.revision, json.loads(gzip.decompress(data.compressed))


@pytest.fixture
def run() -> Run:
    made = Run()
    made.look()
    return made


def changed(news: dict[str, Any] | None) -> list[int]:
    assert news is not None
    at: list[int] = news["at"]
    return at


def test_each_is_told_what_changed_since_what_it_has(run: Run) -> None:
    first = run.look()
    run.request(1)
    second = run.look()
    run.request(2, 4)
    run.look()
    assert changed(run.news(first)) == [1, 2, 4]
    assert changed(run.news(second)) == [2, 4]
    assert changed(run.news(first)) == [1, 2, 4]


def test_where_nothing_has_changed_the_revision_stays(run: Run) -> None:
    before = run.look()
    assert run.look() == before
    run.request(0)
    assert run.look() > before


def test_rows_tell_the_server_as_it_now_is(run: Run) -> None:
    before = run.look()
    run.request(3)
    run.fail(3, "no")
    run.look()
    news = run.news(before)
    assert news is not None
    assert news["rows"]["name"] == ["bms-3"]
    assert news["rows"]["phase"] == [4]
    assert news["notes"]["3"]["message"] == "no"
    assert news["totals"]["failed"] == 1


def test_everybody_hears_of_a_reason_whoever_asked_first(run: Run) -> None:
    before = run.look()
    run.fail(1, "no permission")
    between = run.look()
    one = run.news(before)
    run.request(0)
    run.look()
    other = run.news(before)
    late = run.news(between)
    assert one is not None
    assert other is not None
    assert late is not None
    assert [reason["message"] for reason in one["reasons"]] == ["no permission"]
    assert other["reasons"] == one["reasons"]
    number = other["rows"]["reason"][other["at"].index(1)]
    assert other["reasons"][number]["servers"] == 1


def test_whoever_shows_another_picture_is_told_nothing_of_this_one(run: Run) -> None:
    assert run.news(Revision("0badcafe", 1)) is None


def test_too_much_for_one_event_is_left_out_unless_it_is_the_last(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_state, "MOST_ROWS", 3)
    before = run.look()
    run.request(0, 1, 2, 3)
    run.look()
    assert run.news(before) is None
    assert changed(run.news(before, whole=True)) == [0, 1, 2, 3]


def test_servers_that_are_added_take_the_whole_page(run: Run) -> None:
    before = run.look()
    run.take(run.selected(6))
    run.look()
    assert run.news(before) is None
    assert run.data()[1]["servers"]["name"][-1] == "bms-6"


def test_servers_that_wait_are_told_again_when_the_run_has_ended(run: Run) -> None:
    run.fail(5, "no")
    before = run.look()
    run.take(e.RunEnded(at=AT, reason="stopped"))
    run.alive = False
    run.look()
    news = run.news(before)
    assert changed(news) == [0, 1, 2, 3, 4]
    assert news is not None
    assert news["run"]["state"] == "interrupted"
    assert news["glance"] is None


def test_data_are_shared_while_nothing_has_changed(run: Run) -> None:
    run.look()
    one = run.shown.data(AT, None)
    assert run.shown.data(AT, None) is one
    run.alive = False
    run.look()
    assert run.data()[1]["glance"] is None


def test_data_and_what_follows_them_are_the_run(run: Run) -> None:
    run.request(0, 1)
    run.fail(2, "no")
    run.look()
    has, data = run.data()
    run.fail(1, "no")
    run.fail(0, "another")
    run.look()
    has_now, now = run.data()
    news = run.news(has)
    if news is not None:
        for column, at in enumerate(news["at"]):
            for name, values in news["rows"].items():
                data["servers"][name][at] = values[column]
    assert has_now >= has
    assert data["servers"]["phase"] == [4, 4, 4, 0, 0, 0]
    messages = [reason["message"] for reason in (news or now)["reasons"]]
    told = [messages[number] for number in data["servers"]["reason"][:3]]
    assert told == ["another", "no", "no"]


def test_a_run_that_has_not_begun_shows_nothing() -> None:
    state = RunState()
    shown = PageState(Path("r"), state, Watch(state))
    shown.look(Seen(journaled=JournalHead(0, "0" * 64), series=Follower().series(), alive=True))
    assert not shown.has_begun


@pytest.mark.parametrize("text", ["", "1", "0badcafe", "0badcafe.", "0BADCAFE.1", "0badcafe.-1"])
def test_what_is_no_revision_is_none(text: str) -> None:
    assert revision(text) is None


def test_a_revision_is_read_as_it_is_written() -> None:
    one = Revision("0badcafe", 17)
    assert revision(str(one)) == one
