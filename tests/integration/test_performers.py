"""A performer that is reached by messages alone, as one in another process would be."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import collector
from collector.archive.local import LocalDirectory
from collector.archive.staged import ArchivePolicy
from collector.emulator import Fault
from collector.model import events as e
from collector.model.actions import StartExport
from collector.model.answers import ExportSaid, ExportState, Problem, ProblemKind
from collector.model.messages import from_json, to_json
from collector.model.state import RunState, apply
from collector.providers.clouddc.client import CloudDC
from collector.runtime.performer import LocalPerformer
from tests.support.drill import assert_as_sent, collected, scenario_of, server, servers

if TYPE_CHECKING:
    from pathlib import Path

    from collector.model.actions import DiscardPart, Request
    from collector.model.answers import Answer
    from collector.providers.protocol import Target
    from collector.runtime.performer import Report

pytestmark = pytest.mark.usefixtures("impatient")


def sent(message: Any) -> Any:  # noqa: ANN401  # of the same class
    """Return what arrives of a message at the other end of a line."""
    return from_json(json.loads(json.dumps(to_json(message), allow_nan=False)))


class Remote(LocalPerformer):
    """Performs what arrives as JSON, and answers in JSON."""

    performed: list[str]

    async def perform(self, action: Request, report: Report) -> None:
        def reported(action: Request, answer: Answer) -> None:
            report(sent(action), sent(answer))

        self.performed.append(type(action).__name__)
        await super().perform(sent(action), reported)

    async def discard(self, action: DiscardPart) -> None:
        self.performed.append(type(action).__name__)
        await super().discard(sent(action))


def test_fleet_is_collected_by_a_performer_that_is_reached_by_messages_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Remote.performed = []
    monkeypatch.setattr("collector.runtime.collection.LocalPerformer", Remote)
    cut = server("cut", Fault("cut", at=0.5, times=1))
    fleet = scenario_of([*servers(4), cut], archive_bytes=1_500_000)
    run = anyio.run(collected, fleet, tmp_path)
    assert_as_sent(run)
    assert set(Remote.performed) == {"StartExport", "AskStatus", "FetchArchive"}
    assert run.rows["id-cut"]["archive"]["resumed"] == 1


@pytest.mark.parametrize(
    "said",
    [
        ExportSaid("two\nlines", ExportState.RUNNING, ""),
        ExportSaid("", ExportState.RUNNING, ""),
        ExportSaid("x" * 1000, ExportState.RUNNING, ""),
        ExportSaid("x", ExportState.COMPLETED, "", location="/a\r\nX: y"),
        ExportSaid("x", ExportState.COMPLETED, "", location=""),
    ],
)
def test_what_a_provider_says_and_a_journal_cannot_hold_is_unreadable(
    tmp_path: Path, said: ExportSaid
) -> None:
    class Odd(CloudDC):
        async def start_export(self, target: Target, *, asks_limits: bool) -> ExportSaid:
            del target, asks_limits
            return said

    performer = LocalPerformer(
        state_of_one(), Odd({}, connections=1), {}, LocalDirectory(tmp_path),
        policy=ArchivePolicy(), bytes_per_second=None, on_listing=lambda _server, _members: None,
    )  # fmt: skip
    action = StartExport(0, 0.0, asks_limits=False, running=0, intent=None)
    answers: list[Answer] = []
    anyio.run(performer.perform, action, lambda _action, answer: answers.append(answer))
    (answer,) = answers
    assert isinstance(answer, Problem)
    assert answer.kind is ProblemKind.UNREADABLE


def state_of_one() -> RunState:
    at = "2026-11-23T08:41:03Z"
    state = RunState()
    for event in (
        e.ProjectSelected(
            at=at, project=0, id="p", name="p", endpoint="https://a.example", credential="c",
            directory="p", requests_per_second=None, exports_in_flight=None, share=0.95,
        ),
        e.ServerSelected(
            at=at, server=0, project=0, id="s", name="s", tags={}, directory="p/s", first=False
        ),
    ):  # fmt: skip
        apply(state, event)
    return state


def test_part_of_a_server_that_fails_is_discarded_by_whoever_performs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Remote.performed = []
    monkeypatch.setattr("collector.runtime.collection.LocalPerformer", Remote)
    fleet = scenario_of([server("cut", Fault("cut", at=0.5))], archive_bytes=1_500_000)
    run = anyio.run(partial(collected, fleet, tmp_path, terms=collector.Terms(max_attempts=2)))
    assert run.rows["id-cut"]["state"] == "failed"
    assert Remote.performed[-1] == "DiscardPart"
    assert not list(run.directory.rglob("*.part"))
