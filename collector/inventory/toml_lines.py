"""Parsing TOML, and finding the lines of its keys and table headers."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from collector.inventory.bounds import (
    ESCAPES_MAX,
    ITEMS_MAX,
    KEYS_MAX,
    PARTS_MAX,
    PROJECTS_MAX,
    check_lines,
    refuse,
)
from collector.inventory.findings import Parsed, Place
from collector.inventory.mistakes import InventoryError, Mistake

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.inventory.findings import Finding, Path

_POSITION = re.compile(r"(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|.*)\)")
_HEADER = re.compile(r"\s*\[")
_HEADER_WORD = re.compile(r"""\s*\[\[?\s*(?P<word>[\w"'-]{1,64})\s*(?P<after>]?]?)""", re.ASCII)
_BEGINS = re.compile(r"""\s*[\w"'-]""", re.ASCII)
_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*+(?:"|$)|'[^']*+(?:'|$)""")
_BETWEEN = re.compile(r"[^\w. \t-]+", re.ASCII)
_TABLES = ("projects", "credentials", "defaults")
_WORD = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_KEY = re.compile(rf"\s*(?P<key>{_WORD}(?:\s*\.\s*{_WORD})*)\s*=")


def parse(text: str, name: str) -> Parsed:
    """Parse a TOML file.

    Raises:
        InventoryError: The text is not TOML.
    """
    check_lines(text, name)
    lines = text.splitlines()
    _check_size(lines, name)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _POSITION.fullmatch(str(error))
        # Without numbers, it is the end of the document.
        line, column = len(lines) or 1, len(lines[-1]) + 1 if lines else 1
        if found and found["line"]:
            line, column = int(found["line"]), int(found["column"])
        what = f"this is not valid TOML: {found['what'] if found else error}"
        instead = "check the quotes, brackets and keys here"
        raise InventoryError([Mistake(name, line, column, what, instead)]) from None
    except (RecursionError, ValueError):
        what, instead = "this is nested too deeply, or a number is too long", "write less"
        raise InventoryError([Mistake(name, 1, 1, what, instead)]) from None
    return Parsed(data, lambda findings: _locate(lines, findings))


def _check_size(lines: Sequence[str], name: str) -> None:
    """Refuse what would cost `tomllib`, which has no limits, minutes and gigabytes."""
    keys = tables = escapes = projects = 0
    for number, line in enumerate(lines, start=1):
        escapes += line.count("\\")
        if escapes > ESCAPES_MAX:
            refuse(name, number, 1, f"more than {ESCAPES_MAX:,} escapes")
        if line.count(".") > PARTS_MAX and _parts(line) > PARTS_MAX:
            refuse(name, number, 1, f"a key of more than {PARTS_MAX} parts")
        if header := _HEADER_WORD.match(line):
            keys = 0
            tables += header["word"].strip("\"'") not in _TABLES
            projects += header["after"] == "]]"
        elif _BEGINS.match(line):
            keys += 1
        if projects > PROJECTS_MAX:
            refuse(name, number, 1, f"more than {PROJECTS_MAX:,} projects")
        if keys > KEYS_MAX or tables > ITEMS_MAX:
            what = f"{KEYS_MAX:,} keys in one table" if keys > KEYS_MAX else f"{ITEMS_MAX:,} tables"
            refuse(name, number, 1, f"more than {what}")


def _parts(line: str) -> int:
    """Return the most dots in a chain of words: a key, unless it is inside multi-line text."""
    return max(part.count(".") for part in _BETWEEN.split(_QUOTED.sub("_", line)))


def _locate(lines: Sequence[str], findings: Sequence[Finding]) -> list[Place]:
    """Return the line of each finding's key, or of the key or table header above it."""
    places = _places(lines)
    return [_nearest(one.path, places) for one in findings]


def _nearest(path: Path, places: dict[Path, Place]) -> Place:
    for length in range(len(path), 0, -1):
        if path[:length] in places:
            place = places[path[:length]]
            return place if length == len(path) else Place(place.line, place.column, exact=False)
    return Place(1, 1, exact=not path)


def _places(lines: Sequence[str]) -> dict[Path, Place]:
    places: dict[Path, Place] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    for number, line in enumerate(lines, start=1):
        place = Place(number, len(line) - len(line.lstrip()) + 1)
        if _HEADER.match(line):
            keys = _keys(line)
            table = _table(keys, counts, array=line.lstrip().startswith("[["))
            places[table] = place
        elif key := _KEY.match(line):
            path = table
            for step in _keys(f"{key['key']} = 0"):
                path = (*path, step)
                places.setdefault(path, place)
    return places


def _table(keys: Path, counts: dict[Path, int], *, array: bool) -> Path:
    """Return the path that a header opens, counting the items of arrays of tables."""
    path: Path = ()
    for position, key in enumerate(keys):
        path = (*path, key)
        if array and position == len(keys) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _keys(line: str) -> Path:
    """Return the keys in a header or before an equals sign, parsed by `tomllib`."""
    try:
        part = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()
    path: Path = ()
    inner: Any = part
    while isinstance(inner, dict) and inner:
        key, inner = next(iter(inner.items()))
        path = (*path, key)
        inner = inner[0] if isinstance(inner, list) else inner
    return path
