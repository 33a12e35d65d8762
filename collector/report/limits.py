"""The limit on calls that holds a whole run: the smallest that all of its work is under.

Limits belong to scopes. Those of one kind are added up where together they cover all projects that
have work left: three accounts of 10 calls a second let a run make 30. Scopes are known by what
their names are made of: an account, a credential or a project, and an endpoint.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from collector.model.answers import Call, ScopeKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from collector.model.rows import ProjectRow
    from collector.model.state import RunState

_REFUTED = "refuted"


class Known(NamedTuple):
    """A limit: a kind of scope, whose (None: several), calls a second, how and since when known."""

    kind: str
    name: str | None
    per_second: float
    source: str
    at: str | None


class Limits:
    """Finds the limit that holds a run, again and again."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._named: dict[tuple[str, str], set[tuple[int, Call]]] = {}
        self._named_of: list[object] = []

    def of_run(self, busy: Iterable[int], calls: Iterable[Call]) -> Known | None:
        """Return the limit that holds the run; None where none is known that covers its work.

        Args:
            busy: the projects that have work left.
            calls: the kinds of calls that are left to make.
        """
        work = {(project, call) for project in busy for call in calls}
        if not work:
            return None
        by_kind: dict[str, list[tuple[Known, set[tuple[int, Call]]]]] = defaultdict(list)
        for known, covers in self._smallest():
            if of_work := covers & work:
                by_kind[known.kind].append((known, of_work))
        sums = [
            _sum([known for known, _ in found])
            for found in by_kind.values()
            if set().union(*(covers for _, covers in found)) >= work
        ]
        return min(sums, key=lambda one: one.per_second, default=None)

    def of_calls(self, project: int, call: Call) -> Iterator[Known]:
        """Yield every limit that such a call passes."""
        for known, covers in self._smallest():
            if (project, call) in covers:
                yield known

    def _smallest(self) -> Iterator[tuple[Known, set[tuple[int, Call]]]]:
        """Yield each limit with what it covers; of a scope that has two, the smaller one."""
        named = self._names()
        of_projects: dict[int, Known] = {
            row.project: Known("project", row.name, row.requests_per_second, "inventory", None)
            for row in self._state.projects
            if row.requests_per_second is not None
        }
        for (kind, name), learned in self._state.limits.items():
            covers = named.get((kind, name))
            if not covers or learned.source == _REFUTED or learned.window_s <= 0:
                continue
            per_second = learned.limit / learned.window_s
            known = Known(kind, name, per_second, learned.source, learned.at)
            if kind == ScopeKind.PROJECT:
                project = next(iter(covers))[0]
                written = of_projects.get(project)
                if written is None or per_second < written.per_second:
                    of_projects[project] = known
            else:
                yield known, covers
        for project, known in of_projects.items():
            yield known, {(project, call) for call in Call}

    def _names(self) -> dict[tuple[str, str], set[tuple[int, Call]]]:
        """Return what each name that a scope may have covers."""
        projects = self._state.projects
        selected: list[object] = [row.selected for row in projects]
        if selected != self._named_of:
            named: dict[tuple[str, str], set[tuple[int, Call]]] = defaultdict(set)
            for row in projects:
                for kind, name, calls in self._of(row):
                    named[kind, name] |= {(row.project, call) for call in calls}
            self._named, self._named_of = dict(named), selected
        return self._named

    def _of(self, row: ProjectRow) -> Iterator[tuple[str, str, tuple[Call, ...]]]:
        endpoint, every = row.endpoint, tuple(Call)
        yield ScopeKind.ENDPOINT, endpoint, every
        yield ScopeKind.IP, endpoint, every
        named = self._state.credentials.get(row.credential)
        for kind, name in (
            (ScopeKind.USER, named.account if named else row.credential),
            (ScopeKind.APP, row.credential),
            (ScopeKind.PROJECT, row.id),
        ):
            yield kind, name, every
            yield kind, f"{name} at {endpoint}", every
        for call in Call:
            yield ScopeKind.API, f"{call} at {endpoint}", (call,)


def _sum(found: list[Known]) -> Known:
    """Add up limits of one kind: as known as most of them are, and since the latest was learned."""
    sources = Counter(known.source for known in found)
    return Known(
        found[0].kind,
        found[0].name if len(found) == 1 else None,
        sum(known.per_second for known in found),
        sources.most_common(1)[0][0],
        max((known.at for known in found if known.at), default=None),
    )
