"""Room at the destination: an archive that does not fit is refused before it fills the disk."""

from __future__ import annotations

AHEAD_BYTES = 64 << 20
"""Room that a download of unknown length asks for at a time."""


class Space:
    """What downloads under way still need of the room that there is."""

    def __init__(self) -> None:
        self._reserved = 0

    def reserve(self, needed: int, room: int) -> int | None:
        """Reserve so many bytes; return None, or what is left if that is too little.

        Args:
            needed: bytes.
            room: what there was a moment ago.
        """
        left = max(0, room - self._reserved)
        if needed > left:
            return left
        self._reserved += needed
        return None

    def release(self, reserved: int) -> None:
        """Give back so many reserved bytes: they are written, or not needed any more."""
        self._reserved -= reserved
