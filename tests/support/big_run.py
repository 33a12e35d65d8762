"""Runs of any size that nobody had to collect: journals, and manifests, as a run leaves them.

    python -m tests.support.big_run --servers 100000 --failed 5000 --out DIR
    python -m tests.support.big_run --servers 2000 --pending 300 --running --hostile --out DIR

Journals are whole: each line has its hash, and each event can follow those before it. There are no
archives. Two runs of as many servers under one directory are of the same servers, so that they can
be compared: `--generation 1` makes a later one that has lost and gained some, and of which others
failed. The same options make the same run.
"""

from __future__ import annotations

import argparse
import hashlib
import heapq
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from collector.model import events as e
from collector.model.state import RunState, apply
from collector.rundir import manifest
from collector.rundir.journal.lines import NO_HASH, encode
from collector.rundir.layout import JOURNAL, server_directories

if TYPE_CHECKING:
    from collections.abc import Iterator

BEGAN = datetime(2026, 11, 23, 8, 41, 3, tzinfo=UTC)
ENDPOINT = "https://clouddc.cn-east-3.myhuaweicloud.com"
HOSTILE = (
    "<script>document.title='x'</script>",
    "</script><img src=x onerror=alert(1)>",
    "\x1b[2J\x1b[31mred\x1b[0m",
    "\u202egnp.exe\u2066",
    "a\nb\tc\r\0",
    "\u200b\u3164",
    '=HYPERLINK("http://x")',
    "x" * 10_000,
    "\u00fcml\u00e4ut \u65e5\u672c\u8a9e \U0001f600",
    "javascript:alert(1)",
    "&lt;b&gt; &amp; \"'`",
)
"""Names, tags and messages that are no good anywhere."""
_ROLES = ("db", "web", "cache", "compute")
_DAYS_APART = 1
_RATE = 40.0
"""Exports that are asked for in a second."""
_COUNTED_S = 5.0

Failing = tuple[str, str, str | None, int | None, str, str]
_FAILURES: tuple[Failing, ...] = (
    ("export", "forbidden", "iMetal.0004", 403, "Insufficient permissions.",
     "ask for the permission clouddc:imetal:createDumpLog, then --resume with --retry-failed"),
    ("export", "unknown_server", "iMetal.0100", 404, "The server {id} does not exist.",
     "check the id of the server in the inventory"),
    ("status", "export_failed", None, None, "the service says that export {export} failed",
     "--resume the run with --retry-failed"),
    ("verify", "invalid_archive", None, None,
     "the gzip is damaged: its checksum (CRC-32) is not that of its content",
     "--resume the run with --retry-failed; if it lasts, tell the vendor"),
    ("download", "cut", None, None, "the connection broke after {number} bytes: reset by peer",
     "check the network to the endpoint, then --resume the run"),
    ("export", "service_failed", "iMetal.0099", 500, "Internal error.",
     "--resume the run; if it lasts, give the vendor's support the request id"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BigRun:
    """What a run is to be like.

    Attributes:
        servers, projects: how many.
        failed, pending: how many of them are not collected.
        running: it has not ended.
        hostile: every seventh name, tag and message is one of `HOSTILE`.
        generation: which one of several runs of the same servers.
    """

    servers: int = 1000
    projects: int = 40
    failed: int = 0
    pending: int = 0
    running: bool = False
    hostile: bool = False
    generation: int = 0

    @property
    def run_id(self) -> str:
        return f"{self.began:%Y%m%dT%H%M%SZ}-{self.servers % 65536:04x}"

    @property
    def began(self) -> datetime:
        return BEGAN + timedelta(days=_DAYS_APART * self.generation)


def events(run: BigRun) -> Iterator[e.Event]:
    """All events of a run, in order."""
    began = _stamp(run, 0.0)
    yield e.RunStarted(
        at=began, schema_version=1, run_id=run.run_id, collector_version="0.1.0", host="ops-1",
        user="oncall", pid=4711, argv=("collector", "collect", "fleet.yaml"),
        inventory_path="fleet.yaml", inventory_sha256="0" * 64, select=(), downloads=8,
        bytes_per_second=None,
    )  # fmt: skip
    yield e.CredentialNamed(at=began, name="ops", kind="token", account="acme", options={})
    selected = _selected(run)
    for number in range(run.projects):
        yield e.ProjectSelected(
            at=began, project=number, id=f"{number:032x}", name=_project(run, number),
            endpoint=ENDPOINT, credential="ops", directory=f"project-{number:02d}",
            requests_per_second=None, exports_in_flight=None, share=0.95,
        )  # fmt: skip
    yield from selected
    yield e.SelectionEnded(at=began, servers=len(selected))
    yield e.RunEstimated(
        at=began, servers=run.servers, seconds=run.servers / _RATE + 400, requests=run.servers * 6,
        bytes=run.servers * 3_000_000,
    )  # fmt: skip
    last = 0.0
    for at, _, event in heapq.merge(_steps(run, selected), _told(run)):
        last = at
        yield event
    if not run.running:
        reason = "stopped" if run.pending else "finished"
        yield e.RunEnded(at=_stamp(run, last + 1), reason=reason)


def state_of(run: BigRun) -> RunState:
    """The state of a run."""
    state = RunState()
    for event in events(run):
        apply(state, event)
    return state


def written(run: BigRun, out: Path) -> Path:
    """Write the journal and the manifest of a run under an output directory.

    Returns:
        The run's directory.
    """
    directory = out / run.run_id
    directory.mkdir(parents=True, mode=0o700)
    state, head, lines = RunState(), NO_HASH, 0
    with (directory / JOURNAL).open("wb") as journal:
        (directory / JOURNAL).chmod(0o600)
        for event in events(run):
            line, head = encode(event, head)
            journal.write(line)
            apply(state, event)
            lines += 1
    manifest.write(state, directory, lines=lines, head=head)
    latest = out / "latest"
    latest.unlink(missing_ok=True)
    latest.symlink_to(directory.name)
    return directory


def _stamp(run: BigRun, after_s: float) -> str:
    at = run.began + timedelta(seconds=round(after_s, 3))
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _odd(run: BigRun, number: int, text: str) -> str:
    """A name that may be hostile."""
    return HOSTILE[number // 7 % len(HOSTILE)] if run.hostile and number % 7 == 3 else text


def _project(run: BigRun, number: int) -> str:
    return _odd(run, number, f"project-{number:02d}")


def _selected(run: BigRun) -> list[e.ServerSelected]:
    """The servers: each generation has lost the first few, and has as many new ones."""
    began, few = _stamp(run, 0.0), run.servers // 500
    found: list[e.ServerSelected] = []
    for project in range(run.projects):
        first = run.servers * project // run.projects
        end = run.servers * (project + 1) // run.projects
        named = []
        for place in range(first, end):
            gone = place < first + max(1, few // run.projects) * run.generation
            number = place + run.servers if gone else place
            digits = hashlib.sha256(str(number).encode()).hexdigest()
            id_ = f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:32]}"
            named.append((id_, _odd(run, number, f"bms-{number:06d}"), number))
        names = [(id_, name) for id_, name, _ in named]
        for (id_, name, number), below in zip(named, server_directories(names), strict=True):
            tags = {
                "role": ("db", "web", "cache", "compute")[number % 4],
                "rack": f"r{number % 60}",
            }
            if run.hostile and number % 7 == 5:
                tags["note"] = HOSTILE[number // 7 % len(HOSTILE)]
            found.append(
                e.ServerSelected(
                    at=began,
                    server=len(found),
                    project=project,
                    id=id_,
                    name=name,
                    tags=tags,
                    directory=f"project-{project:02d}/{below}",
                    first=False,
                )
            )
    return found


def _steps(run: BigRun, selected: list[e.ServerSelected]) -> Iterator[tuple[float, int, e.Event]]:
    """What happens to each server, by time."""
    chance = random.Random(run.generation)  # noqa: S311  # nothing secret
    order = list(range(len(selected)))
    chance.shuffle(order)
    # The last to be asked for are pending; those that failed are anywhere among the others.
    failed = set(chance.sample(order[: len(order) - run.pending], run.failed))
    ways = (
        _way(run, selected[server], place, chance, failed=server in failed)
        for place, server in enumerate(order[: len(order) - run.pending // 2])
    )
    waiting: list[tuple[float, int, e.Event]] = []
    number = len(order) - run.pending
    for place, way in enumerate(ways):
        steps = way if place < number else way[: 2 + place % 2]
        for at, event in steps:
            heapq.heappush(waiting, (at, (event.server << 3) + len(steps), event))  # type: ignore[attr-defined]
        while waiting and waiting[0][0] <= place / _RATE:
            yield heapq.heappop(waiting)
    while waiting:
        yield heapq.heappop(waiting)


def _way(
    run: BigRun, server: e.ServerSelected, place: int, chance: random.Random, *, failed: bool
) -> list[tuple[float, e.Event]]:
    number, asked = server.server, 1 + place / _RATE
    began = asked + chance.uniform(0.05, 0.4)
    done = began + chance.lognormvariate(5.2, 0.35) * (6 if chance.random() < 0.002 else 1)
    export_id = f"{number:x}{hashlib.sha256(server.id.encode()).hexdigest()[:24]}"
    polls = chance.randrange(1, 6)
    steps: list[tuple[float, e.Event]] = [
        (asked, e.ExportRequested(at=_stamp(run, asked), server=number)),
        (began, e.ExportStarted(at=_stamp(run, began), server=number, export_id=export_id)),
        (done, e.ExportCompleted(at=_stamp(run, done), server=number, polls=polls)),
    ]  # fmt: skip
    if failed:
        return _failing(run, server, steps, chance, export_id)
    of_project = 400_000 + 90_000 * (server.project % 30)
    size = int(random.Random(server.id).lognormvariate(0, 0.5) * of_project)  # noqa: S311  # as above
    size += int(size * chance.uniform(-0.1, 0.1))
    if (number + run.generation) % 1000 == 17:
        size *= 9
    ended = done + chance.uniform(0.3, 4) + size / 20e6
    name = f"2102{server.id[:12].upper()}-dump.tar.gz"
    sha256 = hashlib.sha256(f"{export_id}{run.generation}".encode()).hexdigest()
    stored = e.ArchiveStored(
        at=_stamp(run, ended), server=number, path=f"{server.directory}/{name}", file_name=name,
        bytes=size, sha256=sha256, members=chance.randrange(9, 60),
        covers_from=_stamp(run, asked - 9e5), covers_to=_stamp(run, asked),
    )  # fmt: skip
    if number % 97 == 5:
        again = chance.uniform(asked, began)
        steps.insert(1, (again, _tried(run, server, again, "cut", export_id)))
        again += 0.001
        steps.insert(2, (again, e.ExportRequested(at=_stamp(run, again), server=number)))
    return [*steps, (ended, stored)]


def _failing(
    run: BigRun,
    server: e.ServerSelected,
    steps: list[tuple[float, e.Event]],
    chance: random.Random,
    export_id: str,
) -> list[tuple[float, e.Event]]:
    """A server's way to where it fails."""
    stage, kind, code, status, message, hint = _FAILURES[
        min(int(chance.expovariate(0.9)), len(_FAILURES) - 1)
    ]
    kept = steps[: {"export": 1, "status": 2}.get(stage, 3)]
    at = kept[-1][0] + chance.uniform(0.1, 30)
    text = message.format(id=server.id, export=export_id, number=server.server * 37)
    event = e.ServerFailed(
        at=_stamp(run, at), server=server.server, stage=stage, kind=kind, code=code,
        http_status=status, message=_odd(run, server.server + 1, text),
        request_id=f"{export_id[:16]}{server.server:016x}", attempts=1 if status else 4, hint=hint,
        polls=0,
    )  # fmt: skip
    return [*kept, (at, event)]


def _tried(
    run: BigRun, server: e.ServerSelected, at: float, kind: str, export_id: str
) -> e.AttemptFailed:
    return e.AttemptFailed(
        at=_stamp(run, at), server=server.server, stage="export", kind=kind, code=None,
        http_status=None, message="the connection broke: Connection reset by peer",
        request_id=export_id[:32], attempt=1, doubtful=True, anew=False, polls=0,
        hint="check the network to the endpoint, then --resume the run",
    )  # fmt: skip


def _told(run: BigRun) -> Iterator[tuple[float, int, e.Event]]:
    """What is observed beside: calls, and limits."""
    most = (run.servers - run.pending // 2) / _RATE
    ends = most + (0 if run.running else 400)
    yield 1.5, -1, e.ClockOffsetSeen(at=_stamp(run, 1.5), offset_s=0.2)
    limits = iter(((2.0, "told", 60.0), (most / 3, "estimated", 45.0), (most / 2, "told", 55.0)))
    at, each = _COUNTED_S, -(-run.projects // 4)
    upcoming = next(limits, None)
    turn = 0
    while at < ends:
        while upcoming is not None and upcoming[0] <= at:
            _, source, limit = upcoming
            yield at, -1, _limit(run, at, source, limit)
            upcoming = next(limits, None)
        calls = int(_COUNTED_S * (_RATE + 15) / max(1, each))
        for place in range(each):
            throttled = turn % 40 == 7 and place == 0
            counted: dict[str, Any] = {"calls": calls, "throttled": 3 * throttled}
            project = (turn + place) % run.projects
            yield at, place, e.CallsCounted(at=_stamp(run, at), project=project, **counted)
        at += _COUNTED_S
        turn += 1


def _limit(run: BigRun, at: float, source: str, limit: float) -> e.LimitLearned:
    return e.LimitLearned(
        at=_stamp(run, at), scope="user", name="acme", limit=limit, window_s=1.0, source=source
    )


def main() -> None:
    """Write a run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    for name in ("servers", "projects", "failed", "pending", "generation"):
        default = BigRun.__dataclass_fields__[name].default
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--running", action="store_true")
    parser.add_argument("--hostile", action="store_true")
    options = vars(parser.parse_args())
    print(written(BigRun(**{k: v for k, v in options.items() if k != "out"}), options["out"]))  # noqa: T201


if __name__ == "__main__":
    main()
