"""What became of a run: the word for its state, and its exit code."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from collector.model.answers import ProblemKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.model.state import RunState
    from collector.report.manifest import RunWord

_NOT_ALLOWED: Final = frozenset({ProblemKind.UNAUTHENTICATED, ProblemKind.FORBIDDEN})


class Verdict(enum.IntEnum):
    """The exit code of a run that was neither stopped by a signal nor by a bug."""

    COLLECTED = 0
    """Every selected server is collected and verified."""
    INCOMPLETE = 3
    """Some are collected, some not, for any reason; or a project could not be listed."""
    NOTHING = 4
    """Servers were selected, or might have been, and none is collected."""
    NOT_ALLOWED = 5
    """None is collected, none pending, and each failure is of authentication or permission."""


def verdict(state: RunState) -> Verdict:
    """Judge a run as it stands."""
    unlisted = [row.not_listed for row in state.projects if row.not_listed is not None]
    if state.collected == len(state.servers) and not unlisted:
        return Verdict.COLLECTED
    if state.collected:
        return Verdict.INCOMPLETE
    failures = [row.failure for row in state.servers]
    if not state.pending and all(
        failure is not None and failure.kind in _NOT_ALLOWED for failure in (*failures, *unlisted)
    ):
        return Verdict.NOT_ALLOWED
    return Verdict.NOTHING


def of_lists(problems: Iterable[ProblemKind], *, any_use: bool) -> Verdict:
    """Judge what came of listing projects.

    Args:
        problems: those that kept projects from being listed, or to their end.
        any_use: whether anything was listed.
    """
    kinds = list(problems)
    if not kinds:
        return Verdict.COLLECTED
    if any_use:
        return Verdict.INCOMPLETE
    return Verdict.NOT_ALLOWED if _NOT_ALLOWED.issuperset(kinds) else Verdict.NOTHING


def run_word(state: RunState, *, alive: bool = True) -> RunWord:
    """Name the state of a run: running, complete, partial, failed, interrupted or deadline.

    Args:
        state: of a run that has begun.
        alive: whether a process holds it; without one, a run that never ended was killed.
    """
    if state.ended is None:
        return "running" if alive else "interrupted"
    if state.pending:
        return "deadline" if state.ended.reason == "deadline" else "interrupted"
    if not state.failed and all(row.not_listed is None for row in state.projects):
        return "complete"
    return "partial" if state.collected else "failed"
