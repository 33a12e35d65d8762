"""`collector emulator`: the emulator as a server."""

from __future__ import annotations

import errno
import json
import os
import shlex
import signal
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector import signals
from collector.cli.options import common
from collector.cli.readiness import prepare
from collector.cli.rendering.wording import pasted
from collector.cli.streams import say, show_json
from collector.report.words import count

if TYPE_CHECKING:
    from collector.emulator import Emulator, Scenario
    from collector.emulator.inventory import SignIn

_GUIDE = """\
The emulator listens on {url}; Ctrl-C ends it.
  fleet       {servers} in {projects}
  project     {project}
  token       {token}
  password    {password}
  key         {key}
  statistics  {url}/emulator/statistics
To collect its fleet, paste this into another terminal:
  {commands}
"""


@click.command(
    name="emulator",
    epilog="""\b
Examples:
  collector emulator --inventory fleet.json
  collector emulator --inventory fleet.json --sign-in password --discover
  collector emulator --servers 300 --limit 20/1s --limit project:10/30s
  collector emulator --scenario drill.toml --listen 0.0.0.0:18080
""",
)
@click.option(
    "--scenario",
    "scenario_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Scenario (TOML or JSON); the options below override it.",
)
@click.option(
    "--listen",
    default="127.0.0.1:18080",
    show_default=True,
    metavar="ADDR:PORT",
    help="Address to listen on.",
)
@click.option("--servers", type=click.IntRange(min=1), help="Number of servers.  [default: 60]")
@click.option("--projects", type=click.IntRange(min=1), help="Number of projects.  [default: 3]")
@click.option("--seed", type=int, help="Seed for everything random.  [default: 1]")
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="[SCOPE:]N/DURATION",
    help=(
        "Allow at most N calls per DURATION; SCOPE is user (the default), api, app, ip or "
        "project (repeatable)."
    ),
)
@click.option(
    "--inventory",
    "inventory_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the fleet's inventory to this file.",
)
@click.option(
    "--sign-in",
    type=click.Choice(["token", "password", "aksk"]),
    default="token",
    show_default=True,
    help="What the inventory signs in with; the emulator accepts all of them.",
)
@click.option(
    "--discover", is_flag=True, help="Let the inventory discover servers instead of naming them."
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help=(
        "Print one line of JSON once it listens: url, token, inventory (the file or null), "
        "environment (the variables that the inventory reads)."
    ),
)
@common
def command(
    *,
    scenario_file: Path | None,
    listen: str,
    servers: int | None,
    projects: int | None,
    seed: int | None,
    limits: tuple[str, ...],
    inventory_file: Path | None,
    sign_in: SignIn,
    discover: bool,
    as_json: bool,
) -> None:
    """Emulate the log-export API, its gateway and IAM, for drills and for other programs' tests.

    Runs until SIGINT or SIGTERM, then prints its statistics as JSON.
    """
    prepare()
    import anyio  # noqa: PLC0415 - `--help` stays quick

    from collector.emulator import Emulator, ScenarioError  # noqa: PLC0415 - as above
    from collector.event_loop import Loop  # noqa: PLC0415 - as above

    host, port = _address(listen)
    try:
        scenario = _scenario(scenario_file, servers, projects, seed, limits)
    except ScenarioError as error:
        raise click.UsageError(str(error)) from error
    emulator = Emulator(scenario, host=host, port=port)
    try:
        emulator.environment(sign_in)
    except ScenarioError as error:
        raise click.BadParameter(str(error), param_hint="--sign-in") from error
    told = _Told(inventory_file, sign_in, discover=discover, as_json=as_json)
    try:
        anyio.run(_serve, emulator, told, backend_options={"loop_factory": Loop})
    except (OSError, UnicodeError) as error:  # a host that cannot be resolved, among others
        raise click.UsageError(_trouble(error, listen)) from error
    show_json(json.dumps(emulator.statistics(), indent=None if as_json else 1))


def _trouble(error: OSError | UnicodeError, listen: str) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return f"{listen} is already in use; choose another port with --listen"
    if isinstance(error, OSError) and error.filename is not None:
        return (
            f"cannot write {error.filename}: {error.strerror}; choose another file with --inventory"
        )
    why = os.strerror(number) if number is not None and number > 0 else str(error)
    return f"cannot listen on {listen}: {why}; choose another address with --listen"


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 - the last port
        raise click.BadParameter(
            f"invalid ADDR:PORT {listen!r}; use 127.0.0.1:18080", param_hint="--listen"
        )
    return host.strip("[]"), int(port)


def _scenario(
    file: Path | None,
    servers: int | None,
    projects: int | None,
    seed: int | None,
    limits: tuple[str, ...],
) -> Scenario:
    from collector.emulator import (  # noqa: PLC0415 - as in `command`
        Lognormal,
        Scenario,
        Throttle,
        fleet,
        load_scenario,
    )

    if file is not None:
        scenario = load_scenario(file)
    else:
        scenario = Scenario(
            seed=1,
            dialect="mixed",
            export_duration_s=Lognormal(median=5, low=1, high=60),
            archive_bytes=Lognormal(median=64 * 1024, low=4096, high=1024 * 1024),
        )
    if seed is not None:
        scenario = replace(scenario, seed=seed)
    if servers is not None or projects is not None or not scenario.projects:
        servers = servers or max(60, projects or 0)
        ready = fleet(servers=servers, projects=projects or min(3, servers), seed=scenario.seed)
        scenario = replace(scenario, projects=ready.projects)
    throttles = tuple(Throttle.parse(limit) for limit in limits)
    return replace(scenario, throttles=(*scenario.throttles, *throttles))


@dataclass(frozen=True, slots=True)
class _Told:
    """What is told once it listens."""

    inventory_file: Path | None
    sign_in: SignIn
    discover: bool
    as_json: bool


async def _serve(emulator: Emulator, told: _Told) -> None:
    from collector import threads  # noqa: PLC0415 - as in `command`

    with signals.received(signal.SIGINT, signal.SIGTERM) as stops:
        async with emulator:
            file = told.inventory_file
            if file is not None:
                inventory = emulator.inventory(told.sign_in, discover=told.discover)
                text = json.dumps(inventory, indent=1) + "\n"
                await threads.run_sync(partial(file.write_text, text, encoding="utf-8"))
            if told.as_json:
                ready = {
                    "url": emulator.url,
                    "token": emulator.token,
                    "inventory": None if file is None else str(file),
                    "environment": emulator.environment(told.sign_in),
                }
                show_json(json.dumps(ready))
            else:
                for line in _guide(emulator, told).split("\n"):
                    say(line, has_secrets=False)
            async for _ in stops:
                break


def _guide(emulator: Emulator, told: _Told) -> str:
    scenario = emulator.scenario
    file = told.inventory_file
    name = "fleet.json" if file is None else str(file.absolute())
    variables = emulator.environment(told.sign_in).items()
    values = " ".join(f"{variable}={shlex.quote(value)}" for variable, value in variables)
    commands = [f"{values} collector collect {pasted(name)}"]
    if file is None:
        query = f"sign_in={told.sign_in}{'&discover' if told.discover else ''}"
        page = f"{emulator.url}/emulator/inventory"
        asked = page if query == "sign_in=token" else shlex.quote(f"{page}?{query}")
        commands.insert(0, f"curl -s {asked} > fleet.json")
    user = next(iter(scenario.users), None)
    key = next(iter(scenario.keys), None)
    return _GUIDE.format(
        url=emulator.url,
        token=emulator.token,
        password="none" if user is None else f"{user.password} (user {user.label})",
        key="none" if key is None else f"{key.ak}, {key.sk}",
        servers=count(sum(len(project.servers) for project in scenario.projects), "server"),
        projects=count(len(scenario.projects), "project"),
        project=_first_project(scenario),
        commands=" &&\n  ".join(commands),
    )


def _first_project(scenario: Scenario) -> str:
    if not scenario.projects:
        return "none"
    first = scenario.projects[0]
    more = f", and {len(scenario.projects) - 1} more" if len(scenario.projects) > 1 else ""
    return f"{first.id}{more}"
