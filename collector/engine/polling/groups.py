"""Which exports are thought to take equally long: those of a project, or of one model in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.engine.polling.durations import ENOUGH, ExportDurations
from collector.model.prior import PriorDurations, pooled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.model.prior import Prior
    from collector.model.state import RunState, ServerRow


@dataclass(slots=True, eq=False)
class Group:
    """Exports that are thought to take equally long.

    Attributes:
        number: its place among all groups.
        project: the number of their project.
        model: what their servers have in common; None where they are of several, or of none known.
        durations: what is known of how long they take.
    """

    number: int
    project: int
    model: str | None
    durations: ExportDurations


class Groups:
    """The groups of a run.

    Each project has one of its own. A model has one where the project has others beside it, and it
    can be learned how long its exports take: they are enough, or were known before. What is not
    known of a model is what is known of its project.

    Args:
        state: the run, with all of its servers.
        known: what earlier runs have learned.
    """

    __slots__ = ("_exports_before", "_of_model", "_of_project", "all")

    def __init__(self, state: RunState, known: Prior) -> None:
        self.all: list[Group] = []
        self._of_project: list[list[Group]] = []
        self._of_model: dict[tuple[int, str], Group] = {}
        self._exports_before: list[int] = []
        models: list[Counter[str | None]] = [Counter() for _ in state.projects]
        for row in state.servers:
            models[row.project][row.selected.model] += 1
        for project, servers in enumerate(models):
            before = known.durations.get(project)
            self._exports_before.append(0 if before is None else before.exports)
            self._of_project.append([])
            alike = next(iter(servers)) if len(servers) == 1 else None
            self._add(project, alike, before)
            for model, count in servers.items() if len(servers) > 1 else ():
                if model is not None:
                    own = known.of_models.get((project, model))
                    if own is not None or count >= ENOUGH:
                        self._of_model[project, model] = self._add(project, model, own or before)

    def _add(self, project: int, model: str | None, known: PriorDurations | None) -> Group:
        group = Group(len(self.all), project, model, ExportDurations(known))
        self.all.append(group)
        self._of_project[project].append(group)
        return group

    def of(self, row: ServerRow) -> Group:
        """Return a server's group."""
        if self._of_model and row.selected.model is not None:
            own = self._of_model.get((row.project, row.selected.model))
            if own is not None:
                return own
        return self._of_project[row.project][0]

    def of_project(self, project: int) -> Sequence[Group]:
        """Return a project's groups, its own first."""
        return self._of_project[project]

    def together(self, project: int) -> PriorDurations:
        """Return how long a project's exports take, whatever their servers' models."""
        first, *others = (group.durations for group in self._of_project[project])
        if not others:
            return PriorDurations(first.known_from, first.median_s, first.spread)
        parts = [
            (one.exports, PriorDurations(one.exports, one.median_s, one.spread))
            for one in (first, *others)
            if one.exports
        ]
        return pooled(self._exports_before[project] + sum(count for count, _ in parts), parts)
