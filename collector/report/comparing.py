"""What has changed since another run of the same servers.

Servers are the same if endpoint, project id and server id are. One is much larger or smaller if
its archive has at least doubled or halved, and by 64 KiB or more: small archives vary.

A server is new or gone only if both runs could have had it: if they were started with the same
`--select` and `--exclude`, or if the one that lacks it selected everything. Of runs of different
inventories, only projects that both have are compared so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from collector.model.rows import Phase
from collector.report.page import Changes, Gone, Resized

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from collector.model.state import RunState

FACTOR: Final = 2
LEAST_BYTES: Final = 64 << 10
"""What archives differ by that are much larger or smaller."""
_EXCLUDE: Final = "--exclude"

Project = tuple[str, str]
"""A project's endpoint and id."""


@dataclass(slots=True)
class OtherProject:
    """A project of another run: its servers by id.

    Attributes:
        name: what people call it.
        names: what they call its servers, by their ids.
        collected: bytes of the archives of those that were collected.
        failed: those that failed.
    """

    name: str
    names: dict[str, str] = field(default_factory=dict)
    collected: dict[str, int] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Choice:
    """How a run's servers were chosen.

    Attributes:
        inventory: the path of the inventory.
        select: what `--select` said.
        exclude: what `--exclude` said.
    """

    inventory: str
    select: frozenset[str]
    exclude: frozenset[str]

    @classmethod
    def of(cls, inventory: str, select: Iterable[str], argv: Sequence[str]) -> Choice:
        """Return how servers were chosen, given what a run records of it."""
        exclude = {
            one.removeprefix(f"{_EXCLUDE}=") if one != _EXCLUDE else following
            for one, following in zip(argv, [*argv[1:], ""], strict=True)
            if one == _EXCLUDE or one.startswith(f"{_EXCLUDE}=")
        }
        return cls(inventory, frozenset(select), frozenset(exclude))

    @property
    def is_everything(self) -> bool:
        """Whether every server of the inventory was chosen."""
        return not self.select and not self.exclude


@dataclass(slots=True)
class OtherRun:
    """Another run, as far as one is compared with it.

    Attributes:
        run_id: which one.
        started_at: when it began.
        state: how it ended, in the manifest's word.
        choice: how its servers were chosen.
        projects: by endpoint and id.
    """

    run_id: str
    started_at: str
    state: str
    choice: Choice
    projects: dict[Project, OtherProject] = field(default_factory=dict)

    def has_any_of(self, state: RunState) -> bool:
        """Whether it is of at least one of the servers of a run."""
        others = [self.projects.get((row.endpoint, row.id)) for row in state.projects]
        found = ((others[row.project], row.selected.id) for row in state.servers)
        return any(other is not None and id_ in other.names for other, id_ in found)


def other_run(state: RunState, word: str) -> OtherRun:
    """Return a run for comparison, from its state.

    Args:
        state: of a run that has begun.
        word: how it ended, in the manifest's word.
    """
    started = state.started
    assert started is not None  # noqa: S101  # it has begun
    projects = [OtherProject(row.name) for row in state.projects]
    for row in state.servers:
        project = projects[row.project]
        project.names[row.selected.id] = row.selected.name
        if row.archive is not None:
            project.collected[row.selected.id] = row.archive.bytes
        elif row.failure is not None:
            project.failed.add(row.selected.id)
    keys = [(row.endpoint, row.id) for row in state.projects]
    choice = Choice.of(started.inventory_path, started.select, started.argv)
    by_key = dict(zip(keys, projects, strict=True))
    return OtherRun(started.run_id, started.at, word, choice, by_key)


def changes(state: RunState, other: OtherRun) -> Changes:
    """Compare a run with another one.

    Args:
        state: of the run, which has begun.
        other: the other one, most likely an earlier one.
    """
    started = state.started
    assert started is not None  # noqa: S101  # it has begun
    choice = Choice.of(started.inventory_path, started.select, started.argv)
    same_inventory = choice.inventory == other.choice.inventory
    new, failing, recovered = list[int](), list[int](), list[int]()
    larger, smaller = list[Resized](), list[Resized]()
    here: dict[Project, set[str]] = {(row.endpoint, row.id): set() for row in state.projects}
    ids, others = list(here.values()), [other.projects.get(key) for key in here]
    in_both = 0
    for row in state.servers:
        id_, then = row.selected.id, others[row.project]
        ids[row.project].add(id_)
        if then is None or id_ not in then.names:
            if then is not None or same_inventory:
                new.append(row.server)
            continue
        in_both += 1
        if row.phase is Phase.FAILED and id_ not in then.failed:
            failing.append(row.server)
        if row.archive is not None:
            if id_ in then.failed:
                recovered.append(row.server)
            before, now = then.collected.get(id_), row.archive.bytes
            if before is not None and _is_much_larger(now, before):
                larger.append(Resized(row.server, before, now))
            elif before is not None and _is_much_larger(before, now):
                smaller.append(Resized(row.server, before, now))
    return Changes(
        run_id=other.run_id,
        started_at=other.started_at,
        state=other.state,
        in_both=in_both,
        gone=list(_gone(other, here, same_inventory)) if _knows_all(choice, other.choice) else [],
        new=new if _knows_all(other.choice, choice) else [],
        failing=failing,
        recovered=recovered,
        larger=larger,
        smaller=smaller,
    )


def _gone(other: OtherRun, here: dict[Project, set[str]], same_inventory: bool) -> Iterator[Gone]:
    for key, then in other.projects.items():
        if same_inventory or key in here:
            ids = here.get(key, set())
            for id_, name in then.names.items():
                if id_ not in ids:
                    yield Gone(then.name, name, id_)


def _knows_all(choice: Choice, other: Choice) -> bool:
    """Whether a run that was chosen so has all servers of the other one that are there."""
    alike = (choice.select, choice.exclude) == (other.select, other.exclude)
    return alike or choice.is_everything


def _is_much_larger(one: int, other: int) -> bool:
    return one >= FACTOR * other and one - other >= LEAST_BYTES
