"""What the services said before any export: a table, what will not work, and the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.cli.rendering.wording import duration, wrapped
from collector.model.answers import Call
from collector.preflight import Permission
from collector.printable import one_line
from collector.report.words import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collector.model.answers import Problem
    from collector.preflight import Finding

NAME_WIDTH = 24
ROWS_SHOWN = 12
"""Rows of the table, those with problems first."""
OFF_S = 2.0
"""Clocks that differ by less agree: an HTTP date has whole seconds."""

_YES_NO = {True: "ok", False: "no", None: "?"}
_PERMITTED = {Permission.ALLOWED: "ok", Permission.DENIED: "no", Permission.UNKNOWN: "?"}
_SCOPES = {
    "api": "this call",
    "user": "the account",
    "app": "the credential",
    "ip": "this machine's address",
    "project": "the project",
    "endpoint": "the endpoint",
}


def rendered(findings: Sequence[Finding]) -> list[str]:
    """Return the findings in lines of at most 80 columns, the verdict on them last."""
    broken = [one for one in findings if not one.can_work]
    lines = ["What the services said:", *_table(findings)]
    if any(one.permission(Call.START_EXPORT) is Permission.UNKNOWN for one in findings):
        lines.append("  ? unknown; whether exports may be started shows only once one is")
    troubles = list(_troubles(findings))
    if troubles:
        lines += ["", "What will not work:", *troubles]
    limits = list(_limits(findings))
    if limits:
        lines += ["", "Limits that the service told:", *limits]
    return [*lines, "", _verdict(findings, broken)]


def _verdict(findings: Sequence[Finding], broken: Sequence[Finding]) -> str:
    projects = count(len(findings), "project")
    if not broken:
        return f"Online: no problem found in {projects}. No export was started."
    if len(broken) == len(findings):
        return f"Online: nothing can be collected in {projects}. No export was started."
    return f"Online: {len(broken)} of {projects} cannot be collected. No export was started."


def _table(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield a row a project, those with problems first; projects that are alike have one."""
    alike: dict[tuple[str, ...], list[Finding]] = {}
    for one in sorted(findings, key=lambda one: one.can_work):
        alike.setdefault(_cells(one), []).append(one)
    rows = [
        (_name(ones[0]) if len(ones) == 1 else f"each of {len(ones)}", cells)
        for cells, ones in list(alike.items())[:ROWS_SHOWN]
    ]
    width = max(7, *(len(name) for name, _ in rows)) if rows else 7
    yield f"  {'project':{width}}  reached  sign-in  list  export  status  download  clock"
    for name, cells in rows:
        yield f"  {name:{width}}  {'  '.join(cells)}"
    if hidden := sum(len(ones) for ones in list(alike.values())[ROWS_SHOWN:]):
        yield f"  and {hidden} more; --json has them all"


def _cells(one: Finding) -> tuple[str, ...]:
    return (
        f"{_YES_NO[one.reached]:7}",
        f"{_YES_NO[one.signed_in]:7}",
        f"{_PERMITTED[one.listing]:4}",
        f"{_PERMITTED[one.permission(Call.START_EXPORT)]:6}",
        f"{_PERMITTED[one.permission(Call.ASK_STATUS)]:6}",
        f"{_PERMITTED[one.permission(Call.FETCH_ARCHIVE)]:8}",
        _clock(one.clock_offset_s),
    )


def _name(finding: Finding) -> str:
    name = one_line(finding.name)
    return name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 3]}..."


def _clock(offset_s: float | None) -> str:
    if offset_s is None:
        return "?"
    if abs(offset_s) < OFF_S:
        return "ok"
    return f"{duration(abs(round(offset_s)))} {'ahead' if offset_s > 0 else 'behind'}"


def _troubles(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield each trouble once, with the projects that have it."""
    having: dict[tuple[str, str | None, str], list[Finding]] = {}
    problems: dict[tuple[str, str | None, str], Problem] = {}
    for one in findings:
        for problem in one.problems:
            key = (problem.message, problem.hint, one.credential)
            having.setdefault(key, []).append(one)
            problems.setdefault(key, problem)
    for key, ones in having.items():
        problem = problems[key]
        known = sum(one.servers for one in ones)
        servers = count(known, "server") if known else "no server known"
        names = ", ".join(one.name for one in ones[:3])
        more = f" and {len(ones) - 3} more" if len(ones) > 3 else ""  # noqa: PLR2004  # as above
        status = "" if problem.http_status is None else f" ({problem.http_status})"
        text = f"{names}{more}, {servers}, credentials {key[2]!r}: {problem.message}{status}"
        yield from wrapped(text, "  ", "    ", anywhere=True)
        if problem.hint is not None:
            yield from wrapped(problem.hint, "    -> ", "       ", anywhere=True)


def _limits(findings: Sequence[Finding]) -> Iterator[str]:
    told = {
        (limit.kind, limit.limit, limit.window_s, one.endpoint): None
        for one in findings
        for limit in one.limits
    }
    for kind, limit, window_s, endpoint in told:
        text = f"{limit} calls in {duration(window_s)} for {_SCOPES[kind]} at {endpoint}"
        yield from wrapped(text, "  ", "    ", anywhere=True)
