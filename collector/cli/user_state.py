"""Where what outlives runs is kept for the user who calls."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import platformdirs

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)


def user_memory() -> Path | None:
    """Return where what runs learn is kept for this user; None where there is no such place."""
    try:
        place, why = platformdirs.user_state_path("collector"), "is not an absolute path"
    except RuntimeError as error:  # no home directory
        place, why = None, str(error)
    if place is not None and place.is_absolute():
        return place
    _log.info("nothing is remembered for the next run: %s: %s", place or "the state directory", why)
    return None
