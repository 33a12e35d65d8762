"""What runs under one output directory tell each other of their exports."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from typing import TYPE_CHECKING

import anyio
import pytest

from collector.model import events as e
from collector.model.answers import Outstanding, Reusable
from collector.model.state import RunState, apply
from collector.rundir.journal.journal import Journal
from collector.sharing.claims import Claims
from collector.sharing.exports_file import EXPORTS, LOCK
from collector.sharing.ledger import Claim, ClaimKind, ServerKey, decode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Fold = Callable[[list[e.Event]], RunState]

NOW = "2026-11-23T09:00:00.000Z"
LONG_AGO = "2026-11-20T09:00:00.000Z"


class Runs:
    """Runs under one directory, of the same four servers each."""

    def __init__(self, out: Path, state: Callable[[], RunState]) -> None:
        self.out = out
        self._state = state
        self._journals: dict[str, Journal] = {}

    def begin(self, name: str, *, fresh_s: float = 300.0) -> Claims:
        (self.out / name).mkdir()
        self._journals[name] = Journal.create(self.out / name / "journal.jsonl")
        return self.again(name, fresh_s=fresh_s)

    def again(self, name: str, *, fresh_s: float = 300.0) -> Claims:
        return Claims(
            self.out / name, self._state(), fresh_s=fresh_s, age_s=lambda at: 600.0 * (at < NOW),
            stamp=lambda ago_s: NOW if ago_s < 80_000 else "2026-11-22T09:00:00.000Z",
        )  # fmt: skip

    def kill(self, name: str) -> None:
        self._journals.pop(name).close()

    def close(self) -> None:
        for name in list(self._journals):
            self.kill(name)

    @property
    def lines(self) -> list[Claim]:
        text = (self.out / ".collector" / EXPORTS).read_bytes()
        return [line for line in map(decode, text.splitlines()) if line is not None]


@pytest.fixture
def runs(tmp_path: Path, selection: list[e.Event], folded: Fold) -> Runs:
    return Runs(tmp_path, lambda: folded(selection))


def started(server: int, export_id: str = "x") -> e.ExportStarted:
    return e.ExportStarted(at=NOW, server=server, export_id=export_id)


async def request(claims: Claims, server: int) -> None:
    """Claim an export, and note its intention as the orchestrator does."""
    assert await claims.claim([server]) == {}
    apply(claims._state, e.ExportRequested(at=NOW, server=server))


def test_export_is_waited_for_while_its_run_lives_and_taken_when_it_is_known(runs: Runs) -> None:
    async def main() -> None:
        one, two = runs.begin("one"), runs.begin("two")
        assert await one.begin() == await two.begin() == {}
        await request(one, 0)
        assert await two.claim([0, 1]) == {0: Outstanding("one")}
        await one.publish([started(0, "x0")])
        assert await two.claim([0]) == {0: Reusable("x0", NOW, "one")}

    anyio.run(main)
    runs.close()


def test_claim_of_a_run_that_is_dead_holds_nobody_up(runs: Runs) -> None:
    async def main() -> None:
        one, two = runs.begin("one"), runs.begin("two")
        await one.begin()
        await two.begin()
        await request(one, 0)
        runs.kill("one")
        assert await two.claim([0]) == {}

    anyio.run(main)
    runs.close()


@pytest.mark.parametrize("kind", ["throttled", "cut"])
def test_post_that_came_to_nothing_frees_its_server(runs: Runs, kind: str) -> None:
    async def main() -> None:
        one, two = runs.begin("one"), runs.begin("two")
        await one.begin()
        await two.begin()
        await request(one, 0)
        await one.publish([e.ExportNotStarted(at=NOW, server=0, kind=kind)])
        assert await two.claim([0]) == {}
        assert await one.claim([0]) == {0: Outstanding("two")}

    anyio.run(main)
    runs.close()


def test_export_that_is_gone_is_taken_over_by_nobody(
    runs: Runs, failed: Callable[..., e.ServerFailed]
) -> None:
    async def main() -> None:
        one, two = runs.begin("one"), runs.begin("two")
        await one.begin()
        await request(one, 0)
        await one.publish([started(0)])
        apply(one._state, started(0))
        await one.publish([failed(0, "export_failed")])
        assert await two.begin() == {}

    anyio.run(main)
    runs.close()


def test_run_without_reuse_takes_nothing_over_and_tells_the_others_all_the_same(runs: Runs) -> None:
    async def main() -> None:
        one, two = runs.begin("one"), runs.begin("two", fresh_s=0.0)
        await one.begin()
        await request(one, 0)
        assert await two.begin() == {}
        assert await two.claim([0]) == {}
        await one.publish([started(0)])
        assert await two.claim([0]) == {}
        await request(two, 1)
        assert await one.claim([1]) == {1: Outstanding("two")}

    anyio.run(main)
    runs.close()


def test_file_that_grew_large_loses_what_is_old_and_nobody_loses_what_is_not(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Claim(LONG_AGO, "gone", ClaimKind.REQUESTED, ServerKey("e", "p", "s", "c"))

    async def main() -> None:
        one = runs.begin("one")
        await one.begin()
        await request(one, 0)
        path = runs.out / ".collector" / EXPORTS
        path.write_bytes(old.encode() * 10 + path.read_bytes())
        monkeypatch.setattr("collector.sharing.exports_file.COMPACTED_BYTES", 100)
        two = runs.begin("two")
        await two.begin()
        assert [line.run for line in runs.lines] == ["one"]
        assert path.stat().st_mode & 0o777 == 0o600
        await one.publish([started(0, "x0")])  # into the file that took the other's place
        assert await two.claim([0]) == {0: Reusable("x0", NOW, "one")}

    anyio.run(main)
    runs.close()


def test_lock_that_somebody_keeps_stops_the_sharing_and_not_the_run(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("collector.sharing.exports_file.LOCKED_WITHIN_S", 0.05)
    caplog.set_level(logging.WARNING, "collector")

    async def main() -> None:
        one = runs.begin("one")
        await one.begin()
        lock = os.open(runs.out / ".collector" / LOCK, os.O_RDWR)
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert await one.claim([0]) == {}
        os.close(lock)
        assert await one.claim([0]) == {}
        assert runs.lines == []

    anyio.run(main)
    runs.close()
    assert caplog.text.count("exports are no longer shared") == 1


def test_directory_that_is_removed_stops_the_sharing_and_not_the_run(
    runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "collector")

    async def main() -> None:
        one = runs.begin("one")
        await one.begin()
        await request(one, 0)
        shutil.rmtree(runs.out / ".collector")
        await one.publish([started(0, "x0")])

    anyio.run(main)
    runs.close()
    assert caplog.text.count("exports are no longer shared") == 1


@pytest.mark.parametrize("name", ["../elsewhere", "", ".", "..", "a/b"])
def test_name_that_is_no_run_is_of_no_run_alive(runs: Runs, name: str) -> None:
    async def main() -> None:
        one = runs.begin("one")
        await one.begin()
        key = one._key(one._state.servers[0])
        line = Claim(NOW, name, ClaimKind.REQUESTED, key)
        with (runs.out / ".collector" / EXPORTS).open("ab") as file:
            file.write(line.encode())
        assert await one.claim([0]) == {}

    anyio.run(main)
    runs.close()


@pytest.mark.parametrize(
    "line",
    [b"", b"\0\0", b"[]", b"{}", b'{"at":1}', b'{"at":"a","run":"r","what":"eaten"}', b"\xff{"],
)
def test_what_is_no_line_is_passed_over(line: bytes) -> None:
    assert decode(line) is None


def test_line_is_read_as_it_was_written() -> None:
    line = Claim(NOW, "run", ClaimKind.STARTED, ServerKey("e", "p", "ß\n", "c"), "x", LONG_AGO)
    assert decode(line.encode()) == line
    assert line.encode().count(b"\n") == 1
