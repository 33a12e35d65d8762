"""The limit on calls that holds a whole run: the smallest that all of its work is under.

Limits belong to scopes. Those of one kind are added up where together they cover all projects that
have work left: three accounts of 10 calls a second let a run make 30. Scopes are known by what
their names are made of: an account, a credential or a project, and an endpoint.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from collector.model.answers import Call, ScopeKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from collector.model.events import LimitLearned
    from collector.model.rows import ProjectRow
    from collector.model.state import RunState

SHORTEST_WINDOW_S: Final = 1e-6
"""A shorter window is none that a service could mean."""
_REFUTED: Final = "refuted"


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
        self._named: dict[tuple[str, str], tuple[set[int], Call | None]] = {}
        self._named_of: list[object] = []

    def of_run(self, busy: Iterable[int], calls: Iterable[Call]) -> Known | None:
        """Return the limit that holds the run; None where none is known that covers its work.

        Args:
            busy: the projects that have work left.
            calls: the kinds of calls that are left to make.
        """
        work, calls = frozenset(busy), frozenset(calls)
        if not work or not calls:
            return None
        found: dict[str, list[Known]] = defaultdict(list)
        covered: dict[tuple[str, Call | None], set[int]] = defaultdict(set)
        for known, projects, call in self._of_scopes():
            here = projects & work
            if here and (call is None or call in calls):
                found[known.kind].append(known)
                covered[known.kind, call] |= here
        sums = [
            _sum(limits)
            for kind, limits in found.items()
            if all(
                covered[kind, call] >= work
                for call in (calls if kind == ScopeKind.API else (None,))
            )
        ]
        of_projects = self._of_projects()
        if of_projects.keys() >= work:
            sums.append(_sum([of_projects[project] for project in work]))
        return min(sums, key=lambda one: one.per_second, default=None)

    def known(self) -> Iterator[tuple[Known, Collection[int], Call | None]]:
        """Yield each limit with the projects that share it, and the one call that it is about."""
        yield from self._of_scopes()
        for project, known in self._of_projects().items():
            yield known, (project,), None

    def covered(self, scope: tuple[str, str]) -> frozenset[int]:
        """Return the projects that a scope, by its kind and name, covers."""
        return frozenset(self._names().get(scope, ((), None))[0])

    def _of_scopes(self) -> Iterator[tuple[Known, set[int], Call | None]]:
        """Yield the limits of all scopes but projects: whom each covers, and which call alone."""
        named = self._names()
        for scope, learned in self._state.limits.items():
            covers = named.get(scope)
            if covers is not None and scope[0] != ScopeKind.PROJECT and _holds(learned):
                yield _known(learned), *covers

    def _of_projects(self) -> dict[int, Known]:
        """Return the smallest limit of each project: what was learned, or what a person allows."""
        found = {
            row.project: Known("project", row.name, row.requests_per_second, "inventory", None)
            for row in self._state.projects
            if row.requests_per_second is not None
        }
        named = self._names()
        for scope, learned in self._state.limits.items():
            covers = named.get(scope)
            if covers is not None and scope[0] == ScopeKind.PROJECT and _holds(learned):
                known = _known(learned)
                for project in covers[0]:
                    written = found.get(project)
                    if written is None or known.per_second < written.per_second:
                        found[project] = known
        return found

    def _names(self) -> dict[tuple[str, str], tuple[set[int], Call | None]]:
        """Return the projects, and the one call, that each name which a scope may have covers."""
        selected: list[object] = [row.selected for row in self._state.projects]
        if selected != self._named_of:
            self._named, self._named_of = {}, selected
            for row in self._state.projects:
                for kind, name, call in self._of(row):
                    self._named.setdefault((kind, name), (set(), call))[0].add(row.project)
        return self._named

    def _of(self, row: ProjectRow) -> Iterator[tuple[str, str, Call | None]]:
        endpoint = row.endpoint
        yield ScopeKind.ENDPOINT, endpoint, None
        yield ScopeKind.IP, endpoint, None
        named = self._state.credentials.get(row.credential)
        for kind, name in (
            (ScopeKind.USER, named.account if named else row.credential),
            (ScopeKind.APP, row.credential),
            (ScopeKind.PROJECT, row.id),
        ):
            yield kind, name, None
            yield kind, f"{name} at {endpoint}", None
        for call in Call:
            yield ScopeKind.API, f"{call} at {endpoint}", call


def _holds(learned: LimitLearned) -> bool:
    return learned.source != _REFUTED and learned.window_s >= SHORTEST_WINDOW_S


def _known(learned: LimitLearned) -> Known:
    per_second = learned.limit / learned.window_s
    return Known(learned.scope, learned.name, per_second, learned.source, learned.at)


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
