"""The manifest's JSON Schema (draft 2020-12), derived from its types."""

from __future__ import annotations

from typing import Any

import msgspec

from collector.report.manifest import VERSION, Collected, Failed, Manifest, Pending, Server

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_PLACE = "#/$defs/{name}"


def manifest_schema() -> dict[str, Any]:
    """Describe the manifest."""
    (_, *states), definitions = msgspec.json.schema_components(
        (Manifest, Collected, Failed, Pending), ref_template=_PLACE
    )
    described = definitions.pop(Manifest.__name__)
    # A server's state decides which of its parts are there.
    description = definitions[Server.__name__]["description"]
    definitions[Server.__name__] = {"description": description, "oneOf": states}
    return {
        "$schema": _DRAFT,
        **described,
        "title": f"A collector's manifest, schema version {VERSION}",
        "$defs": definitions,
    }
