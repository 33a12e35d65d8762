"""Texts loaded as inventories, and what is said of those that are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collector.inventory import Inventory, InventoryError, load

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CANARY = "MIIE-s3cr3t-c4n4ry"
ENVIRON = {"CLOUDDC_TOKEN": CANARY, "TWO_LINES": f"{CANARY}\n{CANARY}", "BLANK": " "}


class Reader:
    """Loads texts as files of a temporary directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(
        self, text: str | bytes, suffix: str = ".yaml", environ: Mapping[str, str] = ENVIRON
    ) -> Inventory:
        path = self.folder / f"fleet{suffix}"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return load(path, environ=environ)

    def mistakes(
        self, text: str | bytes, suffix: str = ".yaml", environ: Mapping[str, str] = ENVIRON
    ) -> list[str]:
        """The lines of the error, without the folder in front; it never tells the secret."""
        with pytest.raises(InventoryError) as caught:
            self.load(text, suffix, environ)
        told = str(caught.value)
        assert CANARY not in told + repr(caught.value) + repr(caught.value.problems)
        assert all(one.what and one.instead for one in caught.value.problems)
        return [line.removeprefix(f"{self.folder}/") for line in told.splitlines()]
