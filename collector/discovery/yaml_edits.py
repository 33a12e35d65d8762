"""Changes in the text of a YAML inventory, at the places where they belong.

What a change does not touch is copied from the text as it is: comments, blank lines, quotes,
columns, line ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from collector.discovery.yaml_places import Fields, Items, Unread, places, read
from collector.inventory.yaml_text import entry, flow, project_lines, scalar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from collector.inventory.models import Server

Edit = tuple[int, int, str]


class Document:
    """The text of an inventory, and changes to be made in it.

    Args:
        text: a valid inventory in YAML.

    Raises:
        ValueError: it is none whose places can be told.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._newline = "\r\n" if "\r\n" in text else "\n"
        projects = places(text).get("projects")
        if not isinstance(projects, Items):
            raise ValueError("projects are no list")  # noqa: TRY004  # of the text
        self._projects = projects
        self._edits: list[Edit] = []
        self._servers: dict[int, dict[str, Unread]] = {}

    def text(self) -> str:
        """Return the text with all changes made."""
        pieces, at = [], 0
        for start, end, new in sorted(self._edits, key=lambda one: one[:2]):
            if start < at:
                raise ValueError("two changes at one place")
            pieces += [self._text[at:start], new]
            at = end
        return "".join([*pieces, self._text[at:]])

    def change_server(
        self,
        project: int,
        server_id: str,
        facts: Mapping[str, str | None],
        tag: tuple[str, str | None] | None,
    ) -> None:
        """Change fields of a server.

        Args:
            project: its index in the file.
            server_id: its id.
            facts: fields with their new values; None takes a field away.
            tag: a tag with its new value; None takes it away.
        """
        node = read(self._text, self._server(project, server_id))
        changed: dict[str, str | None] = {
            name: None if value is None else scalar(value) for name, value in facts.items()
        }
        if tag is not None:
            name, value = tag
            tags = node.get("tags")
            if isinstance(tags, Fields) and tags.value:
                if value is None and len(tags.value) == 1:
                    changed["tags"] = None
                else:
                    self._change(tags, {name: None if value is None else scalar(value)})
            elif value is not None:
                changed["tags"] = flow({name: value})
        self._change(node, changed)

    def add_servers(self, project: int, servers: Sequence[Server]) -> None:
        """Add servers to the end of a project's list."""
        if not servers:
            return
        node = self._project(project)
        there = node.get("servers")
        lines = [flow(entry(server)) for server in servers]
        if isinstance(there, Items) and there.value:
            self._append(there, lines)
            return
        if node.flow:
            new = f"[{', '.join(lines)}]"
        else:
            dash = f"{self._newline}{' ' * (node.column + 2)}- "
            new = "".join(f"{dash}{line}" for line in lines)
        if there is None:
            self._change(node, {"servers": new}, spaced=node.flow)
        elif node.flow:
            self._edits.append((there.start, there.end, new))
        else:
            start = len(self._text[: there.start].rstrip(" "))
            self._edits.append((start, there.end, new))

    def add_projects(self, projects: Sequence[tuple[Mapping[str, Any], Sequence[Server]]]) -> None:
        """Add projects to the end of the file's list."""
        there = self._projects
        if not projects:
            return
        if there.flow:
            self._append(
                there,
                [
                    flow({**fields, "servers": list(map(entry, servers))})
                    for fields, servers in projects
                ],
            )
            return
        indent = " " * there.column
        text = "".join(
            line
            for fields, servers in projects
            for line in project_lines(fields, map(entry, servers), indent)
        )
        self._insert_lines(there.value[-1].end, text.rstrip("\n").split("\n"))

    def _append(self, there: Items, items: Sequence[str]) -> None:
        """Add items to the end of a list that has some."""
        last = there.value[-1].end
        if not there.flow:
            dash = " " * there.column + "- "
            self._insert_lines(last, [dash + item for item in items])
            return
        close = there.end - 1
        tail = self._text[last:close]
        if "," not in "".join(line.partition("#")[0] for line in tail.split("\n")):
            self._edits.append((last, last, ","))
        if "\n" not in tail:
            self._edits.append((close, close, " " + ", ".join(items)))
            return
        first = there.value[0]
        apart = "\n" in self._text[there.start : first.start]
        indent = " " * max(first.column, 1) if apart else "  "
        new = f",{self._newline}".join(indent + item for item in items)
        line = self._text.rfind("\n", 0, close) + 1
        if self._text[line:close].strip():
            self._edits.append((close, close, self._newline + new))
        else:
            self._edits.append((line, line, new + self._newline))

    def _change(
        self, node: Fields, fields: Mapping[str, str | None], *, spaced: bool = True
    ) -> None:
        """Set or take away fields of a mapping; values are YAML already."""
        known = {key.value: (number, value) for number, (key, value) in enumerate(node.value)}
        added: list[tuple[str, str]] = []
        for name, new in fields.items():
            if name not in known:
                if new is not None:
                    added.append((name, new))
            elif new is not None:
                value = known[name][1]
                gap = "" if self._text[value.start - 1 : value.start].isspace() else " "
                self._edits.append((value.start, value.end, gap + new))
        gone = sorted(
            known[name][0] for name, new in fields.items() if new is None and name in known
        )
        if gone:
            self._take_away(node, gone)
        if not added:
            return
        if node.flow:
            end = node.value[-1][1].end if node.value else node.start + 1
            comma = ", " if node.value else ""
            new = comma + ", ".join(f"{name}: {value}" for name, value in added)
            self._edits.append((end, end, new))
            return
        gap = " " if spaced else ""
        lines = [f"{' ' * node.column}{name}:{gap}{value}" for name, value in added]
        self._insert_lines(node.end, lines)

    def _take_away(self, node: Fields, numbers: Sequence[int]) -> None:
        """Take fields away, but not all of a mapping; their comments stay."""
        leading = next(at for at in range(len(node.value)) if at not in numbers)
        if leading:
            start, end = node.value[0][0].start, node.value[leading][0].start
            if "#" not in self._text[start:end]:
                self._edits.append((start, end, ""))
            elif node.flow:
                raise ValueError("a comment among fields that go")
            else:
                self._edits.append((start, node.value[0][1].end, ""))
                leading = 1
        for number in numbers:
            if number >= leading:
                self._take_one_away(node, number)

    def _take_one_away(self, node: Fields, number: int) -> None:
        """Take a field away that is not the first."""
        key, value = node.value[number]
        if node.flow:
            start = node.value[number - 1][1].end
            if "#" in self._text[start : key.start]:
                raise ValueError("a comment among fields that go")
            self._edits.append((start, value.end, ""))
            return
        line = self._text.rfind("\n", 0, key.start) + 1
        end = self._text.find("\n", value.end)
        end = len(self._text) if end < 0 else end + 1
        if self._text[value.end : end].strip():
            self._edits.append((key.start, value.end, ""))  # a comment stays
        else:
            self._edits.append((line, end, ""))

    def _insert_lines(self, after: int, lines: Sequence[str]) -> None:
        """Insert lines after the one that a place is in."""
        end = self._text.find("\n", after)
        text = self._newline.join(lines)
        if end < 0:
            self._edits.append((len(self._text), len(self._text), self._newline + text))
        else:
            self._edits.append((end + 1, end + 1, text + self._newline))

    def _project(self, index: int) -> Fields:
        node = self._projects.value[index]
        if not isinstance(node, Fields):
            raise TypeError("a project is no mapping")
        return node

    def _server(self, project: int, server_id: str) -> Unread:
        known = self._servers.get(project)
        if known is None:
            there = self._project(project).get("servers")
            nodes = there.value if isinstance(there, Items) else []
            known = self._servers[project] = {node.id: node for node in nodes}
        return known[server_id]
