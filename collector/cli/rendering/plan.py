"""A plan as text: first the verdict, then the reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.cli.rendering import wording
from collector.cli.rendering.wording import about, count, duration, wrapped
from collector.printable import one_line
from collector.report.words import scope
from collector.sizes import size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.planning import Limit, Plan, ProjectPlan

LIMITS_SHOWN = 8
PROJECTS_SHOWN = 12
"""Limits and projects shown, the slowest first; `--json` has all."""
NAME_WIDTH = 32


def rendered(planned: Plan, out: str) -> list[str]:
    """Return the plan in lines of at most 80 columns."""
    lines = list(_verdict(planned, out))
    if planned.servers:
        lines += ["", "By project:", *_projects(planned)]
        lines += ["", "Bottlenecks, if each were the only one:", *_limits(planned)]
        lines += ["", *_disk(planned, out)]
        lines += ["", "Not included: failures, repeated statuses and slow downloads."]
    return lines


def _verdict(planned: Plan, out: str) -> Iterator[str]:
    """Yield the verdict: yes or no to the deadline and the disk, else how long it takes."""
    servers = count(planned.servers, "server")
    takes = about(planned.seconds)
    if not planned.servers:
        yield "Nothing to do: no server is selected."
        return
    if planned.disk.free is not None and not planned.disk.suffices:
        yield f"No: the run needs {size(planned.disk.needed)}; {size(planned.disk.free)} is free."
        what_to_do = f"Free up space under {out}, or choose another directory with --out."
        yield from wrapped(what_to_do, "", "")
    if planned.deadline_s is None:
        yield f"About {takes} for {servers}."
    elif planned.deadline_reachable:
        yield f"Yes: {servers} in about {takes}; the deadline is {duration(planned.deadline_s)}."
    else:
        home = f"about {planned.servers_by_deadline}" if planned.servers_by_deadline else "none"
        yield f"No: {home} of {servers} by the deadline of {duration(planned.deadline_s)}."
        yield f"All of them take about {takes}. Use --first to choose which come first."
    sources = {limit.source for limit in planned.limits}
    sources |= {project.durations_source for project in planned.projects}
    if "assumed" in sources:
        yield "Assumed values below may be far off; the first run measures them."


def _projects(planned: Plan) -> Iterator[str]:
    projects = sorted(planned.projects, key=lambda project: -project.seconds)
    width = max(7, *(len(_name(project)) for project in projects[:PROJECTS_SHOWN]))
    yield f"  {'project':{width}}  servers    calls  time"
    for project in projects[:PROJECTS_SHOWN]:
        yield (
            f"  {_name(project):{width}}  {project.servers:7}  {project.requests:7}  "
            f"{about(project.seconds)}"
        )
    if len(projects) > PROJECTS_SHOWN:
        yield f"  and {len(projects) - PROJECTS_SHOWN} more, none of them slower"
    if len(projects) > 1:
        yield (
            f"  {'all':{width}}  {planned.servers:7}  {planned.requests:7}  "
            f"{about(planned.seconds)}"
        )


def _name(project: ProjectPlan) -> str:
    name = one_line(project.name)
    return name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 3]}..."


def _limits(planned: Plan) -> Iterator[str]:
    told = [(limit.seconds, _limit(limit)) for limit in planned.limits[:LIMITS_SHOWN]]
    told += _exports(planned)
    for seconds, text in sorted(told, key=lambda one: -one[0]):
        yield from wrapped(text, f"  {about(seconds):12}  ", " " * 16, anywhere=True)
    if len(planned.limits) > LIMITS_SHOWN:
        yield f"  and {len(planned.limits) - LIMITS_SHOWN} more limits, none of them slower"


def _limit(limit: Limit) -> str:
    source = wording.source(limit.source)
    if limit.what == "bytes":
        return f"{size(limit.limit)} a second for all downloads, {source}"
    where = scope(limit.scope, limit.name)
    if limit.what == "exports" or limit.window_s is None:
        return f"{limit.limit:g} exports at once for {where}, {source}"
    used = f"{limit.used:g} of " if limit.used != limit.limit else ""
    return f"{used}{limit.limit:g} calls in {duration(limit.window_s)} for {where}, {source}"


def _exports(planned: Plan) -> Iterator[tuple[float, str]]:
    """Yield how long exports take; projects without known durations are combined."""
    waiting = sorted(planned.projects, key=lambda one: -one.last_export_s)
    known = [one for one in waiting if one.durations_source == "remembered"]
    unknown = [one for one in waiting if one.durations_source == "assumed"]
    for project in known[:LIMITS_SHOWN]:
        yield _export(project, f"of {_name(project)}")
    if unknown:
        which = f"of {_name(unknown[0])}" if len(unknown) == 1 else f"of {len(unknown)} projects"
        yield _export(unknown[0], which)


def _export(project: ProjectPlan, which: str) -> tuple[float, str]:
    durations = project.durations
    high_s = wording.nine_in_ten_s(durations.median_s, durations.spread)
    return project.last_export_s, (
        f"the longest export {which}, if half take up to {about(durations.median_s)} and nine in "
        f"ten up to {about(high_s)}, {wording.source(project.durations_source)}"
    )


def _disk(planned: Plan, out: str) -> Iterator[str]:
    disk = planned.disk
    free = "nobody knows how much is" if disk.free is None else size(disk.free)
    yield from wrapped(f"Disk: {size(disk.needed)} needed under {out}, {free} free.", "", "  ")
    if disk.known:
        yield f"  {count(disk.known, 'server')} at their size in an earlier run there"
    if disk.assumed:
        like = "like the others" if disk.known else "assumed: nothing is known yet"
        yield f"  {count(disk.assumed, 'server')} at {size(disk.assumed_archive_bytes)}, {like}"
