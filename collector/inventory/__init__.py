"""The inventory: which servers, where, with whose credentials, and under which limits.

`load` reads a file or a stream and tells every mistake in it with its place; `Inventory.select`
picks the servers of one run. A vendor's part, regions and kinds of credentials, comes as a table.
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
from collector.inventory.vendor import CredentialKind, Vendor
from collector.inventory.writing import to_mapping

__all__ = [
    "Credential",
    "CredentialKind",
    "Inventory",
    "InventoryError",
    "Mistake",
    "Project",
    "ProjectLimits",
    "Selected",
    "Selection",
    "Server",
    "Vendor",
    "load",
    "schema",
    "to_mapping",
]
