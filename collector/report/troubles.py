"""What holds a run up now, in short sentences; of a project, in a few words."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from collector.model.answers import Call
from collector.report.times import lasting, unix_s
from collector.report.words import scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from collector.model.rows import ProjectRow
    from collector.model.state import RunState

_OF_A_KIND: Final = 3
"""Sentences of one kind; the others are counted."""
_CALLS: Final = {
    Call.START_EXPORT: "start exports",
    Call.ASK_STATUS: "ask for their status",
    Call.FETCH_ARCHIVE: "download archives",
}


def troubles(state: RunState, now_s: float) -> list[str]:
    """Return what holds the run up: a sentence each, the worst first."""
    found: list[str] = []
    found += _few(_down(state, now_s), "endpoint", "is down", "are down")
    if state.paused is not None:
        found.append(f"Downloads are paused, since the disk takes none: {state.paused.message}")
    found += _few(
        [
            f"Credential {one.credential} cannot sign in: {one.message}"
            for one in state.sign_ins.values()
        ],
        "credential", "cannot sign in", "cannot sign in",
    )  # fmt: skip
    found += _few(_waits(state, now_s), "wait", "is asked for", "are asked for")
    found += _few(list(_doubts(state)), "call", "may be forbidden", "may be forbidden")
    return found


def of_projects(state: RunState) -> Callable[[ProjectRow], str | None]:
    """Return what tells a project's trouble, its servers that failed aside."""
    doubted: dict[int, list[str]] = defaultdict(list)
    for project, call in state.doubts:
        doubted[project].append(call)

    def of(row: ProjectRow) -> str | None:
        found: list[str] = []
        if row.endpoint in state.down:
            found.append("endpoint down")
        if row.credential in state.sign_ins:
            found.append("cannot sign in")
        if row.not_listed is not None:
            found.append("not listed")
        if row.project in doubted:
            found.append("permission in doubt")
        return ", ".join(found) or None

    return of


def _few(sentences: list[str], noun: str, one: str, several: str) -> Iterator[str]:
    yield from sentences[:_OF_A_KIND]
    more = len(sentences) - _OF_A_KIND
    if more > 0:
        yield f"{more} more {noun} {one}" if more == 1 else f"{more} more {noun}s {several}"


def _down(state: RunState, now_s: float) -> list[str]:
    """Tell of endpoints that answer nobody, the longest first."""
    return [
        f"{one.endpoint} has not answered for {_since(one.at, now_s)}: {one.message}"
        for one in sorted(state.down.values(), key=lambda one: one.at)
    ]


def _since(at: str, now_s: float) -> str:
    since_s = unix_s(at)
    return lasting(0.0 if since_s is None else now_s - since_s)


def _waits(state: RunState, now_s: float) -> list[str]:
    """Tell of waits that the service asked for and that are not over, the longest first."""
    asked: list[tuple[float, str]] = []
    for one in state.waits.values():
        left_s = (unix_s(one.until) or now_s) - now_s
        if left_s > 0:
            who = scope(one.scope, one.name)
            if one.server is not None:
                who = f"the server {state.servers[one.server].name}"
            asked.append((left_s, f"The service asks to wait {lasting(left_s)} with {who}"))
    return [sentence for _, sentence in sorted(asked, reverse=True)]


def _doubts(state: RunState) -> Iterable[str]:
    for (project, call), one in state.doubts.items():
        name, what = state.projects[project].name, _CALLS[Call(call)]
        yield f"Project {name} may not be allowed to {what}: {one.message}"
