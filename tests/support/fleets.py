"""Pages of whole fleets, made up: any number of servers, of which some failed."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from collector.report.glance import (
    Counts,
    Failure,
    Glance,
    Limit,
    ProjectGlance,
    SlowServer,
    TimeLeft,
)
from collector.report.manifest import ProjectTotals, RunTotals, Totals
from collector.report.page import (
    Changes,
    Gone,
    LimitPoint,
    Note,
    Reason,
    Resized,
    Series,
)
from tests.support.pages import AT, page_of, run_of, servers_of

if TYPE_CHECKING:
    from collector.report.page import Page

ORIGIN: Final = datetime(2026, 11, 23, 8, 41, 3, tzinfo=UTC)
PROJECTS: Final = ("payments", "storage", "search", "ledger", "edge", "batch", "mail", "kafka")
REASONS: Final = (
    ("export", "iMetal.0100", 403, "Insufficient permissions.",
     ("ask for the permission clouddc:imetal:createDumpLog in this project, then --resume the run "
     "with --retry-failed")),
    ("verify", None, None, "the gzip is damaged: its checksum (CRC-32) is not that of its content",
     "--resume the run with --retry-failed; if it lasts, tell the vendor"),
    ("status", "iMetal.0404", 404, "The server does not exist.",
     "check the id: the server may have been released"),
    ("download", None, None, "no byte came for 60 s, 4 tries",
     "--resume the run with --retry-failed"),
    ("export", "iMetal.0500", 500, "The BMC does not answer.",
     "reset the BMC of the server, then --resume the run with --retry-failed"),
)  # fmt: skip


def fleet(
    servers: int, *, failed: int = 0, pending: int = 0, projects: int = 8, running: bool = False
) -> Page:
    """A run of so many servers: the same for the same numbers."""
    chance = random.Random(f"{servers} {failed} {pending}")  # noqa: S311  # no secret
    rate = max(2.0, servers / 1500)
    took_s = servers / rate + 240
    kinds = ["failed"] * failed + ["pending"] * pending
    kinds += ["collected"] * (servers - len(kinds))
    chance.shuffle(kinds)
    columns: dict[str, list[Any]] = {name: [] for name in servers_of().__struct_fields__}
    notes: dict[str, Note] = {}
    names = [PROJECTS[at] if at < len(PROJECTS) else f"team-{at:03}" for at in range(projects)]
    for at, kind in enumerate(kinds):
        project = at * projects // max(1, servers)
        row = _server(chance, at, project, names[project], kind, at / rate, took_s)
        for name, value in row.items():
            columns[name].append(value)
        if kind == "failed":
            stage, *_, message, _hint = REASONS[row["reason"]]
            said = f"{message} ({stage} of bms-{at:05})"
            notes[str(at)] = Note(said, f"req-{chance.getrandbits(32):08x}", 4)
    counted = [columns["reason"].count(reason) for reason in range(len(REASONS))]
    bytes_ = sum(size or 0 for size in columns["bytes"])
    totals = Totals(servers, servers - failed - pending, failed, pending, bytes_)
    state = "running" if running else "deadline" if pending else "partial" if failed else "complete"
    missing = failed + pending
    return page_of(
        made_at=stamp(took_s + 1),
        directory="/srv/incident-4711/collected/20261123T084103Z-7f3a",
        manifest_sha256="5c1d" * 16,
        headline=f"{missing:,} of {servers:,} servers are missing" if missing
        else f"all {servers:,} servers were collected",
        run=run_of(state=state, select=["project=payments", "tag:role=db"],
                   finished_at=None if running else stamp(took_s), resumed=1 if failed else 0),
        totals=RunTotals(servers, totals.collected, failed, pending, bytes_, servers * 5,
                         servers // 20, "exact"),
        projects=_projects(names, columns),
        tags=[{"role": role, "rack": f"r{rack}"} for role in ("db", "web") for rack in range(9)],
        servers=servers_of(**columns),
        reasons=[
            Reason("failed", *reason, servers=count)
            for reason, count in zip(REASONS, counted, strict=True)
        ],
        notes=notes,
        series=_series(chance, took_s, servers, failed),
        changes=_changes(columns, servers) if servers > 1 else None,
        glance=_glance(names, totals, took_s) if running else None,
    )  # fmt: skip


def stamp(seconds: float) -> str:
    return (ORIGIN + timedelta(seconds=seconds)).isoformat(timespec="seconds")[:19] + "Z"


def _server(
    chance: random.Random,
    at: int,
    project: int,
    project_name: str,
    kind: str,
    asked: float,
    took_s: float,
) -> dict[str, Any]:
    asked = round(asked + chance.uniform(0, 3), 1)
    exported = round(asked + chance.lognormvariate(4.2 + project % 3 * 0.2, 0.35), 1)
    size = int(chance.lognormvariate(16.6 + project % 4 * 0.3, 0.25))
    if at % 397 == 5:
        size *= 11
        exported += 160
    ended = round(exported + size / 4e6 + chance.uniform(0.5, 3), 1)
    identity = f"{chance.getrandbits(128):032x}"
    phase = {"collected": 3, "failed": 4, "pending": chance.choice((0, 1, 1, 2))}[kind]
    return {
        "project": project,
        "id": "-".join((identity[:8], identity[8:12], identity[12:16], identity[16:20],
                        identity[20:])),
        "name": f"bms-{at:05}",
        "tags": at % 18,
        "phase": phase,
        "requested": asked if phase else None,
        "completed": exported if phase in {2, 3} else None,
        "ended": ended if phase == 3 else round(asked + min(60, took_s / 9), 1)
        if phase == 4 else None,
        "bytes": size if phase == 3 else None,
        "members": chance.randint(8, 40) if phase == 3 else None,
        "polls": chance.randint(2, 7) if phase else 0,
        "attempts": 4 if phase == 4 else 1 if phase else 0,
        "reused": int(at % 211 == 9),
        "reason": at % len(REASONS) if phase == 4 else None,
        "path": f"{project_name}/bms-{at:05}/21023D81{at:07}-dump.tar.gz" if phase == 3 else None,
    }  # fmt: skip


def _projects(names: list[str], columns: dict[str, list[Any]]) -> list[ProjectTotals]:
    sums = [[0, 0, 0, 0, 0] for _ in names]
    for project, phase, size in zip(
        columns["project"], columns["phase"], columns["bytes"], strict=True
    ):
        mine = sums[project]
        mine[0] += 1
        mine[1 if phase == 3 else 2 if phase == 4 else 3] += 1
        mine[4] += size or 0
    return [
        ProjectTotals(f"{at:032x}", name, "https://bms.cn-east-3.example.com", name, Totals(*mine))
        for at, (name, mine) in enumerate(zip(names, sums, strict=True))
    ]


def _series(chance: random.Random, took_s: float, servers: int, failed: int) -> Series:
    step = 1.0
    while took_s / step > 600:
        step *= 2
    bins = math.ceil(took_s / step)
    share = servers / bins
    calls = [int(5 * share * chance.uniform(0.8, 1.1)) for _ in range(bins)]
    throttled = [int(0.05 * calls[at] * (at % 40 < 8)) for at in range(bins)]
    return Series(
        step, calls, throttled,
        [int(share * 2.2e7 * chance.uniform(0.6, 1.2)) * (at > 60 / step) for at in range(bins)],
        [int(share)] * bins, [int(failed / bins + chance.random())] * bins,
        [
            LimitPoint(2.0, "user", "acme", "remembered", 7 * servers / took_s),
            LimitPoint(took_s * 0.3, "user", "acme", "estimated", 5.2 * servers / took_s),
            LimitPoint(took_s * 0.35, "user", "acme", "told", 6 * servers / took_s),
        ],
    )  # fmt: skip


def _changes(columns: dict[str, list[Any]], servers: int) -> Changes:
    large = [at for at in range(servers) if at % 397 == 5 and columns["bytes"][at]]
    bad = [at for at in range(servers) if columns["phase"][at] == 4]
    return Changes(
        run_id="20261122T084100Z-11ce",
        started_at="2026-11-22T08:41:00Z",
        state="partial",
        in_both=servers - servers // 50,
        gone=[Gone("payments", f"old-{at:03}", f"{at:032x}") for at in range(min(40, servers))],
        new=list(range(0, servers, 50)),
        failing=bad[: len(bad) // 2],
        recovered=[at for at in range(servers) if at % 97 == 3 and columns["phase"][at] == 3],
        larger=[Resized(at, columns["bytes"][at] // 10, columns["bytes"][at]) for at in large],
        smaller=[],
    )


def _glance(names: list[str], totals: Totals, took_s: float) -> Glance:
    pending = totals.pending
    counts = Counts(
        totals.servers, pending - pending * 2 // 3, pending // 3, pending // 3, totals.collected,
        totals.failed,
    )  # fmt: skip
    return Glance(
        run_id="20261123T084103Z-7f3a", state="running", started_at=AT, at=stamp(took_s),
        elapsed_s=took_s, last_event_at=stamp(took_s - 1), host="ops-1", user="oncall", pid=4711,
        counts=counts, bytes=totals.bytes, bytes_per_s=1.2e8, requests=totals.servers * 3,
        throttled=totals.servers // 30, calls_per_s=14.2,
        limit=Limit(15.0, "user", "acme", "told", AT), time_left=TimeLeft(610, 900),
        deadline_at=stamp(took_s + 1500),
        troubles=["storage: its endpoint has not answered for 2 min; 12 servers wait for it"],
        projects=[
            ProjectGlance(name, counts, 10**9, 2.0, 3, "429s" if not at else None)
            for at, name in enumerate(names)
        ],
        slowest=[SlowServer(name, "bms-00042", "exporting", 1234.5) for name in names[:3]],
        failures=[Failure(AT, names[0], "bms-00001", "export", "Insufficient permissions.")],
    )  # fmt: skip
