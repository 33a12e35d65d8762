"""The demo's fleet: sixty servers behind a throttle, with a few faults, two of them permanent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from collector.emulator import Fault, Lognormal, Scenario, Throttle, fleet

if TYPE_CHECKING:
    from collector.emulator import ServerSpec

SERVERS = 60
PROJECTS = 3
SEED = 1
CALLS_A_SECOND = 12

FAULTS = {
    4: Fault("not_ready", times=1),
    9: Fault("error_500", calls=("export",), times=2),
    15: Fault("reset_after", times=1),
    22: Fault("truncated", times=1),
    28: Fault("corrupt", times=1),
    33: Fault("failed_export", times=1),
    38: Fault("html", calls=("status",), times=1),
    45: Fault("forgotten_export", times=1),
    41: Fault("no_permission", calls=("export",)),
    56: Fault("corrupt"),
}
"""The fault of each server, by its number; the last two are permanent."""


def scenario() -> Scenario:
    """Return the demo's scenario."""
    ready = fleet(
        servers=SERVERS,
        projects=PROJECTS,
        seed=SEED,
        dialect="mixed",
        debug_headers=False,  # a 429 is needed to learn the limit
        throttles=(Throttle("user", CALLS_A_SECOND, 1.0, window="sliding"),),
        export_duration_s=Lognormal(median=4, sigma=0.5, low=1, high=10),
        archive_bytes=Lognormal(median=120_000, sigma=0.8, low=8_000, high=1_000_000),
    )
    number = iter(range(SERVERS))
    faults = {
        server.id: FAULTS[index]
        for project in ready.projects
        for server in project.servers
        if (index := next(number)) in FAULTS
    }

    def with_faults(server: ServerSpec) -> ServerSpec:
        fault = faults.get(server.id)
        return server if fault is None else replace(server, faults=(fault,))

    return replace(
        ready,
        projects=tuple(
            replace(project, servers=tuple(with_faults(server) for server in project.servers))
            for project in ready.projects
        ),
    )
