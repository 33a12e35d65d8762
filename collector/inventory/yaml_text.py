"""An inventory as YAML: a server a line, and text in quotes only where YAML would misread it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from collector.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from collector.inventory.models import Server

_PLAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./@+-]*")
_NUMERIC: Final = re.compile(r"[0-9][0-9a-fA-FoOxX_.:+-]*|[0-9.]+[eE][0-9+-]*")
"""What some reader of YAML takes for a number or a date."""
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"})
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
_BYTE_MAX, _PLANE_MAX = 0xFF, 0xFFFF
_KEY_MAX: Final = 1000
"""Characters of a key; a longer one is marked as such, since YAML looks no further than 1,024."""


@lru_cache(maxsize=4096)
def scalar(text: str) -> str:
    """Return text as a YAML scalar that every reader takes for this very text."""
    if (
        _PLAIN.fullmatch(text)
        and text.casefold() not in _WORDS
        and not (_NUMERIC.fullmatch(text) and not _is_hex_id(text))
    ):
        return text
    return f'"{"".join(_escaped(one) for one in text)}"'


def _is_hex_id(text: str) -> bool:
    """Tell whether it is something like a UUID, with letters that no number has."""
    return bool(re.search(r"[abcdfABCDF]", text)) and not re.match(r"0[xXoObB]", text)


def _escaped(one: str) -> str:
    if one in _SHORT:
        return _SHORT[one]
    if one.isprintable():
        return one
    code = ord(one)
    if code <= _BYTE_MAX:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= _PLANE_MAX else f"\\U{code:08x}"


def _key(name: str) -> str:
    text = scalar(name)
    return f"{text}:" if len(text) <= _KEY_MAX else f"? {text} :"


def flow(value: Any) -> str:  # noqa: ANN401  # what JSON holds
    """Return a value in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(name)} {flow(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value) if isinstance(value, str) else str(value)


def entry(server: Server) -> dict[str, Any]:
    """Return a server as an inventory has it."""
    name = {} if server.name == server.id else {"name": server.name}
    tags = {"tags": dict(server.tags)} if server.tags else {}
    return {"id": server.id, **name, **tags, **server.facts}


def project_lines(
    fields: Mapping[str, Any], servers: Iterable[Mapping[str, Any]], indent: str
) -> Iterator[str]:
    """Yield the lines of a project: an item of a list whose dashes stand at `indent`."""
    dash = f"{indent}- "
    for key, value in fields.items():
        yield f"{dash}{key}: {flow(value)}\n"
        dash = f"{indent}  "
    lines = [f"{indent}    - {flow(server)}\n" for server in servers]
    yield f"{indent}  servers:\n" if lines else f"{indent}  servers: []\n"
    yield from lines


def document(
    remark: str,
    credentials: Mapping[str, Mapping[str, Any]],
    projects: Iterable[tuple[Mapping[str, Any], Iterable[Mapping[str, Any]]]],
) -> Iterator[str]:
    """Yield the lines of an inventory.

    Args:
        remark: what its first line says.
        credentials: the entries, by name.
        projects: each with its own fields and its servers, as an inventory has them.
    """
    yield f"# {one_line(remark)}\nversion: 1\ncredentials:\n"
    for name, fields in credentials.items():
        yield f"  {_key(name)} {flow(fields)}\n"
    yield "projects:\n"
    for fields, servers in projects:
        yield from project_lines(fields, servers, "  ")
