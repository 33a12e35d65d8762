"""A plan as text that fits a screen: what it comes to, why, and in the last line the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.cli.rendering.wording import HEIGHT, about, duration, nine_in_ten_s, wrapped
from collector.printable import one_line
from collector.report.words import count, scope, scopes, source
from collector.sizes import size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from collector.planning import Limit, Plan, ProjectPlan
    from collector.planning.disk import Disk

ROWS_ANYWAY = 3
"""Projects that are shown however much else there is, the slowest first; `--json` has all."""
TABLE_LINES = 3
"""What the table of projects has besides: its head, the sum, and a line that is empty."""
NAME_WIDTH = 32


def rendered(planned: Plan, out: str, *, notes: Sequence[str] = ()) -> list[str]:
    """Return the plan in lines of at most 80 columns; the last of them is the verdict.

    Args:
        planned: the plan.
        out: where the runs are.
        notes: lines on what the plan does not know.
    """
    verdict = list(_verdict(planned))
    if not planned.servers:
        return [*notes, *([""] if notes else []), *verdict]
    below = ["", *_disk(planned.disk, out), "", *_left_out(planned), *notes, "", *verdict]
    rows = _alike(planned)
    table = min(len(rows), ROWS_ANYWAY) + TABLE_LINES if len(planned.projects) > 1 else 0
    below = [
        "Bottlenecks, if each were the only one:",
        *_bottlenecks(planned, HEIGHT - len(below) - 1 - table),
        *below,
    ]
    if not table:
        return below
    most = max(ROWS_ANYWAY, HEIGHT - len(below) - TABLE_LINES)
    return [*_projects(planned, rows, most), "", *below]


def _verdict(planned: Plan) -> Iterator[str]:
    """Yield the verdict: how long it takes, or whether within the deadline; a disk too small."""
    servers, takes = count(planned.servers, "server"), about(planned.seconds)
    if not planned.servers:
        yield "Nothing to do: no server is selected."
        return
    if planned.deadline_s is None:
        yield f"About {takes} for {servers}."
    elif planned.deadline_reachable:
        yield f"Reachable in {duration(planned.deadline_s)}: {servers} in about {takes}."
    else:
        home = f"about {planned.servers_by_deadline:,}" if planned.servers_by_deadline else "none"
        within = duration(planned.deadline_s)
        yield f"Not reachable in {within}: {home} of {servers}; all take about {takes}."
    disk = planned.disk
    if disk.free is not None and not disk.suffices:
        yield f"The disk is too small: {size(disk.needed)} needed, {size(disk.free)} free."


def _left_out(planned: Plan) -> Iterator[str]:
    sources = {limit.source for limit in planned.limits}
    sources |= {project.durations_source for project in planned.projects}
    text = "Not included: failures, repeated statuses and slow downloads."
    if "assumed" in sources:
        text += " What is assumed may be far off; the first run measures it."
    if planned.deadline_reachable is False:
        text += " --first chooses which servers come first."
    yield from wrapped(text, "", "")


def _alike(planned: Plan) -> list[list[ProjectPlan]]:
    """Return the projects, the slowest first, those together that are alike."""
    alike: dict[tuple[object, ...], list[ProjectPlan]] = {}
    for one in sorted(planned.projects, key=lambda project: -project.seconds):
        alike.setdefault((one.servers, one.requests, about(one.seconds)), []).append(one)
    return list(alike.values())


def _projects(planned: Plan, rows: Sequence[Sequence[ProjectPlan]], most: int) -> Iterator[str]:
    shown = rows if len(rows) <= most else rows[: most - 1]
    width = max(7, *(len(_named(ones)) for ones in shown))
    yield f"  {'project':{width}}  servers    calls  time"
    for ones in shown:
        one = ones[0]
        yield (
            f"  {_named(ones):{width}}  {one.servers:7,}  {one.requests:7,}  {about(one.seconds)}"
        )
    if hidden := len(planned.projects) - sum(map(len, shown)):
        yield f"  and {hidden:,} more, none of them slower"
    time = about(planned.seconds)
    yield f"  {'all':{width}}  {planned.servers:7,}  {planned.requests:7,}  {time}"


def _named(projects: Sequence[ProjectPlan]) -> str:
    return _name(projects[0]) if len(projects) == 1 else f"each of {len(projects):,}"


def _name(project: ProjectPlan) -> str:
    name = one_line(project.name)
    return name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 3]}..."


def _bottlenecks(planned: Plan, lines: int) -> Iterator[str]:
    told = sorted([*_limits(planned), *_exports(planned)], key=lambda one: -one[0])
    for at, (seconds, text) in enumerate(told):
        made = wrapped(text, f"  {about(seconds):12}  ", " " * 16, anywhere=True)
        if at and len(made) + (at + 1 < len(told)) > lines:
            yield f"  and {len(told) - at:,} more, none of them slower"
            return
        lines -= len(made)
        yield from made


def _limits(planned: Plan) -> Iterator[tuple[float, str]]:
    """Yield the limits; those that differ in their owner alone are one."""
    alike: dict[tuple[object, ...], list[Limit]] = {}
    for one in planned.limits:
        key = (one.what, one.scope, one.limit, one.window_s, one.used, one.source)
        alike.setdefault(key, []).append(one)
    for ones in alike.values():
        yield max(one.seconds for one in ones), _limit(ones)


def _limit(alike: Sequence[Limit]) -> str:
    limit = alike[0]
    learned = source(limit.source)
    if limit.what == "bytes":
        return f"{size(limit.limit)} a second for all downloads, {learned}"
    where = scope(limit.scope, limit.name)
    if len(alike) > 1:
        where = f"each of {len(alike):,} {scopes(limit.scope)}"
    if limit.what == "exports" or limit.window_s is None:
        exports = "1 export" if limit.limit == 1 else f"{limit.limit:g} exports"
        return f"{exports} at once for {where}, {learned}"
    used = f"{limit.used:g} of " if limit.used != limit.limit else ""
    return f"{used}{limit.limit:g} calls in {duration(limit.window_s)} for {where}, {learned}"


def _exports(planned: Plan) -> Iterator[tuple[float, str]]:
    """Yield how long exports take; projects of which the same is known are combined."""
    alike: dict[tuple[object, ...], list[ProjectPlan]] = {}
    for one in sorted(planned.projects, key=lambda one: -one.last_export_s):
        key: tuple[object, ...] = (one.durations_source,)
        if one.durations_source == "remembered":
            key += (about(one.durations.median_s), about(one.last_export_s))
        alike.setdefault(key, []).append(one)
    for ones in alike.values():
        which = _name(ones[0]) if len(ones) == 1 else count(len(ones), "project")
        yield _export(ones, which)


def _export(projects: Iterable[ProjectPlan], which: str) -> tuple[float, str]:
    slowest = max(projects, key=lambda one: one.last_export_s)
    durations = slowest.durations
    high_s = nine_in_ten_s(durations.median_s, durations.spread)
    return slowest.last_export_s, (
        f"the longest export of {which}, if half take up to {about(durations.median_s)} and nine "
        f"in ten up to {about(high_s)}, {source(slowest.durations_source)}"
    )


def _disk(disk: Disk, out: str) -> Iterator[str]:
    free = "nobody knows how much is" if disk.free is None else size(disk.free)
    lacking = size(disk.needed - disk.free) if disk.free is not None and not disk.suffices else ""
    short = f"; {lacking} too little" if lacking else ""
    yield from wrapped(
        f"Disk: {size(disk.needed)} needed under {out}, {free} free{short}.", "", "  "
    )
    if disk.known:
        yield f"  {count(disk.known, 'server')} at their size in an earlier run there"
    if disk.assumed:
        like = "like the others" if disk.known else "assumed: nothing is known yet"
        yield f"  {count(disk.assumed, 'server')} at {size(disk.assumed_archive_bytes)}, {like}"
    if lacking:
        yield "  Free up space there, or choose another directory with --out."
