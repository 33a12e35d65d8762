from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.model import events as e
from collector.model.answers import ProblemKind
from collector.report.building import Report
from collector.report.manifest import Error
from collector.report.parts import json_text
from collector.report.schema import manifest_schema
from collector.rundir import manifest
from collector.rundir.journal.lines import NO_HASH

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from collector.model.state import RunState

    Fold = Callable[[list[e.Event]], RunState]
    Collected = Callable[[int], list[e.Event]]
    Failed = Callable[..., e.ServerFailed]

AT = "2026-11-23T08:41:03Z"
LATER = "2026-11-23T09:00:00Z"


def ended(reason: str) -> e.RunEnded:
    return e.RunEnded(at=LATER, reason=reason)


def document(state: RunState, *, alive: bool = True) -> dict[str, Any]:
    made = manifest.document(Report(state, lines=12, head="a" * 64, alive=alive))
    jsonschema.Draft202012Validator(manifest_schema()).validate(json.loads(json.dumps(made)))
    return made


def rows(made: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for project in made["projects"] for row in project["servers"]]


def test_every_server_of_the_selection_is_there_once_from_the_start(
    selection: list[e.Event], folded: Fold
) -> None:
    made = document(folded(selection))
    assert [row["id"] for row in rows(made)] == ["id-0", "id-1", "id-2", "id-3"]
    assert {row["state"] for row in rows(made)} == {"pending"}
    assert made["run"]["state"] == "running"
    assert made["run"]["finished_at"] is None
    assert made["totals"]["pending"] == 4


def test_a_collected_server_has_its_archive_and_neither_error_nor_waiting(
    selection: list[e.Event], folded: Fold, collected: Collected
) -> None:
    row = rows(document(folded([*selection, *collected(1)])))[1]
    assert row["export"] == {
        "id": "x1",
        "requested_at": AT,
        "completed_at": AT,
        "polls": 3,
        "attempts": 1,
        "source": "started",
        "run": None,
        "age_s": None,
    }
    assert row["archive"] == {
        "path": "project-0/bms-1/SN1-dump.tar.gz",
        "file_name": "SN1-dump.tar.gz",
        "bytes": 101,
        "sha256": f"{1:064x}",
        "members": 2,
        "covers": {"from": "2026-11-01T00:00:00Z", "to": AT},
        "finished_at": AT,
        "resumed": 0,
    }
    assert row["error"] is None
    assert row["waiting"] is None


def test_a_failed_server_says_why_and_has_no_export_where_none_was_started(
    selection: list[e.Event], folded: Fold, failed: Failed
) -> None:
    row = rows(document(folded([*selection, failed(0)])))[0]
    assert row["state"] == "failed"
    assert row["export"] is None
    assert row["archive"] is None
    assert row["waiting"] is None
    assert row["error"] == {
        "stage": "export",
        "code": "iMetal.0100",
        "http_status": 404,
        "message": "the API does not know this server",
        "request_id": "r-1",
        "attempts": 1,
        "hint": "check the server's id",
    }


@pytest.mark.parametrize(
    ("steps", "phase"), [(0, "queued"), (1, "exporting"), (2, "exporting"), (3, "downloading")]
)
def test_a_pending_server_says_what_it_waits_in(
    selection: list[e.Event], folded: Fold, collected: Collected, steps: int, phase: str
) -> None:
    row = rows(document(folded([*selection, *collected(0)[:steps]])))[0]
    assert row["waiting"] == {"phase": phase, "since": AT, "reason": None, "last_error": None}


def test_a_pending_server_says_why_an_earlier_try_failed(
    selection: list[e.Event], folded: Fold
) -> None:
    attempt = e.AttemptFailed(
        at=AT, server=0, stage="status", kind=ProblemKind.UNREADABLE, code="c", http_status=502,
        message="a page came", request_id="r", attempt=2, doubtful=False, anew=False, polls=0,
    )  # fmt: skip
    waiting = rows(document(folded([*selection, attempt])))[0]["waiting"]
    assert waiting["last_error"] == {
        "stage": "status",
        "code": "c",
        "http_status": 502,
        "message": "a page came",
        "request_id": "r",
        "attempts": 2,
        "hint": "it is tried again; if the run has ended, --resume it",
    }


def resumed(at: str) -> e.RunResumed:
    return e.RunResumed(
        at=at, collector_version="0", host="h", user="u", pid=1, argv=("collector",)
    )


def test_a_resume_keeps_why_an_endpoint_was_down_until_it_answers(
    selection: list[e.Event], folded: Fold, collected: Collected
) -> None:
    down = e.EndpointWentDown(
        at=AT, endpoint="https://clouddc.cn-south-1.example.com", message="refused", hint="look"
    )
    events = [*selection, down, ended("deadline"), resumed(LATER), ended("deadline")]
    waiting = rows(document(folded(events)))[3]["waiting"]
    assert waiting["reason"] == "deadline"
    assert (waiting["last_error"]["message"], waiting["last_error"]["hint"]) == ("refused", "look")
    answered = [*events[:-1], *collected(2), ended("deadline")]
    assert rows(document(folded(answered)))[3]["waiting"]["last_error"] is None


def test_a_server_that_is_retried_and_not_reached_says_why_it_had_failed(
    selection: list[e.Event], folded: Fold
) -> None:
    failed = e.ServerFailed(
        at=AT, server=0, stage="export", kind=ProblemKind.FORBIDDEN, code="c", http_status=403,
        message="not allowed", request_id="r", attempts=1, hint="ask", polls=0,
    )  # fmt: skip
    again = [resumed(LATER), e.ServerRetried(at=LATER, server=0), ended("deadline")]
    row = rows(document(folded([*selection, failed, *again])))[0]
    assert (row["state"], row["error"], row["waiting"]["reason"]) == ("pending", None, "deadline")
    assert row["waiting"]["last_error"] == {
        "stage": "export",
        "code": "c",
        "http_status": 403,
        "message": "not allowed",
        "request_id": "r",
        "attempts": 1,
        "hint": "ask",
    }


def test_a_server_whose_credential_cannot_sign_in_says_why_until_it_can(
    selection: list[e.Event], folded: Fold
) -> None:
    paused = e.SignInPaused(
        at=AT, credential="ops", message="IAM answers 503", hint="look", until=LATER
    )
    waiting = rows(document(folded([*selection, paused, ended("deadline")])))[0]["waiting"]
    assert (waiting["reason"], waiting["last_error"]["message"]) == ("deadline", "IAM answers 503")
    assert (waiting["last_error"]["stage"], waiting["last_error"]["hint"]) == ("export", "look")
    over = e.SignInWentOn(at=AT, credential="ops")
    others = replace(paused, credential="other")
    for events in ([paused, over], [others], [paused, resumed(LATER)]):
        row = rows(document(folded([*selection, *events, ended("deadline")])))[0]
        assert row["waiting"]["last_error"] is None


def test_a_server_whose_endpoint_is_down_says_why(selection: list[e.Event], folded: Fold) -> None:
    down = e.EndpointWentDown(
        at=AT, endpoint="https://clouddc.cn-south-1.example.com", message="refused"
    )
    made = rows(document(folded([*selection, down])))
    assert made[3]["waiting"]["last_error"]["message"] == "refused"
    assert made[0]["waiting"]["last_error"] is None


@pytest.mark.parametrize(
    ("reason", "state", "waits"),
    [
        ("stopped", "interrupted", "stopped"),
        ("deadline", "deadline", "endpoint_down"),
        ("endpoint_down", "interrupted", "endpoint_down"),
    ],
)
def test_a_run_that_left_servers_says_why_they_wait(
    selection: list[e.Event], folded: Fold, reason: str, state: str, waits: str
) -> None:
    down = e.EndpointWentDown(
        at=AT, endpoint="https://clouddc.cn-south-1.example.com", message="refused"
    )
    made = document(folded([*selection, down, ended(reason)]))
    assert made["run"]["state"] == state
    assert rows(made)[3]["waiting"]["reason"] == waits
    others = "deadline" if reason == "deadline" else "stopped"
    assert rows(made)[0]["waiting"]["reason"] == others
    assert made["run"]["finished_at"] == LATER


def test_a_server_at_an_endpoint_that_is_up_waits_because_the_run_stopped(
    selection: list[e.Event], folded: Fold
) -> None:
    down = e.EndpointWentDown(
        at=AT, endpoint="https://clouddc.cn-south-1.example.com", message="refused"
    )
    made = document(folded([*selection, down, ended("endpoint_down")]))
    assert rows(made)[0]["waiting"]["reason"] == "stopped"


def test_totals_are_those_of_the_rows(
    selection: list[e.Event], folded: Fold, collected: Collected, failed: Failed
) -> None:
    calls = [
        e.CallsCounted(at=AT, project=0, calls=30, throttled=1),
        e.CallsCounted(at=AT, project=1, calls=12, throttled=0),
    ]
    history = [*selection, *collected(0), *collected(2), failed(1), *calls, ended("stopped")]
    made = document(folded(history))
    assert made["totals"] == {
        "servers": 4,
        "collected": 2,
        "failed": 1,
        "pending": 1,
        "bytes": 202,
        "requests": 42,
        "throttled": 1,
        "counters": "exact",
    }
    assert [project["totals"] for project in made["projects"]] == [
        {"servers": 2, "collected": 1, "failed": 1, "pending": 0, "bytes": 100},
        {"servers": 2, "collected": 1, "failed": 0, "pending": 1, "bytes": 102},
    ]


def test_a_run_that_nobody_holds_and_that_never_ended_is_interrupted(
    selection: list[e.Event], folded: Fold
) -> None:
    made = document(folded(selection), alive=False)
    assert made["run"]["state"] == "interrupted"
    assert made["totals"]["counters"] == "at_least"


def test_a_run_resumed_after_a_kill_has_counted_at_least_so_much(
    selection: list[e.Event], folded: Fold
) -> None:
    again = e.RunResumed(
        at=AT, collector_version="0.2.0", host="ops-2", user="u", pid=1, argv=("collector",)
    )
    made = document(folded([*selection, again, ended("stopped")]))
    assert made["totals"]["counters"] == "at_least"
    assert made["run"]["resumed"] == 1
    assert made["collector"] == {"version": "0.2.0"}
    assert made["run"]["host"] == "ops-1"


def test_what_is_written_is_the_document_and_its_hash(
    selection: list[e.Event], folded: Fold, collected: Collected, failed: Failed, tmp_path: Path
) -> None:
    for history in (selection[:1], [*selection, *collected(0), failed(3), ended("stopped")]):
        state = folded(history)
        digest = manifest.write(state.copied(), tmp_path, lines=12, head="a" * 64)
        written = (tmp_path / "manifest.json").read_bytes()
        assert json.loads(written) == document(state)
        assert hashlib.sha256(written).hexdigest() == digest


def test_odd_text_is_written_as_json_that_reads_the_same(
    selection: list[e.Event], folded: Fold, tmp_path: Path, started: e.RunStarted
) -> None:
    odd = ("数据库", "\udcff", "a\nb", '"')
    started = dataclasses.replace(started, argv=odd)
    manifest.write(folded([started, *selection[1:]]), tmp_path, lines=1, head=NO_HASH)
    text = (tmp_path / "manifest.json").read_text(encoding="utf-8")
    assert "数据库" in text
    assert tuple(json.loads(text)["run"]["argv"]) == odd


def test_files_are_replaced_whole_and_for_their_owner_alone(
    selection: list[e.Event], folded: Fold, tmp_path: Path
) -> None:
    state = folded(selection)
    (tmp_path / "manifest.json.part").write_text("left by a kill")
    manifest.write(state, tmp_path, lines=1, head=NO_HASH)
    manifest.write(state, tmp_path, lines=2, head=NO_HASH)
    assert {file.name for file in tmp_path.iterdir()} == {"manifest.json", "SHA256SUMS"}
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


def test_checksums_pass_sha256sum(
    selection: list[e.Event], folded: Fold, collected: Collected, tmp_path: Path
) -> None:
    program = shutil.which("sha256sum")
    if program is None:
        pytest.skip("sha256sum is not installed here")
    stored = collected(0)[-1]
    assert isinstance(stored, e.ArchiveStored)
    archive = tmp_path / "project-0" / "bms-0 数据" / stored.file_name
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"logs")
    stored = dataclasses.replace(
        stored,
        path=str(archive.relative_to(tmp_path)),
        sha256=hashlib.sha256(b"logs").hexdigest(),
    )
    manifest.write(folded([*selection, stored]), tmp_path, lines=1, head=NO_HASH)
    answer = subprocess.run(
        [program, "-c", "SHA256SUMS"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.endswith(": OK\n")


def test_a_summary_holds_the_rows_that_are_not_collected(
    selection: list[e.Event], folded: Fold, collected: Collected, failed: Failed, tmp_path: Path
) -> None:
    state = folded([*selection, *collected(0), *collected(1), failed(2), ended("stopped")])
    report = Report(state, lines=3, head="a" * 64)
    told = report.summary(tmp_path, "b" * 64).as_json()
    assert set(told) == {
        *("run", "totals", "directory", "manifest_sha256", "not_collected"),
        *("limits", "exports_limits", "durations", "reused_exports", "endpoints_down"),
        *("asked_to_wait", "last_event_at", "projects", "retried"),
    }
    assert [row["project"] for row in told["not_collected"]] == [
        {"id": row["id"], "name": row["name"]} for row in told["projects"][1:] * 2
    ]
    assert [row["state"] for row in told["not_collected"]] == ["failed", "pending"]
    assert told["directory"] == str(tmp_path)


def test_what_was_expected_stands_beside_what_came_of_it(
    selection: list[e.Event], folded: Fold, collected: Collected
) -> None:
    expected = e.RunEstimated(at=AT, servers=4, seconds=200.5, requests=12, bytes=16_000_000)
    counted = e.CallsCounted(at=AT, project=0, calls=7, throttled=0)
    events = [*selection, expected, *collected(0), counted]
    estimate = document(folded(events))["run"]["estimate"]
    assert estimate == {
        "at": AT, "servers": 4, "seconds": 200.5, "requests": 12, "bytes": 16_000_000,
        "took_s": None, "requests_made": 7, "bytes_collected": 100,
    }  # fmt: skip
    estimate = document(folded([*events, ended("stopped")]))["run"]["estimate"]
    assert estimate["took_s"] == 1137.0


def test_the_deadline_of_the_latest_process_stands_in_the_estimate(
    selection: list[e.Event], folded: Fold
) -> None:
    expected = e.RunEstimated(
        at=AT, servers=4, seconds=200.5, requests=12, bytes=16, deadline_at=LATER
    )
    made = document(folded([*selection, expected]))
    assert made["run"]["estimate"]["deadline_at"] == LATER
    jsonschema.Draft202012Validator(manifest_schema()).validate(json.loads(json.dumps(made)))


def test_an_estimate_is_that_of_the_latest_process_alone(
    selection: list[e.Event], folded: Fold, collected: Collected
) -> None:
    resumed = e.RunResumed(
        at=LATER, collector_version="0.1.0", host="ops-1", user="oncall", pid=1, argv=()
    )
    expected = e.RunEstimated(at=AT, servers=4, seconds=200.5, requests=12, bytes=16_000_000)
    counted = e.CallsCounted(at=AT, project=0, calls=7, throttled=0)
    events = [*selection, expected, *collected(0), counted, ended("stopped"), resumed]
    assert document(folded(events))["run"]["estimate"] is None
    events.append(dataclasses.replace(expected, at=LATER, servers=3))
    events += [counted, *collected(1)]
    estimate = document(folded(events))["run"]["estimate"]
    assert (estimate["servers"], estimate["requests_made"]) == (3, 7)
    assert estimate["bytes_collected"] == 101


@pytest.mark.parametrize("at", ["soon", "2026-11-23T08:41:03", "2026-11-24T00:00:00Z"])
def test_a_time_that_makes_no_sense_makes_no_duration(
    selection: list[e.Event], folded: Fold, at: str
) -> None:
    expected = e.RunEstimated(at=at, servers=4, seconds=1.0, requests=12, bytes=0)
    state = folded([*selection, expected, ended("stopped")])
    made = manifest.document(Report(state, lines=1, head="a"))
    assert made["run"]["estimate"]["took_s"] is None


def test_the_schema_takes_a_manifest_of_before_there_were_estimates(
    selection: list[e.Event], folded: Fold
) -> None:
    made = document(folded(selection))
    del made["run"]["estimate"]
    jsonschema.Draft202012Validator(manifest_schema()).validate(json.loads(json.dumps(made)))


@given(st.text(st.characters(exclude_categories=())), st.integers(), st.floats(allow_nan=False))
def test_a_part_is_written_as_json_dumps_writes_it(text: str, number: int, offset_s: float) -> None:
    error = Error("export", text, number, text, None, 1, text)
    assert json_text(error) == json.dumps(error.as_json(), ensure_ascii=False)
    if not math.isinf(offset_s):
        assert json.loads(json_text(offset_s)) == offset_s
