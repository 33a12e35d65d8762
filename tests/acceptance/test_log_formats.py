"""What goes to stderr: quiet where it is to be, without colours, plain, or all of it as JSON."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

from collector.emulator import Fault
from tests.support.command import Service, fleet_of, server, serving
from tests.support.terminal import on_terminal, screen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COLOUR = re.compile(rb"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A fleet, a run of it with an archive lost, and one whose journal is damaged."""
    fleet = [server(1), server("bad", Fault("unknown_id")), server("slow", export_duration_s=3600)]
    with serving(fleet_of(fleet), tmp_path_factory.mktemp("formats")) as found:
        ended = found.run("collect", "fleet.json", "--exclude", "id=id-slow", "--run-id", "run")
        assert ended.returncode == 3
        ended = found.run("collect", "fleet.json", "--select", "id=id-1", "--run-id", "torn")
        assert ended.returncode == 0
        journal = found.out / "torn" / "journal.jsonl"
        journal.write_bytes(journal.read_bytes().replace(b"ArchiveStored", b"ArchiveSt\x1b[31m"))
        yield found


def objects(text: str) -> list[dict[str, Any]]:
    """Every line as JSON, each saying what a log line says at least."""
    lines = [json.loads(line) for line in text.splitlines()]
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    return lines


def lose_the_archive(service: Service) -> None:
    """Let a resume have something to say, and something to do."""
    (archive,) = (service.out / "run" / "fleet" / "bms-1").iterdir()
    archive.unlink()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["collect", "fleet.json", "--deadline", "1s", "-vv", "--progress", "plain"], 3),
        (["collect", "fleet.json", "--deadline", "1s", "--progress", "live"], 3),
        (["collect", "--resume", "run"], 3),
        (["status", "collected/torn"], 0),
        (["collect", "--resume", "torn", "-v"], 0),
        (["verify", "nowhere"], 2),
        (["inventory", "check", "nowhere\n.yaml"], 2),
        (["collect", "fleet.json", "--select", "colour=red", "--select", "x=y"], 2),
        (["collect", "fleet.json", "--no-such-option"], 2),
        (["collect", "fleet.json", "--deadline", "soon"], 2),
        (["schema"], 2),
        (["inventory"], 2),
        (["collect"], 2),
    ],
    ids=lambda value: ascii(" ".join(value))[1:40] if isinstance(value, list) else None,
)
def test_every_line_is_an_object_where_json_is_asked_for(
    service: Service, arguments: list[str], code: int
) -> None:
    if "run" in arguments:
        lose_the_archive(service)
    ended = service.run(*arguments, "--log-format", "json")
    assert ended.returncode == code, ended.stderr
    lines = objects(ended.stderr)
    assert lines
    if code == 2:
        assert {line["level"] for line in lines} <= {"error", "warning"}
    if "--deadline" in arguments and code == 3:
        last = [line for line in lines if line["event"] == "progress"][-1]
        assert (last["servers"], last["collected"], last["failed"]) == (3, 1, 1)


def test_a_terminal_is_shown_objects_alone_where_json_is_asked_for(service: Service) -> None:
    arguments = ("collect", "fleet.json", "--deadline", "1s", "--log-format=json", "-v")
    code, written = on_terminal(service, *arguments)
    assert code == 3
    assert b"\x1b" not in written
    assert "archive stored and verified" in {one["event"] for one in objects(written.decode())}


def test_a_warning_of_python_is_an_object_too(service: Service, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, warnings\natexit.register(warnings.warn, 'odd\\x1b[31m')\n"
    )
    env = service.environment(PYTHONPATH=str(tmp_path))
    ended = service.run("status", "collected/run", "--log-format", "json", env=env)
    assert any("odd\x1b[31m" in line["event"] for line in objects(ended.stderr))
    assert "\x1b" not in ended.stderr


def test_a_bug_is_one_object_with_its_trace(service: Service, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os\nos.scandir = None\n")
    env = service.environment(PYTHONPATH=str(tmp_path))
    ended = service.run("runs", "collected", "--log-format", "json", env=env)
    assert ended.returncode == 1
    (told,) = objects(ended.stderr)
    assert told["exception"].startswith("Traceback")
    plain = service.run("runs", "collected", env=env)
    assert plain.returncode == 1
    assert plain.stderr.startswith("Traceback")


@pytest.mark.parametrize("options", [["--log-format", "json"], ["-q"], []])
def test_a_stop_is_told_as_everything_else_is(service: Service, options: list[str]) -> None:
    arguments = ["collect", "fleet.json", "--select", "id=id-slow", "--reuse-exports", "0"]
    started = service.emulator.statistics()["exports"]["started"]
    with service.start(*arguments, *options) as process:
        while service.emulator.statistics()["exports"]["started"] == started:
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate()
    assert process.returncode == 143
    if options == ["-q"]:
        assert err == ""
    elif options:
        assert any("topping" in line["event"] for line in objects(err))
    else:
        assert "topping" in err


@pytest.mark.parametrize("form", ["console", "json"])
def test_an_export_that_is_used_again_is_told(service: Service, form: str) -> None:
    """A field of that event is called as one that each line has: `run`."""
    arguments = ["collect", "fleet.json", "--select", "id=id-slow", "--deadline", "1s"]
    assert service.run(*arguments, "--run-id", f"first-{form}").returncode == 4
    ended = service.run(*arguments, "-v", "--log-format", form)
    assert ended.returncode == 4, ended.stderr
    assert "using an export that another run started" in ended.stderr
    assert ("of_run" in ended.stderr) == (form == "json")


def test_quiet_leaves_errors_and_the_result(service: Service) -> None:
    lose_the_archive(service)
    ended = service.run("collect", "--resume", "run", "-q", "--progress", "auto")
    assert ended.stderr == ""
    assert "1 of 2 servers" in ended.stdout
    refused = service.run("collect", "--resume", "nowhere", "-q")
    assert refused.returncode == 2
    assert "nowhere" in refused.stderr


def test_progress_that_is_asked_for_is_shown_however_quiet(service: Service) -> None:
    arguments = ("collect", "fleet.json", "--exclude", "id=id-slow", "-q", "--progress", "plain")
    (line,) = service.run(*arguments).stderr.splitlines()
    assert "1 of 2 collected" in line


@pytest.mark.parametrize(
    ("variables", "live", "colours"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"TERM": "xterm", "NO_COLOR": "0", "COLORTERM": "truecolor"}, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": ""}, False, False),
    ],
)
@pytest.mark.parametrize("progress", ["auto", "live"])
def test_a_terminal_is_drawn_on_and_coloured_as_its_user_wants(
    service: Service, progress: str, variables: dict[str, str], *, live: bool, colours: bool
) -> None:
    arguments = ("collect", "fleet.json", "--exclude", "id=id-slow", "-v", "--progress", progress)
    code, written = on_terminal(service, *arguments, variables=variables)
    assert code == 3
    assert (b"\x1b[?7l" in written) == live
    assert bool(COLOUR.search(written)) == colours
    assert b"\x1b" not in written or live


@pytest.mark.parametrize("columns", ["20", "80"])
def test_a_narrow_terminal_gets_its_display(service: Service, columns: str) -> None:
    arguments = ("collect", "fleet.json", "--exclude", "id=id-slow")
    code, written = on_terminal(service, *arguments, variables={"COLUMNS": columns})
    assert code == 3
    begun = written.partition(b"\x1b[?7l")[2]  # the first line is broken by the terminal
    assert max(map(len, screen(begun)[:-1])) <= int(columns)
