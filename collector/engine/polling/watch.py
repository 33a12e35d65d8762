"""What answers have said of running exports, and when the next status of each is worth a call."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from collector.engine.polling.groups import Groups
from collector.engine.polling.timing import Ask, FirstLook, Progress, ask_at, before_deadline
from collector.model.answers import ExportSaid, ExportState

if TYPE_CHECKING:
    from collector.engine.outcomes.memory import Memories
    from collector.engine.outcomes.observations import Observations
    from collector.engine.polling.groups import Group
    from collector.engine.polling.timing import Pressure
    from collector.model.prior import Prior
    from collector.model.state import RunState, ServerRow
    from collector.model.wall_time import WallTime

SHORTEST_STATUS_S, STATUS_S = 1.0, 15.0
"""What a status has to be answered in; the longer its export still has, the more."""


class ExportWatch:
    """Follows all running exports.

    Args:
        state: the run.
        memories: where the progress of each server's export is kept.
        observations: told what is learned of durations.
        export_s: an export that has not completed after this long is given up.
        deadline_s: on the engine's clock, when the run is to end.
        wall_time: how the engine's clock reads on the wall's.
        known: what earlier runs have learned.

    Attributes:
        groups: which exports take equally long, and how long.
    """

    def __init__(
        self,
        state: RunState,
        memories: Memories,
        observations: Observations,
        *,
        export_s: float,
        deadline_s: float,
        wall_time: WallTime,
        known: Prior,
    ) -> None:
        self._memories = memories
        self._observations = observations
        self._export_s = export_s
        self._deadline_s = deadline_s
        self._wall_time = wall_time
        self.groups = Groups(state, known)
        self._first_looks: list[dict[Pressure, FirstLook]] = [{} for _ in self.groups.all]
        """Until more is known of durations."""

    # When to ask

    def unasked_since(self, row: ServerRow, now_s: float) -> float | None:
        """Return when an export began that waits for the first look with all others.

        None where it was asked about before, or waits for a time of its own.
        """
        progress = self._progress(row, now_s)
        if progress.scout or progress.elapsed_s:
            return None
        if self._memories.of(row.server).not_before_s > now_s:
            return None
        return progress.started_s

    def first_look(self, group: Group, pressure: Pressure) -> FirstLook:
        """Return when to look first at exports of a group."""
        first = self._first_looks[group.number].get(pressure)
        if first is None:
            progress = Progress(0.0)
            early_s, certain_s = ask_at(progress, group.durations, pressure)
            first = FirstLook(
                min(early_s, self._export_s), min(certain_s, self._export_s), progress.certain_s,
                self._deadline_s,
            )  # fmt: skip
            self._first_looks[group.number][pressure] = first
        return first

    def ask_at(self, row: ServerRow, pressure: Pressure, now_s: float) -> Ask:
        """Return when a server's status is worth asking for."""
        progress, group = self._progress(row, now_s), self.groups.of(row)
        memory = self._memories.of(row.server)
        if progress.scout or progress.elapsed_s:
            early_s, certain_s = ask_at(progress, group.durations, pressure)
            looked_s = progress.started_s + progress.elapsed_s
            early_s = min(early_s, before_deadline(looked_s, self._deadline_s))
        else:
            first = self.first_look(group, pressure)
            began_s = progress.started_s
            early_s, certain_s = first.early_at(began_s), first.certain_at(began_s)
            progress.certain_s = began_s + first.thought_certain_s
        # Never later than when it is to be given up: that is found out by asking.
        last_s = progress.started_s + memory.asleep_s + self._export_s
        at_s = max(memory.not_before_s, now_s)
        return Ask(max(at_s, min(early_s, last_s)), max(at_s, min(certain_s, last_s)))

    def status_within_s(self, row: ServerRow, now_s: float) -> float:
        """Return seconds that a status may take: no more than its export still has."""
        asleep_s = self._memories.of(row.server).asleep_s
        ends_s = self._progress(row, now_s).started_s + asleep_s + self._export_s
        return min(STATUS_S, max(SHORTEST_STATUS_S, ends_s - now_s))

    def is_overdue(self, row: ServerRow, now_s: float) -> bool:
        """Whether an export has had its time."""
        asleep_s = self._memories.of(row.server).asleep_s
        return now_s - self._progress(row, now_s).started_s - asleep_s >= self._export_s

    # What was answered

    def begun(self, row: ServerRow, now_s: float) -> None:
        """Follow an export that has just begun."""
        self._memories.of(row.server).progress = self._begun(self.groups.of(row), now_s)

    def status_told(self, row: ServerRow, said: ExportSaid, sent_s: float, now_s: float) -> None:
        """Learn from the status of an export, told to a call that left at `sent_s`."""
        progress, group = self._progress(row, now_s), self.groups.of(row)
        durations = group.durations
        completed = said.state is ExportState.COMPLETED
        durations.reported(progress.elapsed_s, sent_s - progress.started_s, ended=completed)
        if completed:
            self._found(group, progress, sent_s, now_s)
        else:
            if sent_s >= progress.certain_s:
                durations.answered_certain(completed=False)
            if not progress.elapsed_s:
                durations.answered_first(sent_s - progress.started_s, completed=False)
            progress.not_yet(said.percent, durations, sent_s, now_s)
        if durations.has_moved():
            self._first_looks[group.number].clear()

    def _begun(self, group: Group, began_s: float) -> Progress:
        """Return what is known of an export that began; some are to be learned from."""
        durations = group.durations
        scout = durations.begins()
        return Progress(began_s, scout=scout, curious=scout > 0 and not durations.is_known)

    def _found(self, group: Group, progress: Progress, sent_s: float, now_s: float) -> None:
        """Learn from an export that was found completed by a call that left at `sent_s`."""
        durations = group.durations
        low_s = max(progress.elapsed_s, min(progress.low_s, progress.high_s))
        high_s = max(low_s, min(now_s - progress.started_s, progress.high_s))
        durations.completed()
        durations.learn(progress.evidence, low_s, high_s)
        if sent_s >= progress.certain_s:
            durations.answered_certain(completed=True)
        if not progress.elapsed_s:
            durations.answered_first(sent_s - progress.started_s, completed=True)
        if progress.high_s < math.inf and progress.elapsed_s <= progress.high_s:
            # Found completed before the end that they said, they said too little.
            durations.percentages_kept(kept=now_s - progress.started_s >= progress.low_s)
        self._observations.durations(group, self.groups)

    def _progress(self, row: ServerRow, now_s: float) -> Progress:
        """Return what is known of a running export; after a restart, how long it has run."""
        memory = self._memories.of(row.server)
        if memory.progress is None:
            export = row.export
            age_s = 0.0 if export is None else self._wall_time.age_s(export.requested_at, now_s)
            memory.progress = self._begun(self.groups.of(row), now_s - age_s)
        return memory.progress
