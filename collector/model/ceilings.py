"""What a person and the machine allow at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CALLS_IN_FLIGHT = 256
"""Small calls under way at once: more only fills queues on the way."""
STORING = 64
"""Archives received and not yet on disk: a slow disk is felt by the sender, not by the memory."""
STALLED = 768
"""Calls that hang and hold no place any more; beyond that, they do."""
EXPORT_S = 3600.0
"""An export that has not completed this long after its start is given up."""

POSTS_ANSWERED_WITHIN_S = 5.0
"""How long a stop waits for answers of POSTs that have left, so as to leave none in doubt."""
GRACE_S = 5.0
"""What a person who presses Ctrl-C is ready to wait."""


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What a person allows, and what the machine has room for.

    Attributes:
        downloads: archives on their way at once.
        calls: small calls under way at once.
        storing: archives received and not yet on disk.
        stalled: calls, small ones and downloads, that hang and are not counted above.
        max_attempts: tries of one step of one server.
        exports_in_flight: exports that run at once, by project; absent where there is no ceiling.
        deadline_s: when the run ends, on the engine's clock.
        export_s: seconds after its start at which an export that is still running is given up.
        download_s: seconds that the tries of one download may take, together.
        grace_s: seconds that a stop waits for downloads that are under way.
    """

    downloads: int = 8
    calls: int = CALLS_IN_FLIGHT
    storing: int = STORING
    stalled: int = STALLED
    max_attempts: int = 4
    exports_in_flight: Mapping[int, int] = field(default_factory=dict)
    deadline_s: float = math.inf
    export_s: float = EXPORT_S
    download_s: float = math.inf
    grace_s: float = GRACE_S
