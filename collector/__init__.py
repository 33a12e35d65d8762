"""Brings home the logs of every physical server of a fleet, verified and accounted for.

    from pathlib import Path
    import anyio, collector

    async def main() -> None:
        inventory = collector.load(Path("fleet.yaml"))
        selection = inventory.select(["tag:role=db"])
        async with collector.collect(selection, Path("collected")) as run:
            async for event in run:
                ...
        print(run.summary.totals, run.verdict)

    anyio.run(main)

The names below are loaded when they are first used, so that `collector --help` answers at once.
Nothing at all is imported here: until it is, a Ctrl-C ends in Python's own words.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in `typing`, which takes a while

if TYPE_CHECKING:
    from typing import Any

    from collector.errors import CollectorError
    from collector.inventory import Inventory, InventoryError, Selection, load
    from collector.planning import Plan
    from collector.providers.protocol import Access, Fleet, Provider
    from collector.report.building import Report
    from collector.report.summary import Summary
    from collector.report.verdict import Verdict
    from collector.rundir.verification import Verification, verify
    from collector.runtime.collection import Collection, collect
    from collector.runtime.feed import EventsSkipped
    from collector.runtime.planned import plan
    from collector.runtime.resuming import resume
    from collector.runtime.terms import Terms

_PLACES = {
    "Access": "collector.providers.protocol",
    "Collection": "collector.runtime.collection",
    "CollectorError": "collector.errors",
    "EventsSkipped": "collector.runtime.feed",
    "Fleet": "collector.providers.protocol",
    "Inventory": "collector.inventory",
    "InventoryError": "collector.inventory",
    "Plan": "collector.planning",
    "Provider": "collector.providers.protocol",
    "Report": "collector.report.building",
    "Selection": "collector.inventory",
    "Summary": "collector.report.summary",
    "Terms": "collector.runtime.terms",
    "Verdict": "collector.report.verdict",
    "Verification": "collector.rundir.verification",
    "collect": "collector.runtime.collection",
    "load": "collector.inventory",
    "plan": "collector.runtime.planned",
    "resume": "collector.runtime.resuming",
    "verify": "collector.rundir.verification",
}

__all__ = [
    "Access",
    "Collection",
    "CollectorError",
    "EventsSkipped",
    "Fleet",
    "Inventory",
    "InventoryError",
    "Plan",
    "Provider",
    "Report",
    "Selection",
    "Summary",
    "Terms",
    "Verdict",
    "Verification",
    "collect",
    "load",
    "plan",
    "resume",
    "verify",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401  # whatever the name stands for
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415  # as above

    place = importlib.import_module(_PLACES[name])
    value = globals()[name] = getattr(place, name)
    return value
