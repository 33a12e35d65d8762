"""An inventory as YAML or JSON, and its file, which is new or none."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from collector import files
from collector.conversion.fields import ConversionError
from collector.printable import escaped, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

YAML, JSON = "yaml", "json"
_SUFFIXES: Final = {".yaml": YAML, ".yml": YAML, ".json": JSON}
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""What some readers of YAML take for something else than text."""
_KEY_MAX: Final = 200
"""Characters of a key; a longer one is marked as such, since YAML looks no further than 1,024."""


def form_of(output: Path | None) -> str:
    """Return in which form to write, by the extension; YAML on stdout.

    Raises:
        ConversionError: the extension is another one.
    """
    if output is None:
        return YAML
    form = _SUFFIXES.get(output.suffix.lower())
    if form is None:
        raise ConversionError(f"--output {output}: use a name that ends in .yaml, .yml or .json")
    return form


def text_of(data: Mapping[str, Any], form: str, title: str) -> str:
    """Return an inventory as text.

    Args:
        data: in the shape of inventories.
        form: `YAML` or `JSON`.
        title: a comment for the first line, where comments are possible.
    """
    if form == JSON:
        return json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    return "".join(f"{line}\n" for line in _yaml(data, title))


def check_new(output: Path) -> None:
    """Refuse to write where something is already.

    Raises:
        ConversionError: something has this name.
    """
    if os.path.lexists(output):
        raise ConversionError(f"--output {output} exists; choose a new name, or remove it first")


def write_new(output: Path, text: str) -> None:
    """Write a file that does not exist yet: whole, or not at all.

    Raises:
        ConversionError: it cannot be written.
    """
    check_new(output)
    unfinished: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(
            dir=output.parent, prefix=f".{output.name[:100]}.", suffix=".part"
        )
        unfinished = Path(name)
        try:
            files.write_all(descriptor, text.encode())
            files.sync(descriptor)
        finally:
            os.close(descriptor)
        _give_name(unfinished, output)
    except OSError as error:
        if isinstance(error, FileExistsError):
            check_new(output)
        raise ConversionError(
            f"cannot write --output {output}: {error.strerror}; choose another place"
        ) from None
    finally:
        if unfinished is not None:
            unfinished.unlink(missing_ok=True)


def _give_name(unfinished: Path, output: Path) -> None:
    """Rename a file to a name that must be free."""
    try:
        files.make_hard_link(unfinished, output)
    except FileExistsError:
        raise
    except OSError:  # a file system without second names
        check_new(output)
        files.rename(unfinished, output)


def _yaml(data: Mapping[str, Any], title: str) -> Iterator[str]:
    yield f"# {one_line(title)}"
    yield f"version: {data['version']}"
    yield "credentials:"
    for name, entry in data["credentials"].items():
        yield f"  {_key(name)} {_flow(entry)}"
    yield "projects:"
    for project in data["projects"]:
        bullet = "  - "
        for name, value in project.items():
            if name != "servers":
                yield f"{bullet}{name}: {_scalar(value)}"
                bullet = "    "
        yield "    servers:"
        for server in project["servers"]:
            yield f"      - {_flow(server)}"


def _flow(values: Mapping[str, Any]) -> str:
    pairs = (
        f"{_key(name)} {_flow(value) if isinstance(value, dict) else _scalar(value)}"
        for name, value in values.items()
    )
    return f"{{{', '.join(pairs)}}}"


def _key(name: str) -> str:
    return f"? {_scalar(name)} :" if len(name) > _KEY_MAX else f"{_scalar(name)}:"


def _scalar(text: str) -> str:
    """Return a text such that every reader of YAML takes it for that text."""
    if (_PLAIN.fullmatch(text) and text.lower() not in _WORDS) or _UUID.fullmatch(text):
        return text
    return '"' + "".join(map(_in_quotes, text)) + '"' if not _is_easy(text) else f'"{text}"'


def _is_easy(text: str) -> bool:
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text


def _in_quotes(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if one_line(char) == char:
        return char
    return escaped(char) if char <= "\uffff" else f"\\U{ord(char):08x}"
