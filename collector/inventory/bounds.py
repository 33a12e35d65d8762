"""Limits on an inventory's size: anything larger is refused before it takes time or memory.

A fleet of 100,000 servers is far below all of these.
"""

from __future__ import annotations

from typing import NoReturn

from collector.inventory.mistakes import InventoryError, Mistake

BYTES_MAX = 64_000_000
BYTES_MAX = 64_000_000
LINES_MAX = 1_000_000
"""Of TOML and CSV."""
PROJECTS_MAX = 20_000
RUN_MAX = 50_000
"""Consecutive characters without a line end or a separator of values."""
VALUES_MAX = 3_000_000
"""Texts, numbers, lists, mappings and keys."""
KEYS_MAX = 10_000
"""Keys of one mapping."""
ITEMS_MAX = 1_000
"""Items of a list other than projects or servers."""
PARTS_MAX = 50
"""Parts of a dotted key in TOML."""
ESCAPES_MAX = 1_000_000
"""Backslashes in TOML."""
COLUMNS_MAX = 1_000
"""Columns of CSV."""
ID_MAX = 1_024
"""Characters of an id."""
TEXT_MAX = 4_096
"""Characters of a name, a tag's key or value, and any other text."""

LONG_LISTS = ("projects", "servers")
"""The keys of lists that may be longer."""


_ENDS = '\n ",[{'


def check_lines(text: str, name: str) -> None:
    """Refuse a text with too many lines.

    Raises:
        InventoryError: it has too many.
    """
    if text.count("\n") > LINES_MAX:
        refuse(name, LINES_MAX, 1, f"the inventory has more than {LINES_MAX:,} lines")


def check_runs(text: str, name: str) -> None:
    """Refuse a text with a value of tens of thousands of characters, before parsing it.

    Raises:
        InventoryError: it has one; the place is near its start.
    """
    for at in range(0, len(text) - RUN_MAX + 1, RUN_MAX):
        if all(text.find(end, at, at + RUN_MAX) < 0 for end in _ENDS):
            begun = max(text.rfind(end, 0, at) for end in _ENDS) + 1
            line, column = text.count("\n", 0, begun) + 1, begun - text.rfind("\n", 0, begun)
            refuse(name, line, column, f"a value of more than {RUN_MAX:,} characters")


def refuse(name: str, line: int, column: int, what: str) -> NoReturn:
    """Raise an error about a file that is too large."""
    raise InventoryError([Mistake(name, line, column, what, "split it, or write less")])
