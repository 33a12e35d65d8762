"""Changes in the text of a YAML inventory, at the places where they belong.

libyaml tells where each value stands. What a change does not touch is copied from the text as it
is: comments, blank lines, quotes, columns, line ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from collector.discovery.yaml_text import flow, project_lines, scalar, server_line
from collector.inventory.yaml_events import LOADER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from collector.inventory.models import Server

Edit = tuple[int, int, str]
Fields = "Mapping[str, Any]"


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
        self._starts = _line_starts(text)
        root = yaml.compose(text, Loader=LOADER)
        if not isinstance(root, yaml.MappingNode):
            raise ValueError("no mapping")  # noqa: TRY004  # of the text
        self._projects = _value(root, "projects")
        self._edits: list[Edit] = []
        self._servers: dict[int, dict[str, yaml.MappingNode]] = {}

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
        node = self._server(project, server_id)
        changed: dict[str, str | None] = {
            name: None if value is None else scalar(value) for name, value in facts.items()
        }
        if tag is not None:
            name, value = tag
            tags = _value(node, "tags")
            if isinstance(tags, yaml.MappingNode) and tags.value:
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
        there = _value(node, "servers")
        lines = [server_line(server) for server in servers]
        if isinstance(there, yaml.SequenceNode) and there.value:
            self._append(there, lines)
            return
        if node.flow_style:
            new = f"[{', '.join(lines)}]"
        else:
            dash = f"{self._newline}{' ' * (node.start_mark.column + 2)}- "
            new = "".join(f"{dash}{line}" for line in lines)
        if there is None:
            self._change(node, {"servers": new}, spaced=bool(node.flow_style))
        elif node.flow_style:
            self._edits.append((self._at(there.start_mark), self._at(there.end_mark), new))
        else:
            start = self._at(there.start_mark)
            before = self._text[:start]
            start = len(before.rstrip(" "))
            self._edits.append((start, self._end(there), new))

    def add_projects(self, projects: Sequence[tuple[Mapping[str, Any], Sequence[Server]]]) -> None:
        """Add projects to the end of the file's list."""
        if not projects:
            return
        there = self._projects
        if not isinstance(there, yaml.SequenceNode) or not there.value:
            raise ValueError("no projects")
        if there.flow_style:
            self._append(
                there,
                [
                    f"{flow(dict(fields))[:-1]}, servers: [{listed}]}}"
                    for fields, servers in projects
                    for listed in (", ".join(map(server_line, servers)),)
                ],
            )
            return
        indent = " " * there.start_mark.column
        text = "".join(
            line for fields, servers in projects for line in project_lines(fields, servers, indent)
        )
        self._insert_lines(self._end(there.value[-1]), text.rstrip("\n").split("\n"))

    def _append(self, there: yaml.SequenceNode, items: Sequence[str]) -> None:
        """Add items to the end of a list that has some."""
        last = self._end(there.value[-1])
        if not there.flow_style:
            dash = " " * there.start_mark.column + "- "
            self._insert_lines(last, [dash + item for item in items])
            return
        close = self._at(there.end_mark) - 1
        tail = self._text[last:close]
        comma = "," in "".join(line.partition("#")[0] for line in tail.split("\n"))
        if not comma:
            self._edits.append((last, last, ","))
        if "\n" in tail:
            first = there.value[0].start_mark
            indent = " " * max(first.column, 1) if first.line != there.start_mark.line else "  "
            start = self._starts[there.end_mark.line]
            new = f",{self._newline}".join(indent + item for item in items) + self._newline
            at = start if not self._text[start:close].strip() else close
            self._edits.append((at, at, new if at == start else self._newline + new))
        else:
            self._edits.append((close, close, " " + ", ".join(items)))

    def _change(
        self, node: yaml.MappingNode, fields: Mapping[str, str | None], *, spaced: bool = True
    ) -> None:
        """Set or take away fields of a mapping; values are YAML already."""
        known = {key.value: (number, key, value) for number, (key, value) in enumerate(node.value)}
        added: list[tuple[str, str]] = []
        for name, new in fields.items():
            if name not in known:
                if new is not None:
                    added.append((name, new))
            elif new is None:
                self._take_away(node, known[name][0])
            else:
                value = known[name][2]
                start, end = self._at(value.start_mark), self._end(value)
                gap = "" if self._text[start - 1 : start].isspace() else " "
                self._edits.append((start, max(start, end), gap + new))
        if not added:
            return
        gap = " " if spaced else ""
        if node.flow_style:
            end = self._end(node.value[-1][1]) if node.value else self._at(node.start_mark) + 1
            comma = ", " if node.value else ""
            new = comma + ", ".join(f"{name}: {value}" for name, value in added)
            self._edits.append((end, end, new))
            return
        indent = " " * node.start_mark.column
        lines = [f"{indent}{name}:{gap}{value}" for name, value in added]
        self._insert_lines(self._end(node.value[-1][1]), lines)

    def _take_away(self, node: yaml.MappingNode, number: int) -> None:
        """Take a field away that is not the only one of its mapping."""
        key, value = node.value[number]
        start, end = self._at(key.start_mark), self._end(value)
        if node.flow_style:
            if number:
                start = self._end(node.value[number - 1][1])
            else:
                end = self._at(node.value[1][0].start_mark)
            self._edits.append((start, end, ""))
            return
        line = self._starts[key.start_mark.line]
        rest = self._text[end:].split("\n", 1)[0]
        if number == 0 and self._text[line:start].strip():  # after the dash of its list
            self._edits.append((start, self._at(node.value[1][0].start_mark), ""))
        elif rest.strip():
            self._edits.append((start, end, ""))  # a comment stays
        else:
            self._edits.append((line, min(end + len(rest) + 1, len(self._text)), ""))

    def _insert_lines(self, after: int, lines: Sequence[str]) -> None:
        """Insert lines after the one that a place is in."""
        end = self._text.find("\n", after)
        text = self._newline.join(lines)
        if end < 0:
            self._edits.append((len(self._text), len(self._text), self._newline + text))
        else:
            self._edits.append((end + 1, end + 1, text + self._newline))

    def _project(self, index: int) -> yaml.MappingNode:
        if not isinstance(self._projects, yaml.SequenceNode):
            raise TypeError("projects are no list")
        node = self._projects.value[index]
        if not isinstance(node, yaml.MappingNode):
            raise TypeError("a project is no mapping")
        return node

    def _server(self, project: int, server_id: str) -> yaml.MappingNode:
        known = self._servers.get(project)
        if known is None:
            there = _value(self._project(project), "servers")
            nodes = there.value if isinstance(there, yaml.SequenceNode) else []
            known = self._servers[project] = {_value(node, "id").value: node for node in nodes}
        return known[server_id]

    def _at(self, mark: Any) -> int:  # noqa: ANN401  # yaml.Mark, or the one of the C extension
        line, column = int(mark.line), int(mark.column)
        return self._starts[line] + column

    def _end(self, node: yaml.Node) -> int:
        """Return where a value ends: a block's mark is after the blank lines that follow it."""
        while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
            last = node.value[-1]
            node = last[1] if isinstance(last, tuple) else last
        end = self._at(node.end_mark)
        if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
            return len(self._text[:end].rstrip())
        return end


def _value(node: Any, key: str) -> Any:  # noqa: ANN401  # a node of YAML, or None
    """Return the value of a key; None where a mapping does not have it."""
    for name, value in node.value:
        if name.value == key:
            return value
    return None


def _line_starts(text: str) -> list[int]:
    r"""Return where each line starts, as libyaml counts them: `\n`, `\r\n` and `\r` end one."""
    starts, at = [0], 0
    breaks = "\n\r\x85\u2028\u2029"
    if not any(one in text for one in breaks[1:]):
        while (at := text.find("\n", at) + 1) > 0:
            starts.append(at)
        return starts
    while at < len(text):
        if text[at] in breaks:
            at += 2 if text[at : at + 2] == "\r\n" else 1
            starts.append(at)
        else:
            at += 1
    return starts
