"""The inventory: which servers, where, with which credentials, and under which limits.

`load` reads a file or a stream and reports every mistake with its place; `Inventory.select` picks
the servers of one run. What depends on the provider, regions and kinds of credentials, comes from
its `rules`.
"""

from __future__ import annotations

from collector.inventory.loading import load
from collector.inventory.mistakes import InventoryError, Mistake
from collector.inventory.models import (
    Credential,
    Inventory,
    Project,
    ProjectLimits,
    Selected,
    Selection,
    Server,
)
from collector.inventory.shape import schema
from collector.inventory.writing import to_mapping

__all__ = [
    "Credential",
    "Inventory",
    "InventoryError",
    "Mistake",
    "Project",
    "ProjectLimits",
    "Selected",
    "Selection",
    "Server",
    "load",
    "schema",
    "to_mapping",
]
