"""Odd environments: what is set, unset, gone or scarce where the command is run."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from collector import verify
from tests.support.altered import altered
from tests.support.command import COLLECTOR, Command, Service, fleet_of, server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ODD = os.fsdecode(b"o\xffut")
QUIETLY = ("--progress", "none", "--json")
NO_UTF8 = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
NOBODY = """
    import pwd

    def getpwuid(number):
        raise KeyError(number)

    pwd.getpwuid = getpwuid
"""
NO_HOST = """
    import socket

    def gethostname():
        raise OSError(38, "Function not implemented")

    socket.gethostname = gethostname
"""
ODD_HOST = """
    import socket

    socket.gethostname = lambda: "h\\udcff\\x1b[31m\\n"
"""
NO_PROC = """
    import builtins, io, os

    opened, listed = io.open, os.listdir

    def refused(path):
        if str(path).startswith("/proc"):
            raise FileNotFoundError(2, "No such file or directory", path)

    def open(path, *arguments, **options):
        refused(path)
        return opened(path, *arguments, **options)

    def listdir(path="."):
        refused(path)
        return listed(path)

    io.open = builtins.open = open
    os.listdir = listdir
"""
NO_MEMORY = """
    import sys

    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == {module!r}:
                raise {error}

    sys.meta_path.insert(0, Finder())
"""
CLOCK = """
    import datetime, time

    real, began = time.time, time.time()
    time.time = lambda: {then} + real() - began

    class Moment(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(time.time(), tz)

    datetime.datetime = Moment
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    fleet = [server(0), server("数据库")]
    with serving(fleet_of(fleet), tmp_path_factory.mktemp("odd")) as found:
        yield found


def collected(service: Service, out: Path, env: Mapping[str, str], **options: Any) -> str:  # noqa: ANN401  # Popen's own
    """Collect all of it into a directory, and verify it from here; return stderr."""
    ended = service.run(
        "collect", "fleet.json", "--out", str(out), *QUIETLY,
        env={name: value for name, value in env.items() if value is not UNSET}, **options,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["totals"]["collected"] == 2
    assert verify(out / "latest").ok
    return ended.stderr


UNSET = "(unset)"


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        pytest.param({"HOME": UNSET, "XDG_STATE_HOME": UNSET}, NOBODY, id="nobody, and no home"),
        pytest.param({"HOME": "/dev/null/home", "XDG_STATE_HOME": UNSET}, "", id="home is missing"),
        pytest.param({"HOME": "", "XDG_STATE_HOME": "/proc/none"}, "", id="state is unwritable"),
        pytest.param(
            {"XDG_STATE_HOME": ODD, "TMPDIR": "/dev/null/tmp"}, "", id="state is relative"
        ),
        pytest.param({"USER": ODD, "LOGNAME": f"{ODD}\n\x1b", "TZ": f":{ODD}"}, "", id="odd names"),
        pytest.param({}, NO_HOST, id="no name of the machine"),
        pytest.param({}, ODD_HOST, id="an odd name of the machine"),
        pytest.param({}, NO_PROC, id="no /proc"),
        pytest.param({}, CLOCK.format(then=100), id="1970"),
        pytest.param({}, CLOCK.format(then=4_120_000_000), id="2100"),
    ],
)
def test_all_is_collected_without_a_word_wherever_it_is_run(
    service: Service, tmp_path: Path, variables: dict[str, str], code: str
) -> None:
    before = sorted(service.home.iterdir())
    variables = {"XDG_STATE_HOME": str(tmp_path / "state"), **variables}
    env = service.environment(**altered(tmp_path, code), **variables)
    assert collected(service, tmp_path / "out", env) == ""
    assert sorted(service.home.iterdir()) == before


@pytest.mark.parametrize("umask", [0o777, 0])
def test_umask_makes_no_difference(service: Service, tmp_path: Path, umask: int) -> None:
    out = tmp_path / "out"
    env = service.environment()
    assert collected(service, out, env, umask=umask) == ""
    assert {path.stat().st_mode & 0o777 for path in out.rglob("*") if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in out.rglob("*") if path.is_dir()} == {0o700}


def test_names_are_utf8_on_the_disk_whatever_the_locale(service: Service, tmp_path: Path) -> None:
    out = tmp_path / ODD
    env = service.environment(**NO_UTF8)
    env.pop("PYTHONIOENCODING", None)
    assert collected(service, out, env) == ""
    names = [os.fsencode(path.name) for path in (out / "latest" / "fleet").iterdir()]
    assert "bms-数据库".encode() in names
    assert service.run("verify", str(out / "latest"), env=env).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("collect", "--resume", f"{ODD}/latest"),
        ("verify", f"{ODD}/latest"),
        ("status", f"{ODD}/latest", "-v"),
        ("runs", ODD),
        ("plan", "fleet.json", "--out", ODD),
    ],
)
def test_path_of_odd_bytes_is_a_path(service: Service, arguments: tuple[str, ...]) -> None:
    env = service.environment(PYTHONIOENCODING="utf-8:strict")  # as in most locales
    if not (service.home / ODD).exists():
        collected(service, service.home / ODD, env)
    ended = service.run(*arguments, env=env)
    assert ended.returncode == 0, ended.stderr
    assert ODD not in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("collect", "fleet.json"), 2, "fleet.json:1:1: cannot read the inventory"),
        (("collect", "{home}/fleet.json"), 2, "collector: cannot create a run directory in"),
        (("collect", "{home}/fleet.json", "--out", "{home}/out", *QUIETLY), 0, ""),
        (("plan", "{home}/fleet.json", "--json"), 0, ""),
        (("status", "{home}/out/latest"), 0, ""),
        (("verify", "{home}/out/latest"), 0, ""),
    ],
)
def test_current_directory_may_be_gone(
    service: Service, arguments: tuple[str, ...], code: int, told: str
) -> None:
    (service.home / "gone").mkdir()
    ended = subprocess.run(
        [
            "/bin/sh", "-c", 'cd gone && rmdir ../gone && exec "$0" "$@"', COLLECTOR,
            *(argument.format(home=service.home) for argument in arguments),
        ],
        cwd=service.home, env=service.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == code, ended.stderr
    assert ended.stderr.startswith(told)
    assert ended.stderr.count("\n") == bool(told)


@pytest.mark.parametrize("arguments", [("collect", "fleet.json"), ("demo",), ("emulator",)])
def test_file_of_tls_keys_that_cannot_be_written_is_told_in_one_line(
    service: Service, arguments: tuple[str, ...]
) -> None:
    before = sorted(service.out.glob("*"))
    ended = service.run(*arguments, env=service.environment(SSLKEYLOGFILE="/dev/null/keys"))
    assert ended.returncode == 2
    assert ended.stderr.startswith("collector: cannot set up TLS: /dev/null/keys")
    assert ended.stderr.count("\n") == 1
    assert sorted(service.out.glob("*")) == before


@pytest.mark.parametrize("path", ["a" * 300, "/".join(["b" * 200] * 30)], ids=["name", "path"])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("verify",), 2),
        (("status",), 2),
        (("collect", "--resume"), 2),
        (("collect", "--resume", "latest", "--out"), 2),
        (("plan", "fleet.json", "--json", "--out"), 0),
    ],
)
def test_path_that_is_too_long_is_told_in_one_line(
    service: Service, arguments: tuple[str, ...], code: int, path: str
) -> None:
    ended = service.run(*arguments, path)
    assert ended.returncode == code, ended.stderr
    assert ended.stderr.count("\n") == (code > 0)


def test_home_that_nobody_knows_has_no_token(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text(
        "version: 1\ncredentials: {ops: {kind: token, token_file: ~/token}}\n"
        "projects:\n  - {id: p1, credentials: ops, endpoint: 'http://127.0.0.1:9', "
        "servers: [{id: s1}]}\n"
    )
    command = Command(tmp_path, "")
    env = command.environment(**altered(tmp_path, NOBODY))
    del env["HOME"]
    ended = command.run("collect", "fleet.yaml", env=env)
    assert ended.returncode == 2
    assert "the file named by token_file does not exist" in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "module", ["collector.inventory.loading", "collector.providers.clouddc.client"]
)
@pytest.mark.parametrize("error", ["MemoryError", "ImportError"])
def test_lack_of_memory_is_told_in_one_line_before_a_run_and_in_it(
    service: Service, tmp_path: Path, module: str, error: str
) -> None:
    env = service.environment(**altered(tmp_path, NO_MEMORY.format(error=error, module=module)))
    ended = service.run("collect", "fleet.json", "--out", str(tmp_path / "out"), *QUIETLY, env=env)
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith("collector: ")
    assert "memory" in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "limit", "most", "told"),
    [
        (("collect", "fleet.json"), resource.RLIMIT_NOFILE, 6, "18 are needed: raise the limit"),
        (("demo",), resource.RLIMIT_NOFILE, 16, "18 are needed: raise the limit with ulimit -n"),
        (("collect", "fleet.json"), resource.RLIMIT_FSIZE, 100, "File too large"),
    ],
)
def test_what_is_scarce_is_told_in_one_line(
    service: Service, tmp_path: Path, arguments: tuple[str, ...], limit: int, most: int, told: str
) -> None:
    ended = service.run(
        *arguments, "--out", str(tmp_path / "out"), *QUIETLY,
        preexec_fn=partial(resource.setrlimit, limit, (most, most)),
    )  # fmt: skip
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith("collector: ")
    assert told in ended.stderr
    assert ended.stderr.count("\n") == 1
