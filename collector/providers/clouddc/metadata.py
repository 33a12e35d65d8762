"""What answers tell beside their content: limits, and how far apart the clocks are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.model.answers import NO_METADATA, ResponseMetadata
from collector.providers.clouddc.throttling import limits_told
from collector.providers.http.times import ClockOffset

if TYPE_CHECKING:
    from collections.abc import Mapping


class MetadataReader:
    """Reads the metadata of one endpoint's answers.

    Args:
        clock: how far its clock is from this machine's.
    """

    def __init__(self, clock: ClockOffset | None = None) -> None:
        self._clock = clock or ClockOffset()

    def read(self, headers: Mapping[str, str], words: str = "") -> ResponseMetadata:
        """Return what an answer tells.

        Args:
            headers: its headers.
            words: of a refusal, for a person.
        """
        limits = limits_told(headers, words)
        offset_s = self._clock.of(headers)
        if offset_s is None and not limits:
            return NO_METADATA
        return ResponseMetadata(limits, offset_s)
