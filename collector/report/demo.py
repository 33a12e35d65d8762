"""A demo's run: its emulator is gone, so nothing can be asked of it again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_AGAIN: Final = re.compile(r"(?:(?:[,;]| and)? ?(?:then )?|^)--resume the run.*", re.DOTALL)


def is_demo(argv: Sequence[str]) -> bool:
    """Whether this is the command line of a demo."""
    return list(argv[1:2]) == ["demo"]


def doable(hint: str) -> str:
    """Return what of a hint can be done about a demo."""
    return _AGAIN.sub("", hint)
