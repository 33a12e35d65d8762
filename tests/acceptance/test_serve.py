"""`collector serve`: the runs under a directory as web pages."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from collector.rundir.following import Following
from tests.support import command
from tests.support.command import fleet_of, servers
from tests.support.onlooking import ask, looking_on, told, until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

RUNS = Path(__file__).parent.parent / "fixtures" / "runs"


@contextmanager
def serving(
    home: Path, *arguments: str, listen: str = "127.0.0.1:0", **variables: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, and the URL of its list."""
    process = command.start(
        "serve", *arguments, "--listen", listen, cwd=home, env=command.environment(**variables)
    )
    try:
        yield process, told(process).url
    finally:
        process.kill()
        process.communicate()


def listed(url: str) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = ask(url, "runs").json["runs"]
    return runs


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An output directory with a run that is finished, one that was killed and a damaged one."""
    shutil.copytree(RUNS, tmp_path / "collected")
    return tmp_path / "collected"


def test_runs_are_listed_the_latest_first(out: Path) -> None:
    with serving(out.parent) as (_, url):
        runs = listed(url)
        assert [(run["name"], run["state"]) for run in runs] == [
            ("damaged", "interrupted"),
            ("killed", "interrupted"),
            ("finished", "partial"),
        ]
        totals = runs[-1]["totals"]
        assert (totals["collected"], totals["failed"], totals["pending"]) == (4, 1, 0)
        assert runs[-1]["finished_at"] > runs[-1]["started_at"]
        assert ask(url, "healthz").json == {"runs": 3, "running": 0}
        assert b"<title>Runs</title>" in ask(url).body


@pytest.mark.parametrize(
    ("name", "state", "collected"),
    [("finished", "partial", 4), ("killed", "interrupted", 2), ("damaged", "interrupted", 1)],
)
def test_each_run_has_its_page(out: Path, name: str, state: str, collected: int) -> None:
    with serving(out.parent) as (_, url):
        page = ask(url, f"runs/{name}/")
        assert page.status == 200
        assert b"&quot;stop&quot;:null" in page.body
        data = ask(url, f"runs/{name}/data").json
        assert (data["run"]["state"], data["totals"]["collected"]) == (state, collected)
        assert data["glance"] is None
        assert ask(url, f"runs/{name}/healthz").json["state"] == state


def test_a_finished_run_has_nothing_more_to_tell(out: Path) -> None:
    with serving(out.parent) as (_, url):
        etag = ask(url, "runs/finished/data").headers["etag"].strip('"')
        with looking_on(url, f"runs/finished/events?after={etag}") as stream:
            assert [event.name for event in stream] == ["ended"]


def test_nobody_can_change_anything(out: Path) -> None:
    with serving(out.parent) as (process, url):
        for path in ("", "runs", "runs/killed/", "runs/killed/stop", "healthz"):
            answer = ask(url, path, "POST", {"X-Collector": "stop"})
            assert answer.status == 405
        assert ask(url, "runs/killed/stop").status == 404
        assert process.poll() is None


def test_nothing_but_runs_is_served(out: Path) -> None:
    (out / "no-run").mkdir()
    (out.parent / "outside").mkdir()
    (out.parent / "outside" / "journal.jsonl").write_bytes(
        (RUNS / "finished" / "journal.jsonl").read_bytes()
    )
    (out / "link").symlink_to(out.parent / "outside")
    with serving(out.parent) as (_, url):
        assert len(listed(url)) == 3
        for path in (
            "/runs/no-run/",
            "/runs/link/",
            "/runs/../outside/",
            "/runs/..%2foutside/",
            "/runs/%2e%2e/",
            "/runs/./",
            "/runs//",
            "/runs/finished",
            "/runs/finished/manifest.json",
            "/runs/finished/../killed/data",
            "/runs/finished%00/",
            "/runs/finished/data/",
            "/finished/",
        ):
            assert ask(url, path).status in (400, 404), path


def test_a_directory_that_has_no_run_yet_shows_the_first_when_it_begins(tmp_path: Path) -> None:
    fleet = fleet_of(servers(2), export_duration_s=0.1)
    with command.serving(fleet, tmp_path) as service, serving(tmp_path) as (_, url):
        nothing = ask(url, "runs").json
        assert nothing["runs"] == []
        assert "cannot list the runs under collected" in nothing["problem"]
        assert service.run("collect", "fleet.json").returncode == 0
        until(lambda: [run["state"] for run in listed(url)] == ["complete"])


def test_a_run_that_goes_on_is_shown_live_to_its_end(tmp_path: Path) -> None:
    with command.serving(fleet_of(servers(3), export_duration_s=4.0), tmp_path) as service:
        collect = service.start("collect", "fleet.json", "--run-id", "tonight")
        with collect, serving(tmp_path) as (_, url):
            until(lambda: [run["state"] for run in listed(url)] == ["running"])
            data = ask(url, "runs/tonight/data")
            assert data.json["run"]["state"] == "running"
            assert data.json["glance"]["counts"]["servers"] == 3
            etag = data.headers["etag"].strip('"')
            with looking_on(url, f"runs/tonight/events?after={etag}") as stream:
                events = list(stream)
            assert {event.name for event in events[:-1]} <= {"delta"}
            last = events[-1]
            assert (last.name, last.data["run"]["state"]) == ("ended", "complete")
            assert sum(last.data["series"]["collected"]) == 3
            collect.communicate()


def test_a_run_that_is_killed_and_resumed_is_followed_all_along(tmp_path: Path) -> None:
    with command.serving(fleet_of(servers(3), export_duration_s=4.0), tmp_path) as service:
        collect = service.start("collect", "fleet.json", "--run-id", "tonight")
        with serving(tmp_path) as (_, url):
            service.wait_for_export("id-2")
            until(lambda: ask(url, "runs/tonight/healthz").status == 200)
            etag = ask(url, "runs/tonight/data").headers["etag"].strip('"')
            with looking_on(url, f"runs/tonight/events?after={etag}") as stream:
                collect.send_signal(signal.SIGKILL)
                collect.communicate()
                states = []
                resumed = None
                for event in stream:
                    assert event.name in ("delta", "ended")
                    states.append(event.data["run"]["state"])
                    if states[-1] == "interrupted" and resumed is None:
                        resumed = service.start("collect", "--resume", "latest")
            assert resumed is not None
            resumed.communicate()
        assert states[-1] == "complete"
        assert "interrupted" in states


def test_a_run_that_is_removed_is_no_longer_listed(out: Path) -> None:
    with serving(out.parent) as (_, url):
        assert ask(url, "runs/killed/data").status == 200
        shutil.rmtree(out / "killed")
        until(lambda: len(listed(url)) == 2)
        until(lambda: ask(url, "runs/killed/data").status in (200, 404, 409))


def test_what_cannot_be_read_is_listed_as_that(out: Path) -> None:
    (out / "junk").mkdir()
    (out / "junk" / "journal.jsonl").write_bytes(b"junk\n")
    (out / "pipe").mkdir()
    os.mkfifo(out / "pipe" / "journal.jsonl")
    (out / "empty").mkdir()
    (out / "empty" / "journal.jsonl").touch()
    with serving(out.parent) as (_, url):
        unreadable = {run["name"] for run in listed(url) if run["totals"] is None}
        assert unreadable == {"junk", "pipe", "empty"}
        for name in unreadable:
            for path in ("data", "healthz", "events"):
                answer = ask(url, f"runs/{name}/{path}")
                assert answer.status == 409
                assert b"This run cannot be shown: " in answer.body
        assert ask(url, "runs/finished/data").status == 200


@pytest.mark.parametrize(
    "name",
    [
        b"<script>alert(1)<b>",
        b"\x1b[31mred",
        "\u202egnp.exe".encode(),
        b"\xff\xfe",
        b"a b&c=d;%2e?#",
        b"'\"\\",
        b"n" * 255,
    ],
)
def test_a_hostile_name_is_inert_and_leads_to_its_run(out: Path, name: bytes) -> None:
    os.rename(out / "finished", os.path.join(os.fsencode(out), name))  # noqa: PTH104, PTH118  # bytes
    with serving(out.parent) as (_, url):
        run = listed(url)[-1]
        assert run["name"].isprintable()
        assert "\u202e" not in run["name"]
        assert ask(url, f"{run['url']}healthz").json["run"] == "finished"
        data = ask(url, f"{run['url']}data")
        assert data.json["directory"].isprintable()


def test_another_origin_and_another_host_are_refused(out: Path) -> None:
    with serving(out.parent) as (_, url):
        for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
            for path in ("", "runs", "runs/finished/data"):
                assert ask(url, path, headers=headers).status == 403


def test_from_another_address_the_token_is_wanted(out: Path) -> None:
    secret = "a-token-from-the-environment"  # not one
    with serving(out.parent, listen="0.0.0.0:0", COLLECTOR_SERVE_TOKEN=secret) as (_, url):
        for path in ("", "runs", "runs/finished/", "runs/finished/data"):
            assert ask(url, path).status == 401
        kept = ask(url, f"runs/finished/?token={secret}")
        assert (kept.status, kept.headers["location"]) == (303, "./")
        cookie = kept.headers["set-cookie"].split(";")[0]
        assert ask(url, "runs/finished/data", headers={"Cookie": cookie}).status == 200


def test_an_address_that_is_taken_is_an_error(out: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        refused = command.run("serve", "--listen", address, cwd=out.parent)
    assert refused.returncode == 2
    assert "another program listens there" in refused.stderr


@pytest.mark.parametrize("received", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_while_somebody_looks_on(out: Path, received: signal.Signals) -> None:
    with serving(out.parent) as (process, url), looking_on(url, "runs/killed/events"):
        process.send_signal(received)
        out_, err = process.communicate(timeout=60)
        assert (process.returncode, out_, err) == (0, "", "")


def test_no_more_runs_are_open_than_may_be(out: Path) -> None:
    for number in range(12):
        shutil.copytree(out / "killed", out / f"killed-{number}")
    with serving(out.parent) as (_, url):
        for number in range(12):
            assert ask(url, f"runs/killed-{number}/data").status == 200


def test_a_run_is_open_once_however_its_name_is_written(out: Path) -> None:
    with serving(out.parent) as (_, url):
        names = ("finished", "%66inished", "finishe%64")
        stages = {ask(url, f"runs/{name}/data").headers["etag"] for name in names}
        assert len(stages) == 1


def test_many_look_at_a_run_at_once(out: Path) -> None:
    answers: list[int] = []
    with serving(out.parent) as (_, url):
        look = [
            threading.Thread(target=lambda: answers.append(ask(url, "runs/finished/data").status))
            for _ in range(40)
        ]
        for one in look:
            one.start()
        for one in look:
            one.join()
    assert answers == [200] * 40


def test_looking_changes_nothing_on_disk(out: Path) -> None:
    before = {path: path.lstat().st_mtime_ns for path in sorted(out.rglob("*"))}
    with serving(out.parent) as (_, url):
        for run in listed(url):
            ask(url, f"{run['url']}data")
    assert {path: path.lstat().st_mtime_ns for path in sorted(out.rglob("*"))} == before
    with Following(out / "killed") as following:
        following.poll()
        assert not following.alive
