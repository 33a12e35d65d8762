"""The command as a user runs it, against a service in this process."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from anyio.from_thread import start_blocking_portal

from collector.emulator import Emulator, ProjectSpec, Scenario, ServerSpec
from tests.support.warm import Copy, can_be, warm

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from collector.emulator import Fault

COLLECTOR = str(Path(sys.executable).with_name("collector"))
NOBODY = str(Path(__file__).with_name("nobody.py"))
OF_A_COPY: Final = frozenset({"stdin", "stdout", "stderr", "env", "encoding", "errors", "umask"})
"""What a copy of the warm process can be given."""


def start(
    *arguments: str,
    cwd: Path | None = None,
    installed: bool = False,
    limits: Mapping[int, tuple[int, int]] | None = None,
    user: int | None = None,
    **options: Any,  # noqa: ANN401  # Popen's own
) -> subprocess.Popen[str]:
    """Start the command: as it is installed, or quickly.

    The first start of each file of tests is of the installed command, as is each with options
    that change how a process starts. The others are copies of a process that has the program
    already (`warm.py`), which is fifty times as fast; with `COLLECTOR_INSTALLED` set, as by
    `make test-deep`, there are none of them.

    Args:
        arguments: of the command.
        cwd: where it runs; by default here.
        installed: a test is about the start itself.
        limits: of `resource`, by number: soft and hard ones.
        user: by number, who runs it; only root can be somebody else.
        options: of the process; its stdout and stderr are pipes unless said otherwise.
    """
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    options.setdefault("env", environment())
    ready = warm()
    if (
        ready is None
        or installed
        or not options.keys() <= OF_A_COPY
        or not can_be(arguments, options["env"])
        or ready.is_first()
    ):
        if limits:
            options["preexec_fn"] = partial(_limit, limits)
        command = [COLLECTOR] if user is None else [sys.executable, NOBODY, f"{user}"]
        return subprocess.Popen([*command, *arguments], cwd=cwd, text=True, **options)
    return Copy(
        ready,
        COLLECTOR,
        *arguments,
        cwd=cwd or Path.cwd(),
        limits=limits or {},
        user=user,
        **options,
    )


def _limit(limits: Mapping[int, tuple[int, int]]) -> None:
    for limit, values in limits.items():
        resource.setrlimit(limit, values)


def run(
    *arguments: str,
    stdin: str | None = None,
    timeout: float | None = None,
    **options: Any,  # noqa: ANN401  # as `start`'s
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end.

    Args:
        arguments: of the command.
        stdin: what is piped to it; by default it has this process's own.
        timeout: in seconds; it is killed after that.
        options: as for `start`.
    """
    if stdin is not None:
        options["stdin"] = subprocess.PIPE
    with start(*arguments, **options) as process:
        try:
            out, err = process.communicate(stdin, timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def fleet_of(servers: Iterable[ServerSpec], **options: Any) -> Scenario:  # noqa: ANN401  # Scenario's own members
    """One project named `fleet`; exports are complete at once, unless said otherwise."""
    options.setdefault("export_duration_s", 0.0)
    options.setdefault("archive_bytes", 1000)
    return Scenario(projects=(ProjectSpec("p1", "fleet", tuple(servers)),), **options)


def server(number: int | str, *faults: Fault, **options: Any) -> ServerSpec:  # noqa: ANN401  # ServerSpec's own members
    return ServerSpec(f"id-{number}", f"bms-{number}", faults=faults, **options)


def servers(count: int) -> list[ServerSpec]:
    return [server(number) for number in range(count)]


@dataclass(frozen=True)
class Command:
    """The command, and a place for runs.

    Attributes:
        home: a directory of its own, where the command is run; `fleet.json` is the inventory.
        token: what the service wants.
    """

    home: Path
    token: str

    @property
    def out(self) -> Path:
        """Where runs are kept by default."""
        return self.home / "collected"

    @property
    def state(self) -> Path:
        """Where what is learned is kept for the user."""
        return self.home / "state"

    @property
    def latest(self) -> Path:
        return self.out / "latest"

    def environment(self, **variables: str) -> dict[str, str]:
        own = {"CLOUDDC_TOKEN": self.token, "XDG_STATE_HOME": str(self.state)}
        return environment(**(own | variables))

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:  # noqa: ANN401  # as `start`'s
        """Start the command."""
        options.setdefault("env", self.environment())
        return start(*arguments, cwd=self.home, **options)

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401  # as `run`'s
        """Run the command to its end."""
        options.setdefault("env", self.environment())
        return run(*arguments, cwd=self.home, **options)

    def manifest(self) -> dict[str, Any]:
        """The latest run's."""
        document: dict[str, Any] = json.loads((self.latest / "manifest.json").read_bytes())
        return document

    def verify(self) -> dict[str, Any]:
        """What `verify` says of the latest run."""
        found: dict[str, Any] = json.loads(self.run("verify", str(self.latest), "--json").stdout)
        return found


@dataclass(frozen=True)
class Service(Command):
    """The command beside an emulator, whose whole fleet is in `fleet.json`."""

    emulator: Emulator

    def wait_for_export(self, server_id: str) -> None:
        """Return when the service has begun to export, and the run may well know it."""
        until = time.monotonic() + 30
        while server_id not in self.emulator.statistics()["exports"]["by_server"]:
            assert time.monotonic() < until
            time.sleep(0.01)
        time.sleep(0.05)


@contextlib.contextmanager
def serving(scenario: Scenario, home: Path) -> Iterator[Service]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Emulator(scenario)) as emulator,
    ):
        (home / "fleet.json").write_text(json.dumps(emulator.inventory()))
        yield Service(home, emulator.token, emulator)


def environment(**variables: str) -> dict[str, str]:
    """This process's, without proxies and terminals, and with these."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and name not in ("COLUMNS", "LINES", "NO_COLOR")
    }
    return kept | variables
