"""Diagnosis: what this machine is like for a run, as one pastes it into a bug report.

It sends nothing and changes nothing. Secrets are not in it: of variables that hold some it has the
names, and whatever else has one of their values in it loses that.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from collector.diagnosis.items import Item, Verdict, worst

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

__all__ = ["Item", "Verdict", "diagnose", "worst"]

CHECKS: Final = (
    *("program.versions", "program.parts"),
    *("machine.system", "machine.container", "machine.processors", "machine.memory"),
    *("clock.zone", "clock.synchronised"),
    *("network.proxies", "network.authorities", "network.key_log"),
    *("limits.open_files", "limits.threads"),
    *("places.here", "places.output", "places.state", "places.program"),
    *("environment.locale", "environment.credentials"),
)
"""Modules of this package and their functions, in the order of the report."""


def diagnose(
    out: Path,
    state: Path | None,
    environ: Mapping[str, str] = os.environ,
    *,
    printed_as: str = "utf-8",
) -> list[Item]:
    """Look at everything; what cannot be looked at says why.

    Args:
        out: where runs are kept.
        state: where what is learned is kept for this user; None where there is no such place.
        environ: the environment.
        printed_as: the encoding of what is printed.
    """
    from collector.diagnosis.items import Around, secrets_of  # noqa: PLC0415  # with what follows

    around = Around(out, state, environ, printed_as)
    secrets = secrets_of(environ)
    return [item.without(secrets) for name in CHECKS for item in _looked(name, around)]


def _looked(name: str, around: object) -> Iterator[Item]:
    """Yield what one check finds; whatever goes wrong in it is a finding, too."""
    import importlib  # noqa: PLC0415  # as above

    module, _, function = name.partition(".")
    try:
        check: Callable[[object], Iterator[Item]] = getattr(
            importlib.import_module(f"{__name__}.{module}"), function
        )
        yield from check(around)
    except Exception as error:  # noqa: BLE001  # a report on odd machines: the rest of it counts
        why = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
        yield Item(function.replace("_", " "), f"cannot be found out ({why})", Verdict.NOTE)
