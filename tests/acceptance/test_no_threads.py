"""A system that starts no more threads: it takes longer, or ends in words."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import tempfile
import urllib.request
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.altered import altered
from tests.support.command import COLLECTOR, Service, fleet_of, server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

WARNING = "the system allows no more threads"
LAST = """
    import threading

    left = {}

    def starting(name):
        real = getattr(threading, name)

        def start(*arguments, **options):
            global left
            if not left:
                raise RuntimeError("can't start new thread")
            left -= 1
            return real(*arguments, **options)

        setattr(threading, name, start)

    for name in ("_start_new_thread", "_start_joinable_thread"):
        if hasattr(threading, name):
            starting(name)
"""
"""Python's threads; those of libraries are not started this way."""
NOBODY = "54321"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    fleet = [server(number, archive_bytes=1_000_000 if number % 2 else 1000) for number in range(6)]
    with serving(fleet_of(fleet), tmp_path_factory.mktemp("threads")) as found:
        file = found.home / "fleet.json"
        file.write_text(file.read_text().replace("127.0.0.1", "localhost"))  # to be looked up
        file.chmod(0o644)
        found.home.chmod(0o755)
        yield found


def assert_collected(service: Service, out: Path, env: dict[str, str], **options: Any) -> int:  # noqa: ANN401  # Popen's own
    """All is collected and verified; return how often it was said that threads are few."""
    ended = service.run(
        "collect", "fleet.json", "--out", str(out), "--reuse-exports", "0", "--json",
        "--progress", "none", env=env, **options,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["totals"]["collected"] == 6
    told = service.run("verify", str(out / "latest"), "--json", env=env, **options)
    assert json.loads(told.stdout)["ok"], told.stdout
    assert told.stderr == ""
    assert ended.stderr.count("\n") == ended.stderr.count(WARNING)
    return ended.stderr.count(WARNING)


@pytest.mark.parametrize(
    "left", [0, 1, 3, *(pytest.param(left, marks=pytest.mark.deep) for left in (2, 5, 8))]
)
def test_all_is_collected_with_the_threads_that_there_are(
    service: Service, tmp_path: Path, left: int
) -> None:
    env = service.environment(**altered(tmp_path, LAST.format(left)))
    warnings = assert_collected(service, tmp_path / "out", env)
    assert warnings <= 1
    assert warnings == 1 or left > 1


def limited(home: Path, threads: int) -> dict[str, Any]:
    """Return the options under which the command may have a few threads: root always may."""
    if os.geteuid():
        limit = partial(resource.setrlimit, resource.RLIMIT_NPROC, (threads, threads))
        return {"preexec_fn": limit}
    if shutil.which("setpriv") is None or shutil.which("prlimit") is None:
        pytest.skip("no limit holds for root")
    script = home / "limited"
    script.write_text(
        "#!/bin/sh\n"
        f"exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups "
        "--inh-caps +dac_read_search --ambient-caps +dac_read_search -- "  # to where Python is
        f'prlimit --nproc={threads} -- {COLLECTOR} "$@"\n'
    )
    script.chmod(0o755)
    return {"executable": str(script)}


@pytest.mark.parametrize("threads", [1, 3])
def test_no_library_starts_a_thread_that_the_user_may_not_have(
    service: Service, tmp_path: Path, threads: int
) -> None:
    options = limited(tmp_path, threads)
    with tempfile.TemporaryDirectory() as name:  # where anybody may go
        out = Path(name)
        out.chmod(0o777)
        env = service.environment(XDG_STATE_HOME=name, HOME=name)
        assert assert_collected(service, out, env, **options) == 1


def test_demo_without_threads_ends_in_one_line(service: Service, tmp_path: Path) -> None:
    env = service.environment(**altered(tmp_path, LAST.format(0)))
    ended = service.run("demo", "--out", str(tmp_path / "out"), env=env)
    assert ended.returncode == 2
    assert ended.stderr.startswith("collector: cannot start the demo's emulator")
    assert ended.stderr.count("\n") == 1


def test_emulator_serves_without_threads(service: Service, tmp_path: Path) -> None:
    env = service.environment(**altered(tmp_path, LAST.format(0)))
    with service.start(
        "emulator", "--listen", "localhost:0", "--servers", "2", "--json",
        "--inventory", str(tmp_path / "fleet.json"), env=env,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        with urllib.request.urlopen(f"{url}/emulator/truth") as answer:  # noqa: S310  # loopback
            assert len(json.loads(answer.read())) == 2
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 0, err
    assert err.count("\n") == err.count(WARNING) == 1
    assert (tmp_path / "fleet.json").exists()
