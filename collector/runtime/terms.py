"""The options of a run: all that a caller can choose besides the servers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from collector.archive.local import LocalDirectory
from collector.archive.staged import ArchivePolicy
from collector.model.ceilings import EXPORT_S, GRACE_S
from collector.providers.protocol import Access
from collector.rundir.layout import SHARED

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from collector.archive.destination import OpenDestination

REUSE_S = 300.0
"""How old an export of another run may be: older logs may miss an incident."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a person asks of a run, beside which servers.

    Attributes:
        deadline_s: seconds after which it ends with what it has.
        max_attempts: tries of one step of one server.
        share: the part of any learned limit that is used, for every project; None: as the inventory
            says, or said when the run began.
        reuse_s: how old an export that another run has started may be to be taken over; 0: none is.
        export_s: seconds after its start at which an export that is still running is given up.
        download_s: seconds that a server's download may take, without what it waits for; infinite
            where it may take any.
        grace_s: seconds that a stop waits for downloads that are under way.
        memory: a directory where what runs learn of limits is kept for later ones, what services
            have refused, and the key that marks their journals as this user's; None: nowhere.
        policy: how archives are treated.
        destination: opens where a run's archives are kept; a resume has to be given the same.
        bytes_per_second: how fast archives may come, together; None: as said when the run began.
        argv: how the run came about, for its journal, which keeps no secrets of it.
    """

    deadline_s: float = math.inf
    max_attempts: int = 4
    share: float | None = None
    reuse_s: float = REUSE_S
    export_s: float = EXPORT_S
    download_s: float = math.inf
    grace_s: float = GRACE_S
    memory: Path | None = None
    policy: ArchivePolicy = field(default_factory=ArchivePolicy)
    destination: OpenDestination = LocalDirectory
    bytes_per_second: int | None = None
    argv: Iterable[str] = ()

    def access(self, given: Access | None, out: Path) -> Access:
        """Return how services are reached by runs under `out`: as given, and with their memory."""
        given = given or Access()
        memory = given.memory if given.memory is not None else self.memory
        return replace(given, memory=memory, shared=out / SHARED)
