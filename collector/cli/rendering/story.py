"""One server's story as text: a line for each thing that happened, and where it has led."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.cli.rendering.wording import short, wrapped
from collector.model.events import ServerFailed
from collector.observe.narration import line_of
from collector.report.advice import doable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.report.story import Stories
    from collector.rundir.standing import Standing

_INDENT = " " * 12


def rendered(stories: Stories, found: Standing) -> Iterator[str]:
    """Yield what happened to each server, times in UTC, and how it stands at the end."""
    argv = found.state.started.argv if found.state.started else ()
    for number, (project, row, events) in enumerate(stories):
        name = f"{project.name}/{row.name}"
        known = "" if row.id == row.name else f" ({row.id})"
        if number:
            yield ""
        yield from wrapped(f"{name}{known}, times in UTC:", "", "  ")
        day = ""
        for event in events:
            if event.at[:10] != day:
                day = event.at[:10]
                yield f"  {day}"
            line = line_of(event, found.state)
            said = line.removeprefix(f"{name}: ").removeprefix(f"{name} ")
            yield from wrapped(said, f"  {event.at[11:19]}  ", _INDENT)
            if isinstance(event, ServerFailed):
                hint = doable(event.hint, argv)
                yield from wrapped(f"-> {hint}" if hint else "", _INDENT, f"{_INDENT}   ")
        path = f": {short(str(found.directory / row.archive.path))}" if row.archive else ""
        yield from ("", f"{name}: {row.phase}{path}")
