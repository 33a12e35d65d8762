"""Which servers a run is missing, and why: grouped by reason, in as many lines as there are."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from collector.cli.rendering.wording import WIDTH, clipped, count, cure
from collector.report.reasons import grouped

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
_WAITED = {
    "deadline": "when the deadline came",
    "stopped": "when the run was stopped",
    "endpoint_down": "while the endpoint was down",
    "disk": "while the disk could not be written",
    None: "when the run was killed",
}


class _Reason(NamedTuple):
    """Why servers are missing: in words, what helps, and which they are."""

    why: str
    cure: str
    rows: Sequence[Missing]


def missing(summary: Summary, *, lines: int) -> list[str]:
    """Return the reasons, those of failed servers first, the most frequent first.

    Args:
        summary: of a run.
        lines: how many there may be; a reason that finds no room is counted.
    """
    reasons = list(_reasons(summary))
    if not reasons:
        return []
    in_projects = len(summary.projects) > 1
    for detail in _DETAILS:
        made = [_rendered(one, detail, in_projects=in_projects) for one in reasons]
        if sum(map(len, made)) <= lines:
            return [line for one in made for line in one]
    return _as_many(reasons, made, lines)


def names_all(summary: Summary) -> bool:
    """Whether every server that is missing is named by `missing`, where there is room."""
    return all(len(one.rows) <= NAMES_SHOWN for one in _reasons(summary))


def _as_many(reasons: Sequence[_Reason], made: Sequence[list[str]], lines: int) -> list[str]:
    """Show the first reasons whole, more of them in a line each, and count the others."""
    most = max(lines, len(made[0]) + 1)
    shown = min(len(reasons), most - (len(made[0]) - 1))
    if shown < len(reasons):
        shown -= 1
    spare = most - shown - (shown < len(reasons))
    told: list[str] = []
    for one in made[:shown]:
        whole = len(one) - 1 <= spare
        spare -= len(one) - 1 if whole else spare
        told += one if whole else one[:1]
    if hidden := reasons[shown:]:
        servers = count(sum(len(one.rows) for one in hidden), "server")
        told.append(f"  {servers} more for {count(len(hidden), 'other reason')}")
    return told


def _rendered(reason: _Reason, detail: tuple[int, int, int], *, in_projects: bool) -> list[str]:
    of_why, of_names, of_cure = detail
    servers = count(len(reason.rows), "server")
    lines = clipped(f"{servers} {reason.why}", "  ", "    ", of_why)
    names = _names(reason.rows, (WIDTH - 4) * of_names, in_projects=in_projects)
    lines += clipped(names, "    ", "    ", of_names)
    return lines + (clipped(f"-> {reason.cure}", "    ", "       ", of_cure) if reason.cure else [])


def _names(rows: Sequence[Missing], width: int, *, in_projects: bool) -> str:
    """Return some names, as many as there is room for, and how many others there are."""
    if len(rows) == 1:
        (row,) = rows
        return _name(row, in_projects=in_projects) + (f" ({row.id})" if row.name != row.id else "")
    told = [_name(row, in_projects=in_projects) for row in rows[:NAMES_SHOWN]]
    while True:
        hidden = len(rows) - len(told)
        text = ", ".join(told) + (f" and {hidden:,} more" if hidden else "")
        if len(text) <= width or len(told) == 1:
            return text
        told.pop()


def _name(row: Missing, *, in_projects: bool) -> str:
    name = f"{row.project.name}/{row.name}" if in_projects else row.name
    return name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 3]}..."


def _reasons(summary: Summary) -> Iterator[_Reason]:
    """Yield the reasons. Of a running run, only what went wrong: endpoints that are down aside."""
    waiting: dict[str | None, list[Group[Missing]]] = {}
    running = summary.run.state == "running"
    down = {one.message for one in summary.endpoints_down} if running else ()
    for group in grouped(summary.not_collected):
        if group.message:
            if group.message not in down:
                why = _why(group, running=running)
                yield _Reason(why, cure(group.hint, summary), group.members)
        elif not running:
            waiting.setdefault(group.waits_for, []).append(group)
    for waits_for, groups in waiting.items():
        rows = [row for group in groups for row in group.members]
        phases = Counter({group.phase or "": len(group.members) for group in groups})
        parts = [f"{number:,} {phase}" for phase, number in phases.most_common()]
        doing = parts[0].partition(" ")[2] if len(parts) == 1 else ", ".join(parts)
        yield _Reason(f"pending {_WAITED.get(waits_for, '')}: {doing}", "", rows)


def _why(group: Group[Missing], *, running: bool) -> str:
    if group.state == "failed":
        tries = {row.error.attempts for row in group.members if row.error}
        after = f" after {min(tries)} tries" if len(tries) == 1 and min(tries) > 1 else ""
        return f"failed at {group.stage}{after}{_said(group)}"
    waited = "" if running and group.waits_for is None else f" {_WAITED.get(group.waits_for, '')}"
    return f"pending{waited}, {group.phase}{_said(group)}"


def _said(group: Group[Missing]) -> str:
    """Return what they were told, or what one of them was: each has its own id in it, say."""
    messages = {row.latest_error.message for row in group.members if row.latest_error}
    return f"{': ' if len(messages) == 1 else ', e.g. '}{group.message}"
