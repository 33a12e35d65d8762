"""What was converted, as YAML or JSON, and its file, which is new or none."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final

from collector.conversion.fields import ConversionError
from collector.inventory.saving import UnwritableError, save
from collector.inventory.yaml_text import document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

YAML, JSON = "yaml", "json"
_SUFFIXES: Final = {".yaml": YAML, ".yml": YAML, ".json": JSON}


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
    projects = (
        ({name: value for name, value in project.items() if name != "servers"}, project["servers"])
        for project in data["projects"]
    )
    return "".join(document(title, data["credentials"], projects))


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
    try:
        save(output, (text,), replacing=False)
    except UnwritableError as error:
        check_new(output)  # it may have come meanwhile
        raise ConversionError(
            f"cannot write --output {output}: {error.why}; choose another place"
        ) from None
