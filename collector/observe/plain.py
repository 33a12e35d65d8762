"""A run in lines of a pipe: how far it is, or that nothing has changed and what is waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from collector.observe import words
from collector.report.times import lasting
from collector.sizes import size

if TYPE_CHECKING:
    from collector.observe.streams import Stream
    from collector.report.glance import Counts, Glance

WIDTH: Final = 120


class Plain:
    """Writes a run down now and then."""

    def __init__(self, stderr: Stream) -> None:
        self._stderr = stderr
        self._known: tuple[Counts, int] | None = None
        self._changed_at = ""
        self._troubles: list[str] = []

    def tell(self, glance: Glance) -> None:
        """Write how far the run is."""
        known = glance.counts, glance.bytes
        is_new = known != self._known
        self._known = known
        if is_new:
            self._changed_at = glance.at
        if self._stderr.as_json:
            self._stderr.write_line("progress", "info", _facts(glance), is_kept=False)
            return
        unchanged_s = words.passed_s(self._changed_at, glance.at)
        self._write(glance, _progress(glance) if is_new else _standstill(glance, unchanged_s))
        if not is_new or glance.troubles != self._troubles:
            for trouble in glance.troubles:
                self._write(glance, f"! {trouble}")
        self._troubles = list(glance.troubles)

    def end(self, glance: Glance) -> None:
        """Write how far the run came."""
        if self._stderr.as_json:
            self.tell(glance)
        else:
            took = f"; {size(glance.bytes)} in {lasting(glance.elapsed_s)}"
            self._write(glance, f"{_counts(glance.counts, has_ended=True)}{took}")

    def _write(self, glance: Glance, text: str) -> None:
        line = f"{words.clock(glance.at)}  {text}"
        line = line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}..."
        self._stderr.write_line(line, "info", is_kept=False)


def _counts(counts: Counts, *, has_ended: bool = False) -> str:
    parts = [f"{words.number(counts.collected)} of {words.number(counts.servers)} collected"]
    flying, waiting = words.in_flight(counts), counts.queued
    under_way = ((flying, "in flight"), (waiting, "waiting"))
    left = ((flying + waiting, "pending"),) if has_ended else under_way
    for many, what in ((counts.failed, "failed"), *left):
        parts += [f"{words.number(many)} {what}"] if many else []
    return ", ".join(parts)


def _progress(glance: Glance) -> str:
    return _fitting(
        [
            _counts(glance.counts),
            *_left(glance),
            f"{words.rate(glance)} calls/s",
            *_at_once(glance),
            f"{size(int(glance.bytes_per_s))}/s",
            f"{size(glance.bytes)} so far",
        ]
    )


def _standstill(glance: Glance, unchanged_s: float) -> str:
    nothing = f"nothing new for {lasting(unchanged_s)}"
    waited_for = words.waited_for(glance.counts)
    rate = f"{words.rate(glance)} calls/s"
    return _fitting([nothing, waited_for, *_at_once(glance), *_left(glance), rate])


def _at_once(glance: Glance) -> list[str]:
    limit = glance.exports_limit
    return [] if limit is None else [f"at most {words.number(limit.at_once)} exports at once"]


def _left(glance: Glance) -> list[str]:
    return [f"{words.between(glance.time_left)} left"] if glance.time_left is not None else []


def _fitting(parts: list[str]) -> str:
    """Return the parts that fit in a line; they come in the order of their worth."""
    while len(text := "; ".join(parts)) > WIDTH - len("21:40:12  ") and len(parts) > 1:
        parts = parts[:-1]
    return text


def _facts(glance: Glance) -> dict[str, object]:
    """Return what a line says, for programs; what is not known is left out."""
    counts, limit, left = glance.counts, glance.limit, glance.time_left
    facts: dict[str, object | None] = {
        "elapsed_s": glance.elapsed_s,
        "servers": counts.servers,
        "collected": counts.collected,
        "failed": counts.failed,
        "waiting": counts.queued,
        "exporting": counts.exporting,
        "downloading": counts.downloading,
        "bytes": glance.bytes,
        "bytes_per_s": glance.bytes_per_s,
        "requests": glance.requests,
        "throttled": glance.throttled,
        "calls_per_s": glance.calls_per_s,
        "limit_per_s": limit and limit.per_second,
        "exports_at_once": glance.exports_limit and glance.exports_limit.at_once,
        "limit_source": limit and limit.source,
        "time_left_s": left and [left.low_s, left.high_s],
        "deadline_at": glance.deadline_at,
        "held_up": glance.troubles or None,
    }
    return {name: value for name, value in facts.items() if value is not None}
