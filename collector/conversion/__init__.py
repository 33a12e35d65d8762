"""Conversion: an inventory from what other programs know of the servers.

Each kind of source yields servers, and what cannot be read; `building` makes projects of them.
Nothing is left out without being listed, and nothing is taken but what is mapped.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from collector.conversion.building import build
from collector.conversion.fields import ConversionError, Entry, LeftOut, Wanted, read_columns
from collector.conversion.source import as_utf8, decoded, read
from collector.conversion.writing import check_new, form_of, text_of, write_new

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

__all__ = [
    "KINDS",
    "Conversion",
    "ConversionError",
    "LeftOut",
    "Wanted",
    "check_new",
    "convert",
    "form_of",
    "read_columns",
    "text_of",
    "write_new",
]

KINDS: Final = ("ansible", "csv", "list", "terraform")


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of a source.

    Attributes:
        data: the inventory, in the shape of inventories; without projects if there is none.
        left_out: what could not be converted, in the order of the source.
        notes: what was decided about the source, for people.
        read: how many servers the source has, as far as they can be counted.
        servers: how many the inventory has.
    """

    data: dict[str, Any]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    read: int
    servers: int

    @property
    def projects(self) -> int:
        """How many projects the inventory has."""
        return len(self.data["projects"])


def convert(source: Path | BinaryIO, kind: str, wanted: Wanted, name: str) -> Conversion:
    """Convert a source.

    Args:
        source: a file, or a stream; for Ansible also a directory.
        kind: one of `KINDS`.
        wanted: what the options say.
        name: of the source, for messages.

    Raises:
        ConversionError: it cannot be converted at all.
    """
    notes: list[str] = []
    built = build(_entries(source, kind, wanted, name, notes), wanted)
    return Conversion(built.data, tuple(built.left_out), tuple(notes), built.read, built.servers)


def _entries(
    source: Path | BinaryIO, kind: str, wanted: Wanted, name: str, notes: list[str]
) -> Iterable[Entry | LeftOut]:
    if kind == "ansible":
        from collector.conversion import ansible  # noqa: PLC0415  # one kind's imports, not all

        return ansible.entries(*_listed(source, name, notes), wanted, name)
    raw = read(source, name)
    if kind == "terraform":
        from collector.conversion import terraform  # noqa: PLC0415  # as above

        return terraform.entries(as_utf8(raw, name), wanted, name, notes)
    text, encoding = decoded(raw, name)
    if encoding != "utf-8":
        notes.append(f"read as {encoding}")
    if kind == "csv":
        from collector.conversion import csv_table  # noqa: PLC0415  # as above

        table = csv_table.read(text, wanted)
        notes += table.notes
        return table.entries
    from collector.conversion import id_list  # noqa: PLC0415  # as above

    if wanted.columns:
        raise ConversionError("--map needs columns, and a list has none; use --from csv")
    return id_list.entries(text)


def _listed(source: Path | BinaryIO, name: str, notes: list[str]) -> tuple[bytes, list[LeftOut]]:
    """Return the JSON of Ansible's hosts, and files that are not in it."""
    from collector.conversion.ansible import is_listed  # noqa: PLC0415  # as above

    if not (isinstance(source, Path) and source.is_dir()):
        raw = as_utf8(read(source, name), name)
        if is_listed(raw):
            return raw, []
    if not isinstance(source, Path):
        raise ConversionError(
            f"{name}: not the JSON of ansible-inventory --list; pipe that, or name the file"
        )
    from collector.conversion.ansible_program import PROGRAM, listed  # noqa: PLC0415  # as above

    notes.append(f"read by {PROGRAM}")
    return listed(source)
