"""The installed command in a Python that was altered before it began: as an odd system would be.

Python imports `sitecustomize` from its path before anything else; the command is not changed.
"""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def altered(home: Path, code: str) -> dict[str, str]:
    """Return the variables under which a Python runs this code first, if there is any."""
    if not code:
        return {}
    directory = home / "altered"
    directory.mkdir(exist_ok=True)
    (directory / "sitecustomize.py").write_text(dedent(code), encoding="utf-8")
    return {"PYTHONPATH": str(directory), "PYTHONDONTWRITEBYTECODE": "1"}
