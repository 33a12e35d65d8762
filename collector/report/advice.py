"""What can be done about a missing server: after a demo, nothing that needs its emulator."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

RESUME: Final = "--resume the run"
_AGAIN_AND_BEFORE: Final = re.compile(r"(?:(?:[,;]| and)? ?(?:then )?|^)--resume\b.*", re.DOTALL)


def is_of_a_demo(argv: Sequence[str]) -> bool:
    """Whether a run is a demo's, whose emulator is gone: nothing can be asked of it again."""
    return list(argv[1:2]) == ["demo"]


def doable(hint: str, argv: Sequence[str]) -> str:
    """Return what of a hint can be done after a run that was begun by this command."""
    return _AGAIN_AND_BEFORE.sub("", hint) if is_of_a_demo(argv) else hint
