"""Sources converted in this process, and what was said of them."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from collector.conversion import Conversion, Wanted, convert, read_columns, text_of
from collector.inventory import load

if TYPE_CHECKING:
    from pathlib import Path

    from collector.inventory import Inventory

PLACE = {"project": "p1", "region": "cn-east-3"}


def converted(
    source: str | bytes | Path | dict[str, Any], kind: str, *maps: str, **options: str | None
) -> Conversion:
    """Convert a text, bytes, a document or a file; the project is p1 in cn-east-3 by default."""
    if isinstance(source, dict):
        source = json.dumps(source)
    if isinstance(source, str):
        source = source.encode()
    opened = io.BytesIO(source) if isinstance(source, bytes) else source
    wanted = Wanted(columns=read_columns(maps), **(PLACE | options))
    return convert(opened, kind, wanted, "source")


def ids(conversion: Conversion) -> list[str]:
    """The ids of all servers."""
    return [one["id"] for one in servers(conversion)]


def servers(conversion: Conversion) -> list[dict[str, Any]]:
    """All servers, in order."""
    return [one for project in conversion.data["projects"] for one in project["servers"]]


def left_out(conversion: Conversion) -> dict[str, str]:
    """What was left out, by place."""
    assert len({one.where for one in conversion.left_out}) == len(conversion.left_out)
    return dict(conversion.left_out)


def loaded(conversion: Conversion, form: str = "yaml") -> Inventory:
    """The inventory, written and read again."""
    text = text_of(conversion.data, form, "a title")
    return load(io.BytesIO(text.encode()), environ={"CLOUDDC_TOKEN": "x"})
