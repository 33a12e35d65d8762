from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anyio
import jsonschema
import pytest
from click.testing import CliRunner, Result

from collector.cli import main
from collector.model import events as e
from collector.model.state import RunState, apply
from collector.rundir import manifest
from collector.rundir.journal.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Collected = Callable[[int], list[e.Event]]
    Failed = Callable[..., e.ServerFailed]

ENDED = e.RunEnded(at="2026-11-23T09:00:00Z", reason="stopped")


def write(directory: Path, events: list[e.Event]) -> None:
    """Leave a run as a collect does, but for its archives."""
    directory.mkdir()
    state = RunState()
    with Journal.create(directory / "journal.jsonl") as journal:
        anyio.run(journal.record, events)
        for event in events:
            apply(state, event)
        manifest.write(state, directory, lines=journal.lines, head=journal.head)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_status_tells_what_did_not_come_home_and_why(
    selection: list[e.Event], collected: Collected, failed: Failed, tmp_path: Path
) -> None:
    write(tmp_path / "run", [*selection, *collected(0), *collected(1), failed(2), ENDED])
    answer = call("status", tmp_path / "run")
    assert answer.exit_code == 0
    assert "2 of 4 servers" in answer.stdout
    assert "the API does not know this server" in answer.stdout
    assert "check the server's id" in answer.stdout
    assert "--resume" in answer.stdout


LEARNED: list[e.Event] = [
    e.LimitLearned(
        at="2026-11-23T08:41:09Z", scope="user", limit=10, window_s=1.0, source="told",
        name="ops-of-the-whole-company at https://clouddc.cn-east-3.example.com",
    ),
    e.ExportsLimitLearned(
        at="2026-11-23T08:41:09Z", scope="project", limit=20, source="estimated",
        name="p1 at https://clouddc.cn-south-1.example.com",
    ),
    e.DurationsLearned(
        at="2026-11-23T08:41:09Z", project=1, exports=40, median_s=180.0, spread=0.5
    ),
]  # fmt: skip


def test_verbose_status_says_what_was_learned_in_80_columns(
    selection: list[e.Event], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "run", [*selection, *LEARNED, ENDED])
    answer = call("status", "run", "-v")
    assert max(map(len, answer.stdout.splitlines())) <= 80
    text = " ".join(answer.stdout.split())
    assert "10 calls in 1 s for the account ops-of-the-whole-company at https://" in text
    assert "reported by the service" in text
    assert "20 exports at once for the project p1 at https://" in text
    assert "estimated from its refusals" in text
    assert "project-1: half of the exports take up to 3 min, nine in ten up to 5 min 45 s" in text
    assert "reported by the service" not in call("status", tmp_path / "run").stdout


def test_verbose_status_says_that_nothing_was_learned(
    selection: list[e.Event], tmp_path: Path
) -> None:
    write(tmp_path / "run", [*selection, ENDED])
    assert "nothing yet" in call("status", tmp_path / "run", "-v").stdout


def test_json_status_holds_what_was_learned(selection: list[e.Event], tmp_path: Path) -> None:
    write(tmp_path / "run", [*selection, *LEARNED, ENDED])
    told = json.loads(call("status", tmp_path / "run", "--json").stdout)
    assert [(one["scope"], one["limit"], one["source"]) for one in told["limits"]] == [
        ("user", 10, "told")
    ]
    assert [one["limit"] for one in told["exports_limits"]] == [20]
    (durations,) = told["durations"]
    assert (durations["project_id"], durations["exports"]) == ("p1", 40)


def test_a_limit_that_was_refuted_is_not_shown(selection: list[e.Event], tmp_path: Path) -> None:
    refuted = e.LimitLearned(
        at="2026-11-23T08:42:09Z", scope="user", limit=10, window_s=1.0, source="refuted",
        name="ops-of-the-whole-company at https://clouddc.cn-east-3.example.com",
    )  # fmt: skip
    write(tmp_path / "run", [*selection, *LEARNED, refuted, ENDED])
    assert "ops-of-the-whole-company" not in call("status", tmp_path / "run", "-v").stdout


def test_status_prints_the_summary_of_the_manifest_beside_it(
    selection: list[e.Event], collected: Collected, tmp_path: Path
) -> None:
    write(tmp_path / "run", [*selection, *collected(0), ENDED])
    told = json.loads(call("status", tmp_path / "run", "--json").stdout)
    written = json.loads((tmp_path / "run" / "manifest.json").read_bytes())
    assert told["run"] == written["run"]
    assert told["totals"] == written["totals"]
    assert [row["id"] for row in told["not_collected"]] == ["id-1", "id-2", "id-3"]


def test_status_reads_the_journal_where_the_manifest_lags(
    selection: list[e.Event], collected: Collected, tmp_path: Path
) -> None:
    write(tmp_path / "run", selection)
    journal, _ = Journal.resume(tmp_path / "run" / "journal.jsonl")
    with journal:
        anyio.run(journal.record, collected(0))
        running = json.loads(call("status", tmp_path / "run", "--json").stdout)
    killed = json.loads(call("status", tmp_path / "run", "--json").stdout)
    assert running["run"]["state"] == "running"
    assert killed["run"]["state"] == "interrupted"
    assert running["totals"]["collected"] == killed["totals"]["collected"] == 1


def test_status_of_a_damaged_journal_goes_as_far_as_it_is_whole_and_says_so(
    selection: list[e.Event], collected: Collected, tmp_path: Path
) -> None:
    write(tmp_path / "run", [*selection, *collected(0), ENDED])
    path = tmp_path / "run" / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"polls":3', b'"polls":4'))
    answer = call("status", tmp_path / "run")
    assert "line 11 is damaged" in answer.stderr
    assert "0 of 4 servers" in answer.stdout


def test_a_line_that_a_run_is_writing_is_no_damage(
    selection: list[e.Event], tmp_path: Path
) -> None:
    write(tmp_path / "run", selection)
    path = tmp_path / "run" / "journal.jsonl"
    journal, _ = Journal.resume(path)
    with journal, path.open("ab") as file:
        file.write(b'{"event":"RunEn')
        file.flush()
        status = call("status", tmp_path / "run")
        verify = call("verify", tmp_path / "run")
    assert (status.exit_code, status.stderr) == (0, "")
    assert "journal.jsonl: line" not in verify.output
    assert verify.exit_code == 0
    left = call("verify", tmp_path / "run")
    assert "journal.jsonl: line 9 is unfinished" in left.output
    assert left.exit_code == 0


@pytest.mark.parametrize("command", ["status", "verify"])
def test_what_is_no_run_is_a_usage_error(command: str, tmp_path: Path) -> None:
    answer = call(command, tmp_path)
    assert answer.exit_code == 2
    assert "is not a run directory" in answer.stderr


def test_a_run_that_never_began_says_so(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").touch()
    answer = call("status", tmp_path)
    assert answer.exit_code == 2
    assert "was stopped before it began" in answer.stderr


def test_runs_lists_each_run_with_its_state(
    selection: list[e.Event], collected: Collected, tmp_path: Path
) -> None:
    write(tmp_path / "1-killed", [*selection, *collected(0)])
    write(tmp_path / "2-ended", [*selection, *(e for s in range(4) for e in collected(s)), ENDED])
    (tmp_path / "3-empty").mkdir()
    (tmp_path / "3-empty" / "journal.jsonl").touch()
    (tmp_path / "no-run").mkdir()
    (tmp_path / "latest").symlink_to("2-ended")
    told = json.loads(call("runs", tmp_path, "--json").stdout)
    members = {"id", "state", "started_at", "totals", "finished_at", "took_s", "resumed"}
    assert [set(run) for run in told] == [members] * 3
    assert [run["state"] for run in told] == ["interrupted", "complete", "interrupted"]
    assert told[0]["totals"]["collected"] == 1
    assert told[1]["totals"]["counters"] == "exact"
    assert told[2]["totals"] is None
    table = call("runs", tmp_path).stdout.splitlines()
    assert len(table) == 6
    assert max(map(len, table)) <= 80
    assert table[-1] == "3 runs: 2 interrupted, 1 complete."


def test_runs_says_running_while_a_process_holds_one(
    selection: list[e.Event], tmp_path: Path
) -> None:
    write(tmp_path / "run", [*selection, ENDED])
    journal, _ = Journal.resume(tmp_path / "run" / "journal.jsonl")
    with journal:
        again = e.RunResumed(
            at=ENDED.at, collector_version="0.1.0", host="h", user="u", pid=1, argv=()
        )
        anyio.run(journal.record, [again])
        assert json.loads(call("runs", tmp_path, "--json").stdout)[0]["state"] == "running"


def test_no_runs_are_an_empty_list(tmp_path: Path) -> None:
    assert json.loads(call("runs", tmp_path, "--json").stdout) == []
    assert "no runs" in call("runs", tmp_path).stdout


def test_verify_answers_6_and_names_what_is_amiss(
    selection: list[e.Event], collected: Collected, tmp_path: Path
) -> None:
    write(tmp_path / "run", [*selection, *collected(0), ENDED])
    answer = call("verify", tmp_path / "run")
    assert answer.exit_code == 6
    assert "project-0/bms-0/SN0-dump.tar.gz: missing" in answer.stdout
    assert "collector collect --resume" in answer.stdout
    told = json.loads(call("verify", tmp_path / "run", "--json").stdout)
    assert told["ok"] is False
    assert told["mismatches"] == [
        {
            "path": "project-0/bms-0/SN0-dump.tar.gz",
            "what": "missing",
            "expected": "a file",
            "found": None,
        }
    ]


def test_verify_answers_0_where_all_is_well_whatever_the_runs_verdict(
    selection: list[e.Event], failed: Failed, tmp_path: Path
) -> None:
    write(tmp_path / "run", [*selection, *(failed(server) for server in range(4)), ENDED])
    answer = call("verify", tmp_path / "run")
    assert answer.exit_code == 0
    assert "whole and unchanged" in answer.stdout


@pytest.mark.parametrize("what", ["inventory", "manifest", "journal"])
def test_schema_prints_a_schema(what: str) -> None:
    schema = json.loads(call("schema", what).stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)
