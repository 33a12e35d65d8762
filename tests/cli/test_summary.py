"""The summary of any run fits a screen, and its last lines say how to go on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from collector.cli.rendering.summary import summed_up
from collector.model import events as e
from collector.model.state import RunState, apply
from collector.report.building import Report
from collector.report.glance import Limit, TimeLeft, Watch
from collector.report.headline import headline

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from collector.report.summary import Summary

AT = "2026-11-29T02:14:00Z"
END = "2026-11-29T02:26:03Z"
NOW = datetime(2026, 11, 29, 2, 27, tzinfo=UTC)
PROCESS = {
    "collector_version": "1", "host": "bastion", "user": "ops", "pid": 4711,
    "argv": ("collector", "collect", "fleet.yaml"),
}  # fmt: skip


def begun(servers: int, projects: int = 1, **process: object) -> RunState:
    """A run of servers that all wait."""
    state = RunState()
    first: list[e.Event] = [
        e.RunStarted(
            at=AT, schema_version=1, run_id="20261129T021400Z-7f3a", inventory_path="fleet.yaml",
            inventory_sha256="0" * 64, select=(), downloads=8, bytes_per_second=None,
            **(PROCESS | process),  # type: ignore[arg-type]  # fields by name
        )
    ]  # fmt: skip
    first += [
        e.ProjectSelected(
            at=AT, project=number, id=f"p{number}", name=f"project-{number:02}",
            endpoint="https://clouddc.example.com", credential="ops", directory=f"p{number}",
            requests_per_second=None, exports_in_flight=None, share=0.95,
        )
        for number in range(projects)
    ]  # fmt: skip
    first += [
        e.ServerSelected(
            at=AT, server=number, project=number % projects, id=f"id-{number}",
            name=f"bms-{number:05}", tags={}, first=False, directory=f"p/{number}",
        )
        for number in range(servers)
    ]  # fmt: skip
    for event in first:
        apply(state, event)
    return state


def fail(state: RunState, servers: Iterable[int], message: str, hint: str = "try again") -> None:
    for server in servers:
        apply(
            state,
            e.ServerFailed(
                at=END, server=server, stage="download", kind="cut", code=None, http_status=None,
                message=message.format(server), request_id=None, attempts=4, hint=hint, polls=1,
            ),
        )  # fmt: skip


def collect(state: RunState, servers: Iterable[int]) -> None:
    for server in servers:
        for event in (
            e.ExportRequested(at=AT, server=server),
            e.ExportStarted(at=AT, server=server, export_id="x"),
            e.ExportCompleted(at=AT, server=server, polls=1),
            e.ArchiveStored(
                at=END, server=server, path=f"p/{server}/x.tar.gz", file_name="x.tar.gz",
                bytes=1000, sha256="0" * 64, members=1, covers_from=None, covers_to=None,
            ),
        ):  # fmt: skip
            apply(state, event)


def end(state: RunState, reason: str = "finished") -> None:
    apply(state, e.RunEnded(at=END, reason=reason))


def summary(state: RunState, directory: Path, *, alive: bool = False) -> Summary:
    report = Report(state, lines=1, head="0" * 64, alive=alive)
    return report.summary(directory, "a" * 64)


def shown(state: RunState, directory: Path, *, alive: bool = False) -> list[str]:
    return summed_up(summary(state, directory, alive=alive), now=NOW)


def test_thousands_that_failed_for_one_reason_are_one_reason(tmp_path: Path) -> None:
    state = begun(3000, 40)
    fail(state, range(2500), "truncated at byte {}", "check the network")
    collect(state, range(2500, 3000))
    end(state)
    lines = shown(state, tmp_path)
    (reason,) = (line for line in lines if "truncated" in line)
    assert reason == "  2,500 servers failed at download after 4 tries, e.g. truncated at byte 0"
    names = " ".join(lines[lines.index(reason) + 1 :][:2]).split()
    assert names[:3] == [
        "project-00/bms-00000,", "project-01/bms-00001,", "project-02/bms-00002"
    ]  # fmt: skip
    assert names[3:] == ["and", "2,497", "more"]
    assert sum("check the network" in line for line in lines) == 1
    assert lines[-1] == "500 of 3,000 servers collected; 2,500 failed."


@pytest.mark.parametrize("reasons", [1, 2, 3, 5, 8, 13, 40, 400])
@pytest.mark.parametrize("words", [3, 60])
def test_it_fits_a_screen_whatever_the_reasons_are(
    tmp_path: Path, reasons: int, words: int
) -> None:
    state = begun(2000, 40)
    for reason in range(reasons):
        message = " ".join([f"{chr(97 + reason % 26)}{chr(97 + reason // 26)}because"] * words)
        hint = f"{chr(97 + reason % 26)}{chr(97 + reason // 26)}look " * words
        fail(state, range(reason * 4, reason * 4 + 4), message, hint)
    end(state, "deadline")
    told = summary(state, tmp_path / "run")
    lines = summed_up(told, now=NOW)
    assert len(lines) <= 23, "\n".join(lines)
    commands = {line for line in lines if line.startswith("  ") and "collector" in line}
    assert max(len(line) for line in lines if line not in commands and "/run" not in line) <= 80
    reason_lines = [line for line in lines if " failed at download" in line]
    more = [line for line in lines if "more for" in line]
    assert len(reason_lines) >= min(reasons, 3)
    assert bool(more) == (len(reason_lines) < reasons or reasons > 5), lines
    assert any(line.startswith("    -> ") for line in lines)


def test_a_reason_that_finds_no_room_is_counted(tmp_path: Path) -> None:
    state = begun(100)
    for number in range(50):
        fail(state, [number], f"{chr(97 + number % 26)}{chr(97 + number // 26)} broke")
    end(state, "stopped")
    lines = shown(state, tmp_path)
    (more,) = (line for line in lines if "more for" in line)
    told = sum(int(line.split()[0]) for line in lines if " failed at " in line)
    hidden = int(more.split()[0])
    assert told + hidden == 100
    assert more == f"  {hidden} servers more for {51 - told} other reasons"


@pytest.mark.parametrize(
    ("failed", "pending", "reason", "verdict"),
    [
        (0, 0, "finished", "All 60 servers collected and verified."),
        (2, 0, "finished", "58 of 60 servers collected; 2 failed."),
        (60, 0, "finished", "None of 60 servers collected; 60 failed."),
        (0, 4, "deadline", "Deadline reached: 56 of 60 servers collected; 4 pending."),
        (1, 4, "stopped", "Interrupted: 55 of 60 servers collected; 1 failed, 4 pending."),
        (1, 4, "", "Killed: 55 of 60 servers collected; 1 failed, 4 pending."),
        (
            0,
            0,
            "",
            "All 60 servers collected and verified, but the run was killed before it ended.",
        ),
    ],
)
def test_the_last_line_is_the_verdict(
    tmp_path: Path, failed: int, pending: int, reason: str, verdict: str
) -> None:
    state = begun(60)
    fail(state, range(failed), "no")
    collect(state, range(failed + pending, 60))
    if reason:
        end(state, reason)
    assert shown(state, tmp_path)[-1] == verdict


def test_pending_servers_are_one_reason_in_whatever_phase_they_are(tmp_path: Path) -> None:
    state = begun(10)
    for server in range(3):
        apply(state, e.ExportRequested(at=AT, server=server))
        apply(state, e.ExportStarted(at=AT, server=server, export_id="x"))
    end(state, "deadline")
    lines = shown(state, tmp_path)
    assert "  10 servers pending when the deadline came: 7 waiting, 3 exporting" in lines


def test_a_demo_suggests_nothing_that_needs_its_emulator(tmp_path: Path) -> None:
    state = begun(4, argv=("collector", "demo"))
    again = "--resume the run with --retry-failed"
    fail(state, [0], "one", f"ask for the permission, then {again}")
    fail(state, [1], "two", f"{again}; if it lasts, tell the vendor")
    fail(state, [2], "three", f"to collect it anyway, raise --max-members and {again}")
    collect(state, [3])
    end(state)
    text = "\n".join(shown(state, tmp_path))
    assert "resume" not in text
    assert "retry" not in text
    assert "    -> ask for the permission\n" in text
    assert "    -> to collect it anyway, raise --max-members\n" in text


def test_a_run_that_goes_on_tells_by_whom_how_fast_and_how_long_still(tmp_path: Path) -> None:
    state = begun(100, 4)
    collect(state, range(30))
    fail(state, [30, 31], "no")
    for server in range(40, 50):
        apply(state, e.ExportRequested(at=AT, server=server))
    glance = Watch(state).glance(NOW)
    glance = replace(
        glance, calls_per_s=12.4, bytes_per_s=1_500_000.0, time_left=TimeLeft(150.0, 400.0),
        deadline_at="2026-11-29T02:57:00Z", last_event_at="2026-11-29T02:26:40Z",
        limit=Limit(20.0, "user", "ops", "told", None),
    )  # fmt: skip
    lines = summed_up(summary(state, tmp_path, alive=True), glance, now=NOW)
    assert lines[:8] == [
        "Run 20261129T021400Z-7f3a is running.",
        "  started    02:14 (UTC), 13 min ago, by ops@bastion",
        "  process    pid 4711 of ops@bastion, last event 20 s ago",
        "  collected  30 of 100 servers, 30.0 kB, every archive verified",
        "  missing    2 failed, 68 pending (58 waiting, 10 exporting)",
        "  rate       12.4 of 20 calls/s, 1.5 MB/s",
        "  time left  2 to 7 min; deadline in 30 min",
        f"  directory  {tmp_path}",
    ]
    assert lines[-1] == (
        "Running: 30 of 100 servers collected; 2 failed, 68 pending; 2 to 7 min left."
    )
    assert any("status --watch" in line for line in lines)


def test_it_fits_a_screen_where_much_is_wrong_at_once(tmp_path: Path) -> None:
    state = begun(400, 40)
    for number in range(5):
        apply(
            state,
            e.EndpointWentDown(
                at=END, endpoint=f"https://{number}.clouddc.example.com",
                message=f"cannot connect to {number}: " + "why " * 40, hint="look at it " * 20,
            ),
        )  # fmt: skip
    fail(state, range(200), "truncated at byte {}", "check the network")
    glance = Watch(state).glance(NOW)
    assert len(summed_up(summary(state, tmp_path, alive=True), glance, now=NOW)) <= 23


def test_the_report_is_named_where_there_is_one(tmp_path: Path) -> None:
    state = begun(1)
    collect(state, [0])
    end(state)
    assert not any(line.startswith("  report ") for line in shown(state, tmp_path))
    (tmp_path / "report.html").touch()
    assert f"  report     {tmp_path}/report.html" in shown(state, tmp_path)


def test_the_terminal_and_the_page_give_the_same_verdict(tmp_path: Path) -> None:
    state = begun(60)
    fail(state, range(2), "no")
    collect(state, range(4, 60))
    end(state, "deadline")
    report = Report(state, lines=1, head="0" * 64, alive=False)
    said = headline(report.run, report.totals, report.unlisted)
    assert shown(state, tmp_path)[-1] == said


def test_of_a_killed_run_the_report_that_it_did_not_leave_is_suggested(tmp_path: Path) -> None:
    state = begun(60)
    collect(state, range(4))
    lines = shown(state, tmp_path)
    resume, report = lines[lines.index("Next:") + 1 : -2]
    assert resume.endswith(f"collector collect --resume {tmp_path}")
    assert report.endswith(f"collector report {tmp_path}")
