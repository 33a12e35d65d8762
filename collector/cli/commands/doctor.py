"""`collector doctor`: what this machine is like, as one pastes it into a bug report."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from collector.cli.options import OUT, common, json_option
from collector.cli.rendering.wording import wrapped
from collector.cli.streams import printed_as, show, show_json
from collector.report.words import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collector.diagnosis import Item

_NAME_WIDTH: Final = 25


@click.command(
    name="doctor",
    epilog="""\b
Examples:
  collector doctor
  collector doctor --json | jq '.items[] | select(.verdict != "ok")'

  Exit code: 0, whatever was found.
""",
)
@json_option
@common
def command(*, as_json: bool) -> None:
    """Say what this machine is like for a run: versions, limits, proxies, disk, places.

    It sends nothing, changes nothing and shows no secret: paste it into a bug report.
    """
    from collector.cli.user_state import user_memory  # noqa: PLC0415  # costs time
    from collector.diagnosis import diagnose, worst  # noqa: PLC0415  # as above

    items = diagnose(OUT, user_memory(), printed_as=printed_as())
    if as_json:
        found = {"verdict": worst(items), "items": [asdict(one) for one in items]}
        show_json(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        show(_report(items))


def _report(items: Sequence[Item]) -> Iterator[str]:
    for item in items:
        name = f"{item.name}  ".ljust(_NAME_WIDTH)
        mark = "" if item.verdict == "ok" else f"{item.verdict.upper()}: "
        yield from wrapped(f"{mark}{item.value}", name, " " * _NAME_WIDTH, anywhere=True)
        if item.advice:
            begun = f"{' ' * _NAME_WIDTH}-> "
            yield from wrapped(item.advice, begun, " " * len(begun), anywhere=True)
    found = Counter(str(item.verdict) for item in items)
    yield ""
    problems, notes = count(found["problem"], "problem"), count(found["note"], "note")
    yield f"{problems}, {notes}; this report has no secrets"
