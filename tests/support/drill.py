"""Collections in this process from an emulator over TCP, and what they leave on disk."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import collector
from collector.emulator import Emulator, ProjectSpec, Scenario, ServerSpec
from collector.model.events import Event
from collector.model.state import RunState, apply
from collector.rundir.journal.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from collector.emulator import Fault
    from collector.report.summary import Summary
    from collector.runtime.collection import Collection

EventT = TypeVar("EventT", bound=Event)

QUICK_S = 0.2
"""How long exports take in a drill, unless it says otherwise."""


def scenario_of(servers: Iterable[ServerSpec], **options: Any) -> Scenario:  # noqa: ANN401  # Scenario's own members
    """One project, whose name is `fleet`, with these servers."""
    options.setdefault("export_duration_s", QUICK_S)
    options.setdefault("archive_bytes", 1000)
    return Scenario(projects=(ProjectSpec("p1", "fleet", tuple(servers)),), **options)


def server(number: int | str, *faults: Fault, **options: Any) -> ServerSpec:  # noqa: ANN401  # ServerSpec's own members
    return ServerSpec(f"id-{number}", f"bms-{number}", faults=faults, **options)


def servers(count: int) -> Iterator[ServerSpec]:
    return (server(number) for number in range(count))


def access_to(emulator: Emulator) -> collector.Access:
    return collector.Access(environ={"CLOUDDC_TOKEN": emulator.token})


def selection_of(
    emulator: Emulator, inventory: Mapping[str, Any] | None = None
) -> collector.Selection:
    """The selection of an inventory's servers; by default those of the emulator's own."""
    text = json.dumps(emulator.inventory() if inventory is None else inventory).encode()
    loaded = collector.load(
        io.BytesIO(text),
        environ={"CLOUDDC_TOKEN": emulator.token},
    )
    return loaded.select()


def begin(emulator: Emulator, out: Path, **options: Any) -> Collection:  # noqa: ANN401  # collect's own
    return collector.collect(selection_of(emulator), out, access=access_to(emulator), **options)


@dataclass(repr=False)
class Told:
    """A run that is over: what it left, and what the other side saw of it."""

    directory: Path
    summary: Summary
    verdict: int
    events: list[Event | collector.EventsSkipped]
    manifest: dict[str, Any]
    statistics: dict[str, Any]
    truth: dict[str, dict[str, Any]]

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """The manifest's row of each server, by its id."""
        return rows(self.manifest)

    def named(self, kind: type[EventT]) -> list[EventT]:
        return [event for event in self.events if isinstance(event, kind)]


def assert_as_sent(run: Told) -> None:
    """Every archive is here, as the service has it, and the run agrees with itself."""
    for server_id, truth in run.truth.items():
        row = run.rows[server_id]
        assert row["state"] == "collected", row["error"]
        content = (run.directory / row["archive"]["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == truth["sha256"]
    assert collector.verify(run.directory).ok


async def follow(run: Collection) -> list[Event | collector.EventsSkipped]:
    """Run to the end; every event of it."""
    async with run:
        return [event async for event in run]


async def told(emulator: Emulator, run: Collection) -> Told:
    """Run to the end."""
    events = await follow(run)
    ids = [server.id for project in emulator.scenario.projects for server in project.servers]
    return Told(
        run.directory,
        run.summary,
        int(run.verdict),
        events,
        manifest_of(run.directory),
        emulator.statistics(),
        {server_id: emulator.truth(server_id) for server_id in ids},
    )


async def collected(scenario: Scenario, out: Path, **options: Any) -> Told:  # noqa: ANN401  # collect's own
    """Collect a whole scenario."""
    async with Emulator(scenario) as emulator:
        return await told(emulator, begin(emulator, out, **options))


def manifest_of(directory: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((directory / "manifest.json").read_bytes())
    return document


def rows(manifest: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found = [row for project in manifest["projects"] for row in project["servers"]]
    by_id = {row["id"]: row for row in found}
    assert len(by_id) == len(found)
    return by_id


def folded(directory: Path) -> RunState:
    """What the journal tells of a run."""
    state = RunState()
    for event in Journal.read(directory / "journal.jsonl"):
        apply(state, event)
    return state


def files_of(directory: Path) -> set[str]:
    """Every file and link under a directory, relative to it."""
    return {
        str(path.relative_to(directory))
        for path in directory.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
