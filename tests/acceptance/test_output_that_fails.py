"""Output that cannot be written costs one line at most, and never a traceback or exit code 1."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import resource
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from collector.emulator import Fault
from tests.support.command import Service, fleet_of, server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
F_SETPIPE_SZ = 1031
"""Of Linux's `fcntl`."""

COMMANDS = {
    "help": (["--help"], 0),
    "version": (["--version"], 0),
    "collect": (["collect", "--resume", "run", "-q"], 3),
    "collect all": (["collect", "--resume", "all", "-q"], 0),
    "plan": (["plan", "fleet.json", "--json"], 0),
    "verify": (["verify", "collected/run"], 0),
    "verify damaged": (["verify", "collected/odd", "--json"], 6),
    "status": (["status", "collected/run", "-v"], 0),
    "runs": (["runs", "collected"], 0),
    "inventory check": (["inventory", "check", "fleet.json"], 0),
    "inventory show": (["inventory", "show", "fleet.json"], 0),
    "schema": (["schema", "inventory"], 0),
}
"""Commands that send nothing, and the exit code of each."""
REFUSED = {
    "usage": ["collect", "--no-such-option"],
    "no run": ["verify", "nowhere"],
    "inventory": ["inventory", "check", "bad.json"],
}
"""Commands whose words all go to stderr."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    fleet = [server("né"), server("日本"), server("bad", Fault("unknown_id"))]
    with serving(fleet_of(fleet), tmp_path_factory.mktemp("failing")) as found:
        (found.home / "bad.json").write_text("{}")
        assert found.run("collect", "fleet.json", "--run-id", "run").returncode == 3
        assert found.run("collect", "fleet.json", "--run-id", "odd").returncode == 3
        well = ("collect", "fleet.json", "--exclude", "id=id-bad", "--run-id", "all")
        assert found.run(*well).returncode == 0
        (found.out / "odd" / "né").write_text("a stranger")
        yield found


@contextlib.contextmanager
def failing(kind: str) -> Iterator[int]:
    """Open what a stream may lead to that takes nothing."""
    with contextlib.ExitStack() as opened:
        if kind == "full":
            number = os.open("/dev/full", os.O_WRONLY)
        elif kind == "not for writing":
            number = os.open(os.devnull, os.O_RDONLY)
        elif kind == "a pipe that is closed":
            reading, number = os.pipe()
            os.close(reading)
        else:
            assert kind == "a terminal that is closed"
            ours, number = pty.openpty()
            os.close(ours)
        opened.callback(os.close, number)
        yield number


def ended(
    service: Service, arguments: list[str], stream: str, to: int, **variables: str
) -> tuple[int, str, str]:
    """Run a command with one of its streams led elsewhere."""
    streams: dict[str, Any] = {stream: to}
    done = service.run(*arguments, **streams, env=service.environment(**variables))
    return done.returncode, done.stdout or "", done.stderr or ""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_result_that_cannot_be_written_is_said_in_one_line(service: Service, name: str) -> None:
    arguments, code = COMMANDS[name]
    with failing("full") as full:
        found, _, err = ended(service, arguments, "stdout", full)
    assert err == "collector: cannot write the result to stdout: No space left on device\n"
    assert found == (code if arguments[0] == "collect" and "--resume" in arguments else code or 2)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_result_that_nobody_reads_changes_nothing(service: Service, name: str) -> None:
    arguments, code = COMMANDS[name]
    with failing("a pipe that is closed") as closed:
        assert ended(service, arguments, "stdout", closed) == (code, "", "")


@pytest.mark.parametrize("name", ["collect", "verify", "help"])
@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("not for writing", "collector: cannot write the result to stdout: Bad file descriptor\n"),
        ("a terminal that is closed", ""),
    ],
)
def test_only_a_reader_that_has_gone_is_no_trouble(
    service: Service, name: str, kind: str, line: str
) -> None:
    arguments, code = COMMANDS[name]
    with failing(kind) as to:
        assert ended(service, arguments, "stdout", to) == (code or (2 if line else 0), "", line)


def test_a_result_over_the_limit_on_the_size_of_files_is_said(
    service: Service, tmp_path: Path
) -> None:
    limits = {resource.RLIMIT_FSIZE: (10, 10)}
    with (tmp_path / "result").open("w") as result:
        done = service.run("runs", "collected", stdout=result, limits=limits)
    assert done.returncode == 2
    assert done.stderr == "collector: cannot write the result to stdout: File too large\n"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("usage", "full"), ("usage", "a pipe that is closed"), ("no run", "not for writing"),
     ("no run", "a pipe that is closed"), ("inventory", "a terminal that is closed"),
     ("inventory", "full")],
)  # fmt: skip
def test_words_that_cannot_be_written_change_no_exit_code(
    service: Service, name: str, kind: str
) -> None:
    with failing(kind) as to:
        assert ended(service, REFUSED[name], "stderr", to) == (2, "", "")


def test_a_collect_goes_on_where_its_words_cannot_be_written(service: Service) -> None:
    with failing("full") as full:
        found, out, _ = ended(service, ["collect", "fleet.json", "-vv", "--json"], "stderr", full)
    assert found == 3
    assert json.loads(out)["totals"]["collected"] == 2


def test_both_streams_may_fail(service: Service) -> None:
    with failing("full") as full:
        for name in ("collect", "verify", "version"):
            arguments, code = COMMANDS[name]
            done = service.run(*arguments, stdout=full, stderr=full)
            assert done.returncode == (code or 2), name


def test_an_emulator_whose_lines_cannot_be_written_serves_until_it_is_stopped(
    service: Service,
) -> None:
    arguments = ["emulator", "--listen", "127.0.0.1:0", "--servers", "1", "--json"]
    file = service.home / "emulated.json"
    with (
        failing("full") as full,
        service.start(*arguments, "--inventory", str(file), stdout=full) as process,
    ):
        while not file.exists():
            time.sleep(0.01)
            assert process.poll() is None
        time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate()
    assert err == "collector: cannot write the result to stdout: No space left on device\n"
    assert process.returncode == 2


@pytest.mark.parametrize(
    ("name", "encoding"),
    [*((name, "ascii") for name in COMMANDS), ("inventory show", "latin-1")],
)
def test_what_an_encoding_lacks_is_written_as_an_escape(
    service: Service, name: str, encoding: str
) -> None:
    arguments, code = COMMANDS[name]
    variables = {"PYTHONIOENCODING": encoding}
    done = service.run(*arguments, env=service.environment(**variables), encoding=encoding)
    assert (done.returncode, done.stderr) == (code, "")
    if "fleet.json" in arguments and "show" in arguments:
        assert r"\u65e5\u672c" in done.stdout
        assert ("né" if encoding == "latin-1" else r"n\u00e9") in done.stdout


def test_a_locale_without_utf_8_loses_no_name(service: Service) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    arguments = ("inventory", "show", "fleet.json")
    done = service.run(*arguments, env=service.environment(**plain), encoding="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert r"bms-\u65e5\u672c" in done.stdout
    as_json = service.run(*arguments, "--json", env=service.environment(**plain)).stdout
    assert json.loads(as_json) == json.loads(service.run(*arguments, "--json").stdout)
    refused = service.run("runs", "né", env=service.environment(**plain), encoding="ascii")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


@pytest.fixture(scope="module")
def large(service: Service) -> list[str]:
    """A command that prints more than any pipe holds."""
    inventory = service.emulator.inventory()
    rows = [{"id": f"id-{number}", "name": "n" * 200} for number in range(2000)]
    inventory["projects"][0]["servers"] = rows
    (service.home / "large.json").write_text(json.dumps(inventory))
    return ["inventory", "show", "large.json", "--json"]


def test_a_fifo_takes_all_of_a_result(service: Service, large: list[str], tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with (
        subprocess.Popen(["/bin/cat", str(fifo)], stdout=subprocess.PIPE) as reader,
        fifo.open("w") as writing,
        service.start(*large, stdout=writing) as process,
    ):
        writing.close()
        out, _ = reader.communicate()
        _, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert len(json.loads(out)["projects"][0]["servers"]) == 2000


@pytest.mark.parametrize("blocking", [True, False])
def test_a_reader_may_be_slow_or_leave_half_way(
    service: Service, large: list[str], *, blocking: bool
) -> None:
    whole = service.run(*large).stdout
    for most in (len(whole) + 1, 1000):
        reading, writing = os.pipe()
        os.set_blocking(writing, blocking)
        with service.start(*large, stdout=writing) as process, os.fdopen(reading) as reader:
            os.close(writing)
            time.sleep(0.05)
            assert reader.read(most) == whole[:most]
            reader.close()
            _, err = process.communicate()
        assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize("progress", ["live", "plain"])
def test_a_run_does_not_wait_for_a_terminal_that_is_halted(service: Service, progress: str) -> None:
    ours, theirs = pty.openpty()
    arguments = ["collect", "fleet.json", "-vv", "--progress", progress, "--json"]
    code, out, _ = ended(service, arguments, "stderr", theirs, TERM="xterm")
    os.close(theirs)
    assert code == 3
    assert json.loads(out)["run"]["state"] == "partial"
    assert os.read(ours, 100)
    os.close(ours)


def test_a_run_does_not_wait_for_a_reader_that_does_not_read(service: Service) -> None:
    """Its words fill a pipe of one page at once; that some are missing is said there later."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, F_SETPIPE_SZ, 4096)
    arguments = ["collect", "fleet.json", "-vv", "--log-format", "json", "--json"]
    code, out, _ = ended(service, arguments, "stderr", writing)
    os.close(writing)
    assert code == 3
    assert json.loads(out)["run"]["state"] == "partial"
    with os.fdopen(reading) as reader:
        lines = reader.read().splitlines()
    assert lines[0].startswith('{"event": "Run ')
    assert not any("run ended" in line for line in lines)
