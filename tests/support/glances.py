"""Glances of runs of any size, in any state, with any names."""

from __future__ import annotations

from collector.report.glance import (
    Counts,
    Failure,
    Glance,
    Limit,
    ProjectGlance,
    SlowServer,
    TimeLeft,
)

AT = "2026-11-29T21:52:12.000Z"
HOSTILE = "\x1b[2J\u202eevil\r\n\x00\u200d<script>\ud800"
"""A name that would clear the screen, turn a line around and end it."""
WIDE = "支付系统-生产环境-华东三区-的一个很长的名字"
NAMES = {
    "plain": "storage",
    "wide": WIDE,
    "hostile": HOSTILE,
    "long": "x" * 10_000,
    "long and wide": "名" * 10_000,
    "marks": "e" + "\u0301" * 10_000,
    "emoji": "👩\u200d👩\u200d👧👍🏽🇩🇪" * 3,
    "empty": "",
}


def counts_of(
    queued: int = 0, exporting: int = 0, downloading: int = 0, collected: int = 0, failed: int = 0
) -> Counts:
    return Counts(
        servers=queued + exporting + downloading + collected + failed,
        queued=queued,
        exporting=exporting,
        downloading=downloading,
        collected=collected,
        failed=failed,
    )


def project(
    name: str = "storage", counts: Counts | None = None, trouble: str | None = None
) -> ProjectGlance:
    return ProjectGlance(
        name=name,
        counts=counts or counts_of(10, 5, 3, 32),
        bytes=123_456_789,
        calls_per_s=1.5,
        throttled=3,
        trouble=trouble,
    )


def glance_of(
    projects: int = 40, name: str = "storage", *, troubled: int = 3, **members: object
) -> Glance:
    """A run in the middle: of so many projects, the first of them in trouble."""
    rows = [
        project(
            f"{name}{number or ''}",
            counts_of(10, 5, 3, 30, 2 if number < troubled else 0),
            "endpoint down, 2 failed" if number < troubled else None,
        )
        for number in range(projects)
    ]
    fields = {
        one: sum(getattr(row.counts, one) for row in rows) for one in Counts.__struct_fields__
    }
    own: dict[str, object] = {
        "run_id": "20261129T214012Z-3f41",
        "state": "running",
        "started_at": "2026-11-29T21:40:12.000Z",
        "at": AT,
        "elapsed_s": 720.0,
        "last_event_at": AT,
        "host": "ops-1",
        "user": "oncall",
        "pid": 4711,
        "counts": Counts(**fields),
        "bytes": 12_400_000_000,
        "bytes_per_s": 38_200_000.0,
        "requests": 12_345,
        "throttled": 37,
        "calls_per_s": 18.4,
        "limit": Limit(
            per_second=20.0, scope="user", name="acme", source="told", learned_at=AT
        ),
        "time_left": TimeLeft(low_s=1500.0, high_s=2400.0),
        "deadline_at": "2026-11-29T23:40:00.000Z",
        "troubles": ["https://bms.example has not answered for 3 min: Connection refused"],
        "projects": rows,
        "slowest": [
            SlowServer(project=name, name=f"{name}-bms-{n}", phase="exporting", for_s=840.0)
            for n in range(5)
        ],
        "failures": [
            Failure(
                at=AT, project=name, name=f"{name}-bms-{n}", stage="export",
                message=f"Insufficient permissions of {name}",
            )
            for n in range(5)
        ],
    }  # fmt: skip
    return Glance(**own | members)  # type: ignore[arg-type]  # a test's own members
