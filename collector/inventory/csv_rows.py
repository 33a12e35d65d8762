"""Parsing CSV, a row per server, into the shape of the other formats.

The column of a mistake is the number of its field, as in a spreadsheet; its line is the first one
of the row. White space around cells is ignored. An empty cell in an optional column is the same as
no column.

The `credentials` column names the environment variable with the row's token, since a CSV has no
place for more; without it, or if its cell is empty, that is the provider's variable.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from collector.inventory.bounds import COLUMNS_MAX, PROJECTS_MAX, check_lines, refuse
from collector.inventory.findings import Parsed, Place
from collector.inventory.mistakes import MISTAKES_MAX, InventoryError, Mistake, quoted, suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.inventory.findings import Finding, Path
    from collector.providers.rules import InventoryRules

REQUIRED = ("project_id", "server_id")
OPTIONAL = ("project_name", "region", "endpoint", "credentials", "name")
TAG = "tag:"
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
HEADER = "start with the header project_id,server_id, the fields separated by commas"
# The column for a key of the common shape.
PROJECT_COLUMNS = {
    "id": "project_id",
    "name": "project_name",
    "region": "region",
    "endpoint": "endpoint",
    "credentials": "credentials",
}
SERVER_COLUMNS = {"id": "server_id", "name": "name"}


def parse(text: str, name: str, rules: InventoryRules) -> Parsed:
    """Parse a CSV file, grouping its rows into projects.

    Rows belong to one project if they agree in project_id, region and endpoint, in any order.

    Raises:
        InventoryError: The header is wrong, or no row can be read.
    """
    check_lines(text, name)
    lines = (line[0] for line in _LINE.finditer(text))
    rows = csv.reader(lines, strict=True, skipinitialspace=True)
    table = _Table(name, rules)
    try:
        for row in rows:
            if any(row):
                table.add([cell.strip() for cell in row])
            table.line = rows.line_num + 1
            if len(table.mistakes) > MISTAKES_MAX:
                break
    except csv.Error as error:
        line = max(rows.line_num, 1)
        what, instead = f"this is not valid CSV: {error}", "check the quotes in this row"
        table.mistakes.append(Mistake(name, line, 1, what, instead))
    if not table.columns:
        table.mistakes.append(Mistake(name, 1, 1, "the header is missing", HEADER))
    elif not table.projects and not table.mistakes:
        what, instead = "there are no rows after the header", "write a row for each server"
        table.mistakes.append(Mistake(name, 1, 1, what, instead))
    if not table.projects:
        raise InventoryError(table.mistakes)
    projects = [project.data for project in table.projects.values()]
    data = {"version": 1, "credentials": table.entries, "projects": projects}
    return Parsed(data, table.locate, tuple(table.mistakes))


@dataclass(slots=True)
class _Project:
    """A project in the common shape, and the lines of its servers."""

    data: dict[str, Any]
    lines: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Table:
    """Collects rows as they are read, the header first."""

    name: str
    rules: InventoryRules
    line: int = 1
    columns: dict[str, int] = field(default_factory=dict)
    projects: dict[tuple[str, str, str], _Project] = field(default_factory=dict)
    entries: dict[str, dict[str, str]] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def add(self, row: list[str]) -> None:
        if not self.columns:
            self._read_header(row)
        elif len(row) != len(self.columns):
            what = f"the row has {len(row)} fields, but the header has {len(self.columns)}"
            self._mistake(min(len(row), len(self.columns)), what, "make them equal")
        else:
            self._read_row(dict(zip(self.columns, row, strict=True)))

    def locate(self, findings: Sequence[Finding]) -> list[Place]:
        """Return the row and field of each finding."""
        projects = list(self.projects.values())
        return [self._place(one.path, projects) for one in findings]

    def _read_header(self, header: list[str]) -> None:
        known = (*REQUIRED, *OPTIONAL)
        if len(header) > COLUMNS_MAX:
            refuse(self.name, self.line, COLUMNS_MAX + 1, f"more than {COLUMNS_MAX:,} columns")
        for number, column in enumerate(header, start=1):
            if column in self.columns:
                self._mistake(
                    number, f"column {quoted(column)} is listed twice", "keep one of them"
                )
            elif column not in known and not (column.startswith(TAG) and column != TAG):
                instead = f"{suggestion(column, known)} (tags are {TAG}KEY)"
                self._mistake(number, f"unknown column {quoted(column)}", instead)
            self.columns[column] = number
        for column in REQUIRED:
            if column not in self.columns:
                self._mistake(1, f"column {column} is missing", HEADER)
        if self.mistakes:
            raise InventoryError(self.mistakes)

    def _read_row(self, row: dict[str, str]) -> None:
        for column in REQUIRED:
            if not row[column]:
                self._mistake(self.columns[column], f"{column} is empty", "write the vendor's id")
                return
        project = self._project(row)
        server: dict[str, Any] = {"id": row["server_id"]}
        if row.get("name"):
            server["name"] = row["name"]
        tags = {k.removeprefix(TAG): v for k, v in row.items() if v and k.startswith(TAG)}
        if tags:
            server["tags"] = tags
        project.data["servers"].append(server)
        project.lines.append(self.line)

    def _project(self, row: dict[str, str]) -> _Project:
        """Return the project of a row, which must describe it as its first row does."""
        key = (row["project_id"], row.get("region", ""), row.get("endpoint", ""))
        data: dict[str, Any] = {
            key: row[column] for key, column in PROJECT_COLUMNS.items() if row.get(column)
        }
        data.setdefault("credentials", self.rules.variable)
        project = self.projects.get(key)
        if project is None:
            self.entries[data["credentials"]] = self.rules.entry(data["credentials"])
            project = self.projects[key] = _Project({**data, "servers": []})
            if len(self.projects) > PROJECTS_MAX:
                refuse(self.name, self.line, 1, f"more than {PROJECTS_MAX:,} projects")
        for field_name in ("name", "credentials"):
            if data.get(field_name) != project.data.get(field_name):
                column = PROJECT_COLUMNS[field_name]
                what = (
                    f"{column} differs from the one for the same project on line {project.lines[0]}"
                )
                self._mistake(self.columns[column], what, "write the same value in all of its rows")
        return project

    def _place(self, path: Path, projects: list[_Project]) -> Place:
        if path[:1] == ("credentials",) and len(path) > 1:
            index = next(i for i, one in enumerate(projects) if one.data["credentials"] == path[1])
            return self._place(("projects", index, "credentials"), projects)
        if path[:1] != ("projects",) or len(path) == 1:
            return Place(1, 1)
        project = projects[int(path[1])]
        if path[2:3] != ("servers",) or len(path) == 3:  # noqa: PLR2004 - projects, 0, servers
            column = PROJECT_COLUMNS.get(str(path[2]) if len(path) > 2 else "id", "project_id")  # noqa: PLR2004 - projects, 0
            return Place(project.lines[0], self.columns.get(column, 1))
        line = project.lines[int(path[3])]
        match path[4:]:
            case ["tags", str(tag)]:
                column = TAG + tag
            case [str(key), *_]:
                column = SERVER_COLUMNS.get(key, "server_id")
            case _:
                column = "server_id"
        return Place(line, self.columns.get(column, 1))

    def _mistake(self, column: int, what: str, instead: str) -> None:
        self.mistakes.append(Mistake(self.name, self.line, column, what, instead))
