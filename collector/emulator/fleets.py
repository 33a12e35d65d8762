"""A ready scenario of any size."""

from __future__ import annotations

from typing import Any

from collector.emulator.alarms import AlarmSpec
from collector.emulator.chance import generator, opaque
from collector.emulator.errors import require
from collector.emulator.scenario import Health, ProjectSpec, Scenario, ServerSpec

_NAMES = ("payments", "search", "storage", "ledger", "gateway", "training", "archive", "media")
_MODELS = ("2288H V6", "2288H V7", "5288 V6")
_DAY_S = 86_400.0
_OK: tuple[Health, tuple[AlarmSpec, ...]] = ("OK", ())
_HEALTH: tuple[tuple[Health, tuple[AlarmSpec, ...]], ...] = (
    ("Critical", (AlarmSpec(1), AlarmSpec(3, began_ago_s=_DAY_S / 2))),
    ("Warning", (AlarmSpec(2, began_ago_s=_DAY_S / 4),)),
    ("OK", (AlarmSpec(2, began_ago_s=2 * _DAY_S, status="ok"),)),
    *[_OK] * 17,
)
"""How servers are, and why: of twenty about one is critical."""
_ROLES = ("db", "web", "cache", "compute")


def fleet(*, servers: int = 60, projects: int = 3, seed: int = 1, **overrides: Any) -> Scenario:  # noqa: ANN401 - Scenario's own members, checked by its constructor
    """A scenario of `servers` servers, spread evenly over `projects` projects.

    Args:
        servers: How many, in all.
        projects: How many; each has a name.
        seed: Decides ids and every draw.
        **overrides: Any other member of `Scenario`.

    Raises:
        ScenarioError: If there are fewer servers than projects, or no project.
    """
    require(1 <= projects <= servers, "fleet: wanted at least one project, and a server for each")
    return Scenario(
        seed=seed,
        projects=tuple(
            ProjectSpec(
                id=opaque(seed, "project", index),
                name=_NAMES[index] if index < len(_NAMES) else f"project-{index + 1}",
                servers=tuple(_server(seed, number) for number in range(index, servers, projects)),
            )
            for index in range(projects)
        ),
        **overrides,
    )


def _server(seed: int, number: int) -> ServerSpec:
    random = generator(seed, "server", number)
    digits = f"{random.getrandbits(128):032x}"
    parts = digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]
    rack = f"r{number // 20 + 1:02}"
    role = random.choice(_ROLES)
    health, alarms = random.choice(_HEALTH)
    return ServerSpec(
        id="-".join(parts),
        name=f"bms-{number + 1:03}",
        tags={"role": role, "rack": rack},
        model=random.choice(_MODELS),
        rack=rack,
        health=health,
        alarms=alarms,
    )
