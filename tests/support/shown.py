"""The examples of docs/how-to/new-destination.md, as classes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "new-destination.md"


_BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def from_the_page(name: str) -> Any:  # noqa: ANN401  # whatever is shown under that name
    """Run the block of the page that defines a class; return that."""
    for block in _BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if f"\nclass {name}:" in block:
            shown: dict[str, Any] = {}
            exec(compile(block, str(PAGE), "exec"), shown)  # noqa: S102  # our own words
            return shown[name]
    raise LookupError(f"{PAGE} shows no class {name}")
