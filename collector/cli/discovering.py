"""Asking the API which servers there are, for commands."""

from __future__ import annotations

import logging
import math
from functools import partial
from typing import TYPE_CHECKING

import anyio

from collector.cli.reaching import access
from collector.cli.readiness import prepare
from collector.cli.streams import say
from collector.discovery import discover, list_projects
from collector.event_loop import Loop
from collector.printable import one_line
from collector.report.words import count

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from collector.discovery import Found
    from collector.inventory import Inventory, Project
    from collector.model.answers import Problem

_log = logging.getLogger(__name__)


def with_discovered(
    inventory: Inventory,
    select: Sequence[str] = (),
    exclude: Sequence[str] = (),
    first: Sequence[str] = (),
    *,
    ca_file: Path | None = None,
    within_s: float | None = None,
) -> Inventory:
    """Return an inventory with the servers that its projects discover, as far as one selects them.

    Raises:
        CollectorError: an expression is invalid, or something is missing that all calls need.
    """
    projects = inventory.to_list(select, exclude, first)
    if not projects:
        return inventory
    _announce(len(projects))
    ask = partial(
        discover,
        inventory,
        access(ca_file),
        projects=projects,
        within_s=math.inf if within_s is None else within_s,
        on_listed=_tell,
    )
    return anyio.run(ask, backend_options={"loop_factory": Loop})


def listed(
    inventory: Inventory, projects: Sequence[Project], *, ca_file: Path | None = None
) -> list[Found]:
    """List projects of an inventory.

    Raises:
        CollectorError: something is missing that all calls need.
    """
    _announce(len(projects))
    ask = partial(list_projects, projects, inventory.credentials, access(ca_file), on_listed=_tell)
    return anyio.run(ask, backend_options={"loop_factory": Loop})


def told(problem: Problem, attempts: int) -> str:
    """Return why a project cannot be listed, for people."""
    tries = f", {attempts} tries" if attempts > 1 else ""
    code = f" ({problem.code})" if problem.code and problem.code not in problem.message else ""
    hint = f" -> {problem.hint}" if problem.hint else ""
    return one_line(f"{problem.message}{code}{tries}{hint}")


def _announce(projects: int) -> None:
    prepare()
    say(f"Listing the servers of {count(projects, 'project')}.")


def _tell(found: Found) -> None:
    """Report one project when it is done."""
    name = found.project.name
    servers = count(len(found.servers), "server")
    for note in found.notes:
        _log.warning(f"project {name}: {note}")
    if found.problem is not None:
        here = f"; {servers} of it known" if found.servers else ""
        _log.error(f"project {name} cannot be listed: {told(found.problem, found.attempts)}{here}")
        return
    if found.alarms_problem is not None:
        _log.warning(f"project {name}: alarms unknown: {told(found.alarms_problem, 1)}")
    _log.info(f"project {name}: {servers} listed, {count(found.calls, 'call')}")
