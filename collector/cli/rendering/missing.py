"""Which servers a run is missing, and why: grouped by reason, in as many lines as there are."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from collector.cli.rendering.wording import WIDTH, clipped, cure
from collector.report.reasons import grouped
from collector.report.words import count, waited

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collector.report.reasons import Group
    from collector.report.summary import Missing, Summary

NAMES_SHOWN = 3
"""Servers that are named for one reason."""
NAME_WIDTH = 40
"""A name that is longer is cut."""
_DETAILS = ((4, 3, 4), (2, 2, 3), (2, 1, 2), (1, 1, 1))
"""In how many lines at most a reason, names and the cure are told, the best first."""
_DOING = {"queued": "waiting"}
"""Phases that people know by another word than manifests."""


class Reason(NamedTuple):
    """Why servers are missing: in words, what helps, some names, and how many servers it is of.

    Of a project that could not be listed, nobody knows how many servers are missing.
    """

    why: str
    cure: str
    names: Sequence[str]
    many: int
    servers: int


def reasons(summary: Summary) -> list[Reason]:
    """Return why servers are missing: projects that could not be listed first, then the failed.

    Of a running run, only what went wrong: the rest is under way, and endpoints that are down stand
    elsewhere.
    """
    return [*_unlisted(summary), *_groups(summary)]


def told(found: Sequence[Reason], lines: int) -> list[str]:
    """Return the reasons in as many lines at most; one that finds no room is counted."""
    if not found:
        return []
    for detail in _DETAILS:
        made = [_rendered(one, detail) for one in found]
        if sum(map(len, made)) <= lines:
            return [line for one in made for line in one]
    return _as_many(found, made, lines)


def names_all(found: Sequence[Reason]) -> bool:
    """Whether every server that is missing is among the names."""
    return all(one.many == len(one.names) for one in found)


def _as_many(found: Sequence[Reason], made: Sequence[list[str]], lines: int) -> list[str]:
    """Show the first reasons whole, more of them in a line each, and count the others."""
    most = max(lines, len(made[0]) + 1)
    shown = min(len(found), most - (len(made[0]) - 1))
    if shown < len(found):
        shown -= 1
    spare = most - shown - (shown < len(found))
    said: list[str] = []
    for one in made[:shown]:
        if len(one) - 1 > spare:  # what helps matters more than names
            one = [one[0], one[-1]] if spare else one[:1]  # noqa: PLW2901  # as far as it is shown
        spare -= len(one) - 1
        said += one
    if hidden := found[shown:]:
        servers = count(sum(one.servers for one in hidden), "server")
        said.append(f"  {servers} more for {count(len(hidden), 'other reason')}")
    return said


def _rendered(reason: Reason, detail: tuple[int, int, int]) -> list[str]:
    of_why, of_names, of_cure = detail
    lines = clipped(reason.why, "  ", "    ", of_why)
    names = _named(reason, (WIDTH - 4) * of_names)
    lines += clipped(names, "    ", "    ", of_names)
    return lines + (clipped(f"-> {reason.cure}", "    ", "       ", of_cure) if reason.cure else [])


def _named(reason: Reason, width: int) -> str:
    """Return some names, as many as there is room for, and how many others there are."""
    named = list(reason.names)
    while True:
        hidden = reason.many - len(named)
        text = ", ".join(named) + (f" and {hidden:,} more" if hidden else "")
        if len(text) <= width or len(named) == 1:
            return text
        named.pop()


def _unlisted(summary: Summary) -> Iterator[Reason]:
    """Yield why projects could not be listed, those with one reason together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in summary.projects:
        if error := one.discovery_error:
            groups.setdefault((error.message, error.hint), []).append(_short(one.name))
    for (message, hint), names in groups.items():
        why = f"{count(len(names), 'project')} not listed: {message}"
        yield Reason(why, cure(hint, summary), names[:NAMES_SHOWN], len(names), 0)


def _groups(summary: Summary) -> Iterator[Reason]:
    waiting: dict[str | None, list[Group[Missing]]] = {}
    running = summary.run.state == "running"
    in_projects = len(summary.projects) > 1
    down = {one.message for one in summary.endpoints_down} if running else ()
    for group in grouped(summary.not_collected):
        if group.message:
            if group.message not in down:
                why, helps = _why(group, running=running), cure(group.hint, summary)
                yield _of(why, helps, group.members, in_projects=in_projects)
        elif not running:
            waiting.setdefault(group.waits_for, []).append(group)
    for waits_for, groups in waiting.items():
        rows = [row for group in groups for row in group.members]
        phases = Counter({group.phase or "": len(group.members) for group in groups})
        parts = [f"{number:,} {_DOING.get(phase, phase)}" for phase, number in phases.most_common()]
        doing = parts[0].partition(" ")[2] if len(parts) == 1 else ", ".join(parts)
        why = f"pending {waited(waits_for)}: {doing}"
        yield _of(why, "", rows, in_projects=in_projects)


def _of(why: str, helps: str, rows: Sequence[Missing], *, in_projects: bool) -> Reason:
    names = [
        _short(f"{row.project.name}/{row.name}" if in_projects else row.name)
        for row in rows[:NAMES_SHOWN]
    ]
    if len(rows) == 1 and rows[0].name != rows[0].id:
        names = [f"{names[0]} ({rows[0].id})"]
    servers = len(rows)
    return Reason(f"{count(servers, 'server')} {why}", helps, names, servers, servers)


def _short(name: str) -> str:
    return name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 3]}..."


def _why(group: Group[Missing], *, running: bool) -> str:
    if group.state == "failed":
        tries = {row.error.attempts for row in group.members if row.error}
        after = f" after {min(tries)} tries" if len(tries) == 1 and min(tries) > 1 else ""
        return f"failed at {group.stage}{after}{_said(group)}"
    when = "" if running and group.waits_for is None else f" {waited(group.waits_for)}"
    doing = _DOING.get(group.phase or "", group.phase)
    return f"pending{when}, {doing}{_said(group)}"


def _said(group: Group[Missing]) -> str:
    """Return what they were told, or what one of them was: each has its own id in it, say."""
    messages = {row.latest_error.message for row in group.members if row.latest_error}
    return f"{': ' if len(messages) == 1 else ', e.g. '}{group.message}"
