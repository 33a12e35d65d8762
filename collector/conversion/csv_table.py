"""CSV of any shape: which row is the header, and which column is what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from collector.conversion.csv_rows import Row, folded, layout_of, rows_of
from collector.conversion.fields import FIELDS, GUESSES, TAG, ConversionError, Entry, LeftOut, place
from collector.inventory.mistakes import quoted, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collector.conversion.fields import Wanted

_MORE_GUESSES: Final = {
    "server_id": ("serverid", "serveruuid", "instance_id", "instanceid", "resource_id", "id"),
    "project_id": ("projectid", "tenant_id"),
    "project_name": ("projectname",),
    "region": ("region_id", "regionid", "region_name"),
    "endpoint": ("endpoint",),
    "name": (
        *("name", "server_name", "servername", "hostname", "host_name", "host"),
        *("instance_name", "display_name"),
    ),
}
"""In addition to those that every source may have."""
_HEADER_WITHIN: Final = 50
"""Rows among which the header is looked for: titles may stand above it."""
_SHOWN_MAX: Final = 20
_SHORTENED: Final = re.compile(r"\d(?:[.,]\d+)?E\+\d+")
"""A number as spreadsheets show it that has more digits than they keep."""


@dataclass(slots=True)
class Table:
    """A CSV whose columns are known.

    Attributes:
        entries: servers, and rows that are not servers. Iterate only once.
        notes: what was decided about it, for people.
    """

    entries: Iterator[Entry | LeftOut]
    notes: list[str]


def read(text: str, wanted: Wanted) -> Table:
    """Find the columns of a CSV.

    Raises:
        ConversionError: no column holds the servers' ids, or one that is asked for is not there.
    """
    layout = layout_of(text, frozenset(_guesses(wanted)))
    rows = rows_of(text, layout)
    first: list[Row | LeftOut] = []
    header: Row | None = None
    for row in rows:
        first.append(row)
        if isinstance(row, Row) and _is_header(row, wanted):
            header = row
            break
        if len(first) >= _HEADER_WITHIN:
            break
    notes: list[str] = []
    before: list[Row | LeftOut] = first
    if header is not None:
        columns = _columns(header.cells, wanted, notes)
        above = [one for one in first if isinstance(one, Row) and one is not header]
        before = [one for one in first if isinstance(one, LeftOut)]
        if above:
            notes.append(f"the header is line {header.line}; what stands above it is no server")
        width = len(header.cells)
    else:
        columns, width = _numbered(first, wanted)
    named = [f"{place(name)} from {what}" for name, (_, what) in columns.items()]
    if len(named) > _SHOWN_MAX:
        named[_SHOWN_MAX:] = [f"and {len(named) - _SHOWN_MAX} more"]
    notes.append(f"columns: {', '.join(named)}")
    places = {name: place for name, (place, _) in columns.items()}
    return Table(_entries(before, rows, places, width), notes)


def _guesses(wanted: Wanted) -> Iterator[str]:
    for name in FIELDS:
        yield from _names(name, wanted)
    yield from (folded(column) for name, column in wanted.columns.items() if name not in FIELDS)


def _names(name: str, wanted: Wanted) -> tuple[str, ...]:
    if name in wanted.columns:
        return (folded(wanted.columns[name]),)
    return (*GUESSES.get(name, ()), *_MORE_GUESSES.get(name, ()))


def _is_header(row: Row, wanted: Wanted) -> bool:
    """Whether a row names the column of ids, and all others that are asked for by name."""
    names = {folded(cell) for cell in row.cells}
    asked = [folded(one) for one in wanted.columns.values() if not one.isdecimal()]
    if not all(one in names for one in asked):
        return False
    mapped = wanted.columns.get("server_id", "")
    if mapped.isdecimal():
        at = int(mapped)
        return bool(asked) or not _has_digit(row, at)
    return any(one in names for one in _names("server_id", wanted))


def _has_digit(row: Row, at: int) -> bool:
    return 1 <= at <= len(row.cells) and any(char.isdigit() for char in row.cells[at - 1])


def _columns(header: Sequence[str], wanted: Wanted, notes: list[str]) -> dict[str, tuple[int, str]]:
    """Return the place of each field's column, and what it is called."""
    by_name: dict[str, list[int]] = {}
    for index, cell in enumerate(header):
        by_name.setdefault(folded(cell), []).append(index)
    found: dict[str, tuple[int, str]] = {}
    for name in wanted.fields:
        mapped = wanted.columns.get(name)
        if mapped is not None and mapped.isdecimal() and folded(mapped) not in by_name:
            found[name] = _by_number(name, mapped, len(header))
            continue
        places = next((by_name[one] for one in _names(name, wanted) if one in by_name), None)
        if places is None:
            continue
        found[name] = places[0], quoted(header[places[0]])
        if len(places) > 1:
            notes.append(
                f"{len(places)} columns are called {quoted(header[places[0]])}; {name} is taken "
                f"from the first; for another one give its number: --map {name}={places[1] + 1}"
            )
    for index, cell in enumerate(header):
        if cell.startswith(TAG) and cell != TAG and cell not in found:
            found[cell] = index, quoted(cell)
    if "credentials" in by_name and "credentials" not in found:
        notes.append(
            "the column 'credentials' is not used; if it names environment variables, give "
            "--map credentials=credentials"
        )
    return found


def _by_number(name: str, number: str, width: int) -> tuple[int, str]:
    at = int(number[:10])
    if not 1 <= at <= width:
        raise ConversionError(
            f"--map {name}={number[:10]}: there is no such column; the header has {width}"
        )
    return at - 1, f"column {at}"


def _numbered(
    first: Sequence[Row | LeftOut], wanted: Wanted
) -> tuple[dict[str, tuple[int, str]], int]:
    """Return the columns of a CSV without a header, which are asked for by number.

    Raises:
        ConversionError: they are not.
    """
    rows = [one for one in first if isinstance(one, Row)]
    top = rows[0].cells if rows else []
    width = max((len(row.cells) for row in rows), default=0)
    if "server_id" in wanted.columns and all(one.isdecimal() for one in wanted.columns.values()):
        return {name: _by_number(name, at, width) for name, at in wanted.columns.items()}, width
    names = [cell for cell in dict.fromkeys(top) if cell]
    shown = ", ".join(quoted(cell) for cell in names[:_SHOWN_MAX])
    if len(names) > _SHOWN_MAX:
        shown += f" and {len(names) - _SHOWN_MAX} more"
    known = {folded(cell) for cell in names}
    for name, column in wanted.columns.items():
        if not column.isdecimal() and folded(column) not in known:
            raise ConversionError(
                f"--map {name}={column}: there is no column {quoted(column)}; "
                + (suggestion(column, names[:_SHOWN_MAX]) if names else "the file has no columns")
            )
    raise ConversionError(
        "no column looks like the servers' ids; give --map server_id=COLUMN, by name or number "
        f"(the first row is {shown or 'empty'})"
    )


def _entries(
    first: list[Row | LeftOut],
    rest: Iterator[Row | LeftOut],
    places: dict[str, int],
    width: int,
) -> Iterator[Entry | LeftOut]:
    for rows in (first, rest):
        for row in rows:
            if isinstance(row, LeftOut):
                yield row
            elif any(row.cells[width:]):
                what = (
                    f"the row: {len(row.cells)} cells under a header of {width}; put cells that "
                    "hold the separator in quotes"
                )
                yield LeftOut(row.where, what)
            else:
                values = {name: row.cells[at] for name, at in places.items() if at < len(row.cells)}
                yield _shortened(row, values) or Entry(row.where, values)


def _shortened(row: Row, values: dict[str, str]) -> LeftOut | None:
    """Return why a row is left out whose id a spreadsheet has taken for a number; None if fine."""
    for name in ("server_id", "project_id"):
        if _SHORTENED.fullmatch(values.get(name, "")):
            what = (
                f"{name} {quoted(values[name])} is a long number that a spreadsheet has shortened; "
                "format the column as text, enter it again and save again"
            )
            return LeftOut(row.where, what)
    return None
