"""In which ways a simulated server misbehaves: what it answers, and after how long."""

from __future__ import annotations

import math
from dataclasses import dataclass

from collector.model.answers import Call, ExportState, ProblemKind

POST, STATUS, DOWNLOAD = Call.START_EXPORT, Call.ASK_STATUS, Call.FETCH_ARCHIVE
_P = ProblemKind

CALL_LIMIT_S = 30.0
"""After this long the client gives up a small call that is not answered."""
STALL_S = 30.0
"""After this long without a byte it gives up a download."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to misbehave.

    Attributes:
        calls: which calls meet with it.
        kind: what the client makes of the answer; None: the answer is the usual one.
        held_s: how long the answer takes, beside the wire.
        opens: a download's first bytes come at once, and `held_s` passes after them.
        until_s: it ends this long after the POST.
        word: what the service says of the export instead, for ever.
        fails_as: with which kind the server is to fail; None: it is to be collected.
    """

    name: str
    calls: tuple[Call, ...]
    kind: ProblemKind | None = None
    http_status: int | None = None
    retry_after_s: float | None = None
    elsewhere: bool = False
    held_s: float = 0.0
    opens: bool = False
    until_s: float = math.inf
    word: ExportState | None = None
    fails_as: ProblemKind | None = None

    @property
    def hangs(self) -> bool:
        """Whether a call is under way for long."""
        return self.held_s > 0


def _fails(
    name: str, call: Call, kind: ProblemKind, status: int | None = None, **more: object
) -> Way:
    return Way(name=name, calls=(call,), kind=kind, http_status=status, fails_as=kind, **more)  # type: ignore[arg-type]  # fields by name


WAYS = (
    # Answered at once.
    _fails("POST reset", POST, _P.CUT),
    _fails("POST page", POST, _P.UNREADABLE, 200),
    _fails("POST invalid framing", POST, _P.UNREADABLE),
    _fails("POST 500", POST, _P.SERVICE_FAILED, 500),
    _fails("POST 503 Retry-After", POST, _P.SERVICE_FAILED, 503, retry_after_s=5.0),
    _fails("POST 400", POST, _P.BAD_REQUEST, 400),
    _fails("POST 401", POST, _P.UNAUTHENTICATED, 401),
    _fails("POST 403", POST, _P.FORBIDDEN, 403),
    _fails("POST 404", POST, _P.UNKNOWN_SERVER, 404),
    _fails("POST 409", POST, _P.NOT_READY, 409),
    _fails("status reset", STATUS, _P.CUT),
    _fails("status page", STATUS, _P.UNREADABLE, 200),
    _fails("status 500", STATUS, _P.SERVICE_FAILED, 500),
    _fails("status 404", STATUS, _P.FORGOTTEN, 404),
    Way(name="status lag 3 s", calls=(STATUS,), kind=_P.FORGOTTEN, http_status=404, until_s=3.0),
    Way(name="failed export", calls=(STATUS,), word=ExportState.FAILED, fails_as=_P.EXPORT_FAILED),
    Way(name="stuck export", calls=(STATUS,), word=ExportState.RUNNING, fails_as=_P.EXPORT_FAILED),
    _fails("download reset", DOWNLOAD, _P.CUT),
    _fails("download page", DOWNLOAD, _P.UNREADABLE, 200),
    _fails("download 204", DOWNLOAD, _P.UNREADABLE, 204),
    _fails("download 409", DOWNLOAD, _P.NOT_READY, 409),
    _fails("download corrupt", DOWNLOAD, _P.INVALID_ARCHIVE, 200, opens=True),
    _fails("download link refused", DOWNLOAD, _P.LINK_REFUSED, 403, elsewhere=True),
    _fails("download link dead", DOWNLOAD, _P.CUT, elsewhere=True),
    # Answered late or never.
    _fails("POST silent", POST, _P.CUT, held_s=CALL_LIMIT_S),
    Way(name="POST late 8 s", calls=(POST,), held_s=8.0),
    _fails("status silent or drip", STATUS, _P.CUT, held_s=CALL_LIMIT_S),
    Way(name="status late 8 s", calls=(STATUS,), held_s=8.0),
    Way(name="all calls late 8 s", calls=(POST, STATUS, DOWNLOAD), held_s=8.0),
    _fails("download silent", DOWNLOAD, _P.CUT, held_s=STALL_S),
    _fails("download stalled", DOWNLOAD, _P.CUT, held_s=STALL_S, opens=True),
    Way(name="download slow 60 s", calls=(DOWNLOAD,), held_s=60.0, opens=True),
)
