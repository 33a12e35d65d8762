"""What shows a run and has no part in it: where it fails, it is given up, and the run goes on.

The live view, progress in lines, what is told of events, the live page and the report are each in
the care of a `Bystander`. Nothing else catches what they raise.
"""

from __future__ import annotations

import contextlib
import logging
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_log = logging.getLogger(__name__)


class Bystander:
    """Something that only shows a run: `with` it, no exception of its own gets any further.

    The first one is logged as a warning, with what to do.

    Args:
        what: it is: `the live view`.
        instead: what to do without it.
        give_up: is called when it has failed, before that is logged.

    Attributes:
        is_broken: it has failed.
    """

    def __init__(self, what: str, instead: str, give_up: Callable[[], None] | None = None) -> None:
        self.is_broken = False
        self._give_up = give_up
        self._what = what
        self._instead = instead

    def __enter__(self) -> None:
        """Begin something that may fail."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        is_new, self.is_broken = not self.is_broken, True
        if is_new:
            if self._give_up is not None:
                self._give_up()
            self._warn(error)
        return True

    def _warn(self, error: Exception) -> None:
        why = f"{type(error).__name__}: {error}"
        said = f"{self._what} failed ({why}); the run goes on without it"
        more = {
            "line": f"warning: {said}",
            "what_to_do": f"{self._instead}; please report this bug",
            "facts": {"traceback": "".join(traceback.format_exception(error))},
        }
        with contextlib.suppress(Exception):  # what shows logs may be what fails
            _log.warning(said, extra=more)
