"""What the readers of this room raise."""

from __future__ import annotations


class ArchiveError(Exception):
    """The bytes read so far are no whole archive, and no bytes to come could make them one.

    Attributes:
        unfinished: the gzip just ends too early: more bytes could have made it whole.
        too_large: it may be whole, and is over what a person allows.
    """

    def __init__(self, message: str, *, unfinished: bool = False, too_large: bool = False) -> None:
        super().__init__(message)
        self.unfinished = unfinished
        self.too_large = too_large
