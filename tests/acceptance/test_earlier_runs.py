"""Runs of an earlier version are shown, resumed and verified: those that `make_runs.py` made."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from anyio.from_thread import start_blocking_portal

from tests.support.answers import archive_of
from tests.support.command import Command
from tests.support.earlier import ETAG, fleet, inventory, large, large_from

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.wire import Answer, Call, Wire

RUNS: Final = Path(__file__).parents[1] / "fixtures" / "runs"


@dataclass(frozen=True)
class Left:
    """How a run was left.

    Attributes:
        state: as `runs` has it.
        servers: its fleet.
        collected: of these, as far as the journal can be believed.
        mismatch: a file that `verify` says is not as it was written.
    """

    state: str
    servers: int
    collected: int
    mismatch: str | None = None


LEFT: Final = {
    "finished": Left("partial", 5, 4),
    "killed": Left("interrupted", 6, 2),
    "damaged": Left("interrupted", 6, 1, "journal.jsonl"),
}


@dataclass(frozen=True)
class Earlier(Command):
    """The command beside runs of an earlier version, and the service that they were made beside."""

    wire: Wire

    def environment(self, **variables: str) -> dict[str, str]:
        """The service has a name that leads nowhere, so that a proxy answers."""
        return super().environment(http_proxy=self.wire.url, **variables)

    def shown(self, *arguments: str, code: int = 0) -> Any:  # noqa: ANN401  # JSON
        ended = self.run(*arguments, "--json")
        assert ended.returncode == code, ended.stderr + ended.stdout
        return json.loads(ended.stdout)

    def resume(self, run: str, *how: str) -> None:
        ended = self.run("collect", "--resume", run, *how, "--retry-failed")
        assert ended.returncode == 0, ended.stderr


def rest_of_the_large_one(call: Call) -> Answer:
    start = call.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-")
    return (large_from(int(start)),)


@pytest.fixture
def earlier(tmp_path: Path) -> Iterator[Earlier]:
    out = tmp_path / "collected"
    shutil.copytree(RUNS, out)
    for path in (out, *out.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)  # as before it was checked in
    wire = fleet(6, {"bms-3": {"download": rest_of_the_large_one}})
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(wire):
        (tmp_path / "fleet.json").write_text(json.dumps(inventory(wire)))
        yield Earlier(tmp_path, wire.token, wire)


def test_runs_of_an_earlier_version_are_listed(earlier: Earlier) -> None:
    listed = {one["id"]: one for one in earlier.shown("runs")}
    assert listed.keys() == LEFT.keys()
    for run, left in LEFT.items():
        assert listed[run]["state"] == left.state
        assert listed[run]["totals"]["servers"] == left.servers


@pytest.mark.parametrize("run", LEFT)
def test_run_of_an_earlier_version_is_shown_as_it_was_left(earlier: Earlier, run: str) -> None:
    shown = earlier.shown("status", f"collected/{run}")
    assert shown["totals"]["collected"] == LEFT[run].collected
    assert len(shown["not_collected"]) == LEFT[run].servers - LEFT[run].collected


@pytest.mark.parametrize("run", LEFT)
def test_run_of_an_earlier_version_is_verified_as_it_was_left(earlier: Earlier, run: str) -> None:
    mismatch = LEFT[run].mismatch
    found = earlier.shown("verify", f"collected/{run}", code=6 if mismatch else 0)
    assert [one["path"] for one in found["mismatches"]] == ([mismatch] if mismatch else [])


@pytest.mark.parametrize("how", ["fleet.json", "--trust-journal"])
@pytest.mark.parametrize("run", LEFT)
def test_run_of_an_earlier_version_is_resumed_to_its_end(
    earlier: Earlier, run: str, how: str
) -> None:
    before = {path: path.read_bytes() for path in (earlier.out / run).rglob("*.gz")}
    earlier.resume(run, how)
    found = earlier.shown("verify", f"collected/{run}")
    manifest = json.loads((earlier.out / run / "manifest.json").read_bytes())
    assert (found["ok"], found["archives"]) == (True, manifest["totals"]["servers"])
    for row in manifest["projects"][0]["servers"]:
        archive = earlier.out / run / row["archive"]["path"]
        is_large = row["id"] == "bms-3" and run != "finished"
        assert archive.read_bytes() == (large() if is_large else archive_of(row["id"]))
        assert before.get(archive, archive.read_bytes()) == archive.read_bytes()


def test_resume_carries_on_where_the_earlier_version_was_killed(earlier: Earlier) -> None:
    earlier.resume("killed", "fleet.json")
    assert [earlier.wire.posts(f"bms-{number}") for number in range(1, 7)] == [0, 0, 0, 0, 1, 1]
    (rest,) = earlier.wire.called("bms-3", "download")
    assert rest.headers["range"] == "bytes=471565-"
    assert rest.headers["if-range"] == ETAG.decode()
    assert not earlier.wire.called("bms-1", "download")
