from __future__ import annotations

import fcntl
import json
import logging
import multiprocessing
import os
import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from collector.history import Memory, entries
from collector.history import file as memory_file
from collector.history.file import FILE, LOCK, DamagedMemory, load, save
from collector.model import events as e
from collector.model.answers import Scope, ScopeKind
from collector.model.prior import Prior, PriorDurations, PriorExports, PriorLimit
from collector.model.state import RunState, apply

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
AT = "2026-11-23T08:41:03.000Z"
ENDPOINT = "https://clouddc.example.com"
ACCOUNT = f"ops at {ENDPOINT}"


@pytest.fixture(autouse=True)
def _logs_of_every_level(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a command in this process has set up before."""
    caplog.set_level(logging.DEBUG, "collector")


def limit(name: str = ACCOUNT, *, calls: float = 10, at: str = AT, source: str = "told") -> e.Event:
    return e.LimitLearned(
        at=at, scope="user", name=name, limit=calls, window_s=1.0, source=source
    )  # fmt: skip


def exports_limit(*, source: str = "estimated") -> e.Event:
    return e.ExportsLimitLearned(
        at=AT, scope="project", name=f"p1 at {ENDPOINT}", limit=20, source=source
    )  # fmt: skip


def durations(*, exports: int = 40, median_s: float = 180.0) -> e.Event:
    return e.DurationsLearned(at=AT, project=0, exports=exports, median_s=median_s, spread=0.5)


def of_model(model: str, *, exports: int = 30, median_s: float = 60.0) -> e.Event:
    return e.DurationsLearned(
        at=AT, project=0, exports=exports, median_s=median_s, spread=0.5, model=model
    )


def state_of(*learned: e.Event, project_id: str = "p1") -> RunState:
    state = RunState()
    row = e.ProjectSelected(
        at=AT, project=0, id=project_id, name="payments", endpoint=ENDPOINT, credential="ops",
        directory="payments", requests_per_second=None, exports_in_flight=None, share=0.95,
    )  # fmt: skip
    for event in (row, *learned):
        apply(state, event)
    return state


def known(directory: Path, state: RunState | None = None, now: datetime = NOW) -> Prior:
    return load(directory, now).known(state or state_of())


def test_what_a_run_learned_is_what_the_next_one_begins_with(tmp_path: Path) -> None:
    save(tmp_path, state_of(limit(), exports_limit(), durations()), NOW)
    assert known(tmp_path) == Prior(
        limits=(PriorLimit(Scope(ScopeKind.USER, ACCOUNT), 10, 1.0, "told"),),
        exports=(PriorExports(Scope(ScopeKind.PROJECT, f"p1 at {ENDPOINT}"), 20),),
        durations={0: PriorDurations(40, 180.0, 0.5)},
    )


def test_durations_are_those_of_the_project_whatever_its_number(tmp_path: Path) -> None:
    save(tmp_path, state_of(durations(), project_id="p2"), NOW)
    assert known(tmp_path).durations == {}
    assert known(tmp_path, state_of(project_id="p2")).durations == {0: PriorDurations(40, 180, 0.5)}


def test_durations_of_models_are_remembered_beside_their_projects(tmp_path: Path) -> None:
    save(tmp_path, state_of(durations(), of_model("a"), of_model("b", median_s=5.0)), NOW)
    assert known(tmp_path).durations == {0: PriorDurations(40, 180.0, 0.5)}
    assert known(tmp_path).of_models == {
        (0, "a"): PriorDurations(30, 60.0, 0.5),
        (0, "b"): PriorDurations(30, 5.0, 0.5),
    }
    assert known(tmp_path, state_of(project_id="p2")).of_models == {}
    save(tmp_path, state_of(of_model("a", exports=1, median_s=70.0)), NOW)
    assert known(tmp_path).of_models[0, "a"] == PriorDurations(30, 70.0, 0.5)


def test_a_file_from_before_models_were_known_is_read(tmp_path: Path) -> None:
    save(tmp_path, state_of(durations(), of_model("a")), NOW)
    document = json.loads((tmp_path / FILE).read_bytes())
    assert document["version"] == 1
    assert [one["model"] for one in document.pop("durations_of_models")] == ["a"]
    (tmp_path / FILE).write_text(json.dumps(document))
    assert known(tmp_path) == Prior(durations={0: PriorDurations(40, 180.0, 0.5)})


@pytest.mark.parametrize("model", ["", "x" * 201, "a\nb"])
def test_a_model_that_nobody_sells_is_not_remembered_nor_believed(
    tmp_path: Path, model: str
) -> None:
    save(tmp_path, state_of(of_model(model)), NOW)
    assert not (tmp_path / FILE).exists()
    save(tmp_path, state_of(of_model("a")), NOW)
    document = json.loads((tmp_path / FILE).read_bytes())
    document["durations_of_models"][0]["model"] = model
    (tmp_path / FILE).write_text(json.dumps(document))
    with pytest.raises(DamagedMemory):
        load(tmp_path, NOW)


def test_a_run_of_one_server_leaves_what_many_exports_have_shown(tmp_path: Path) -> None:
    save(tmp_path, state_of(durations()), NOW)
    save(tmp_path, state_of(durations(exports=1, median_s=190.0)), NOW)
    assert known(tmp_path).durations == {0: PriorDurations(40, 190.0, 0.5)}


def test_what_is_only_remembered_grows_no_younger(tmp_path: Path) -> None:
    save(tmp_path, state_of(limit(source="remembered"), exports_limit(source="remembered")), NOW)
    assert not (tmp_path / FILE).exists()
    save(tmp_path, state_of(limit(at="2026-11-01T00:00:00.000Z")), NOW)
    save(tmp_path, state_of(limit(source="remembered"), exports_limit()), NOW)
    (entry,) = json.loads((tmp_path / FILE).read_bytes())["limits"]
    assert (entry["at"], entry["source"]) == ("2026-11-01T00:00:00.000Z", "told")


def test_runs_add_to_what_others_have_learned_and_the_latest_holds(tmp_path: Path) -> None:
    save(tmp_path, state_of(limit(calls=5, at="2026-11-23T08:00:00.000Z"), limit("other")), NOW)
    save(tmp_path, state_of(limit(calls=7)), NOW)
    save(tmp_path, state_of(limit(calls=9, at="2026-11-23T08:30:00.000Z")), NOW)
    assert {one.scope.name: one.limit for one in known(tmp_path).limits} == {
        ACCOUNT: 7,
        "other": 10,
    }


def test_a_limit_that_was_refuted_is_forgotten_and_one_learned_since_is_not(
    tmp_path: Path,
) -> None:
    save(tmp_path, state_of(limit(source="estimated", at="2026-11-22T08:00:00.000Z")), NOW)
    refuted = state_of(limit(source="refuted", at="2026-11-23T08:00:00.000Z"))
    assert known(tmp_path, refuted).limits == ()
    save(tmp_path, refuted, NOW)
    assert known(tmp_path).limits == ()
    save(tmp_path, state_of(limit(source="estimated")), NOW)
    save(tmp_path, refuted, NOW)
    assert [one.limit for one in known(tmp_path).limits] == [10]


def test_a_run_taken_up_again_begins_with_what_its_journal_says(tmp_path: Path) -> None:
    save(tmp_path, state_of(limit(calls=5, at="2026-11-20T08:00:00.000Z")), NOW)
    assert [one.limit for one in known(tmp_path, state_of(limit(calls=7))).limits] == [7]


def test_what_is_older_than_30_days_or_of_the_future_is_forgotten(tmp_path: Path) -> None:
    save(tmp_path, state_of(limit()), NOW)
    assert known(tmp_path, now=NOW + timedelta(days=29)).limits
    assert not known(tmp_path, now=NOW + timedelta(days=31)).limits
    assert not known(tmp_path, now=NOW - timedelta(days=31)).limits
    save(tmp_path, state_of(exports_limit()), NOW + timedelta(days=29))
    save(tmp_path, state_of(exports_limit()), NOW + timedelta(days=30))
    assert not json.loads((tmp_path / FILE).read_bytes())["limits"]


def test_the_file_is_bounded_and_the_latest_entries_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entries, "ENTRIES_KEPT", 3)
    many = [limit(f"a{n}", at=f"2026-11-23T08:00:0{n}.000Z") for n in range(6)]
    save(tmp_path, state_of(*many), NOW)
    assert {one.scope.name for one in known(tmp_path).limits} == {"a3", "a4", "a5"}


def test_what_makes_no_sense_is_not_kept(tmp_path: Path) -> None:
    odd = [
        limit(at="soon"),
        limit("b", calls=float("inf")),
        limit("c", calls=0),
        durations(median_s=0),
    ]
    save(tmp_path, state_of(*odd), NOW)
    assert not (tmp_path / FILE).exists()


def test_only_the_user_can_read_it(tmp_path: Path) -> None:
    directory = tmp_path / "state" / "collector"
    save(directory, state_of(limit()), NOW)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {path.name for path in directory.iterdir()} == {FILE, LOCK}
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}


def test_nothing_learned_writes_nothing(tmp_path: Path) -> None:
    save(tmp_path / "state", state_of(), NOW)
    assert not (tmp_path / "state").exists()


def _save_one(directory: Path, number: int) -> None:
    save(directory, state_of(limit(f"account-{number}")), NOW)


def test_runs_that_end_at_once_lose_nothing_of_each_other(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_save_one, args=(tmp_path, n)) for n in range(6)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert {one.scope.name for one in known(tmp_path).limits} == {f"account-{n}" for n in range(6)}


def test_a_lock_that_is_never_given_back_keeps_no_run_from_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_file, "LOCKED_WITHIN_S", 0.05)
    with (tmp_path / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        save(tmp_path, state_of(limit()), NOW)
    assert known(tmp_path).limits


DAMAGED = {
    "half": b'{"version": 1, "limits": [',
    "no object": b"[]",
    "no JSON": b"\xff\x00",
    "deep": b"[" * 100_000,
    "a limit of a million million": json.dumps(
        {
            "version": 1, "exports_limits": [], "durations": [],
            "limits": [{"scope": "user", "name": "x", "limit": 1e12, "window_s": 1,
                        "source": "told", "at": AT}],
        }
    ).encode(),
    "no time": json.dumps(
        {
            "version": 1, "limits": [], "durations": [],
            "exports_limits": [{"scope": "user", "name": "x", "limit": 2, "source": "told",
                                "at": "soon"}],
        }
    ).encode(),
}  # fmt: skip


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_told_once_passed_over_and_replaced(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(DamagedMemory):
        load(tmp_path, NOW)
    memory = Memory(tmp_path)
    assert not memory.recall().limits
    memory.keep(state_of(limit(at=datetime.now(UTC).isoformat())))
    assert [line.levelname for line in caplog.records] == ["WARNING"]
    assert load(tmp_path, datetime.now(UTC)).limits


def test_a_file_of_a_newer_version_is_told_and_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_text('{"version": 2}')
    memory = Memory(tmp_path)
    assert not memory.recall().limits
    memory.keep(state_of(limit()))
    assert len(caplog.records) == 1
    assert "a newer version" in caplog.text
    assert (tmp_path / FILE).read_text() == '{"version": 2}'


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_what_is_no_file_is_told_once_and_harms_no_run(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / FILE
    if kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
        (tmp_path / "elsewhere").write_text("mine")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    memory = Memory(tmp_path)
    assert not memory.recall().limits
    assert [line.levelname for line in caplog.records] == ["WARNING"]
    memory.keep(state_of(limit()))
    if kind == "link":
        assert (tmp_path / "elsewhere").read_text() == "mine"


def test_a_place_that_cannot_be_written_is_told_for_whoever_asks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    memory = Memory(tmp_path / "file" / "collector")
    memory.keep(state_of(limit()))
    assert [line.levelname for line in caplog.records] == ["INFO"]


def test_without_a_place_nothing_is_kept(tmp_path: Path) -> None:
    memory = Memory(None)
    assert not memory.recall().limits
    memory.keep(state_of(limit()))
    assert not list(tmp_path.iterdir())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
entry = st.fixed_dictionaries(
    {
        "scope": st.sampled_from(["user", "api", "planet"]) | json_values,
        "name": st.text(max_size=5) | json_values,
        "limit": st.floats() | st.integers() | json_values,
        "window_s": st.floats() | json_values,
        "source": st.sampled_from(["told", "estimated", "inventory"]),
        "at": st.sampled_from([AT, "2026-11-23", "x"]) | json_values,
    }
)


@given(st.lists(entry, max_size=2))
def test_whatever_the_file_holds_is_read_or_called_damaged(entries: list[Any]) -> None:
    import tempfile  # noqa: PLC0415  # tmp_path is one for all examples
    from pathlib import Path  # noqa: PLC0415  # as above

    with tempfile.TemporaryDirectory() as name:
        document = {"version": 1, "limits": entries, "exports_limits": entries, "durations": []}
        (Path(name) / FILE).write_text(json.dumps(document))
        try:
            found = load(Path(name), NOW)
        except DamagedMemory:
            return
        assert all(0 < one.limit <= 1_000_000 for one in found.limits.values())
