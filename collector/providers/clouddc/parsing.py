"""Reading answers: every dialect of the API reference's editions, and some that are likely.

The editions disagree on types and words, and nothing here was ever seen on the live service: what
can be understood is, and what cannot is `None`, never an exception.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from collector.model.answers import ExportSaid, ExportState, ResponseMetadata
from collector.providers.http.replies import parse_json, text, words_of
from collector.providers.http.words import CODE_MAX, REQUEST_ID_MAX, WORD_MAX, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

_REPLACED: Final = "\ufffd"
"""What stands for bytes that are no text: an id that holds it is another one than was sent."""
EXPORT_ID_MAX: Final = 512

# "processing", "completed" and "Running" are in the API reference; the others are what such
# services say elsewhere. To take a word for COMPLETED wrongly costs one refused download.
STATES: Final[Mapping[str, ExportState]] = {
    **dict.fromkeys(("processing", "running", "in_progress"), ExportState.RUNNING),
    **dict.fromkeys(
        ("completed", "complete", "success", "succeeded", "successful", "finished", "done"),
        ExportState.COMPLETED,
    ),
    **dict.fromkeys(
        ("failed", "fail", "failure", "error", "aborted", "cancelled", "canceled"),
        ExportState.FAILED,
    ),
}
_PERCENTAGE = re.compile(r"(\d{1,3}(?:\.\d{0,17})?)\s*%?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What a refusal says about itself; each may be missing.

    Attributes:
        code: the service's or the gateway's own.
        words: for a person, as sent: any length, any characters.
        request_id: as the body has it.
        own: whether these are the words of the API, which are JSON with a code or a message: a
            page, any other text, or nothing at all comes from something on the way to it.
    """

    code: str | None = None
    words: str = ""
    request_id: str | None = None
    own: bool = False


def export_said(
    body: bytes, metadata: ResponseMetadata, *, asked_for: str | None = None
) -> ExportSaid | None:
    """Read the body of an export or status answer.

    Args:
        body: as it came.
        metadata: what the answer's headers told.
        asked_for: the export that was asked for; without it the answer must name one, and with it
            a status.

    Returns:
        None where what is needed is missing.
    """
    fields = parse_json(body)
    if not isinstance(fields, dict):
        return None
    word = text(fields.get("status"))
    if asked_for is None:
        export_id = _export_id(fields.get("export_id"))
        if export_id is None:
            return None
    elif word is None:
        return None
    else:
        export_id = asked_for
    if word is None:
        return ExportSaid(export_id, ExportState.RUNNING, "", metadata=metadata)
    state = state_of(word)
    if state is None and fields.get("error_code"):
        return None  # an error object, whose `status` is no export's
    return ExportSaid(
        export_id=export_id,
        state=state or ExportState.RUNNING,
        word=one_line(word, WORD_MAX),
        known=state is not None,
        percent=percent(fields.get("percentage")),
        metadata=metadata,
    )


def state_of(word: str) -> ExportState | None:
    """Return what a status word means, in any letter case; None for one that nobody knows."""
    return STATES.get(word.strip().casefold().replace(" ", "_").replace("-", "_"))


def percent(value: object) -> float | None:
    """Return a percentage of 0 to 100 from `"30%"`, `"30"`, `30` or `30.0`; else None."""
    if isinstance(value, str):
        match = _PERCENTAGE.fullmatch(value.strip())
        if match is None:
            return None
        number = float(match[1])
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = value
    else:
        return None
    # A comparison with NaN is false.
    return float(number) if 0 <= number <= 100 else None  # noqa: PLR2004  # per cent


def error_body(body: bytes) -> ErrorBody:
    """Read what a refusal says: JSON of the documented shapes, a plain string, or a page."""
    fields = parse_json(body)
    if isinstance(fields, dict):
        code = _short(fields.get("error_code"), CODE_MAX)
        words = text(fields.get("error_msg") or fields.get("error_message")) or ""
        return ErrorBody(
            code=code,
            words=words,
            request_id=_short(fields.get("request_id"), REQUEST_ID_MAX),
            own=bool(code or words),
        )
    if isinstance(fields, str):
        return ErrorBody(words=fields)
    return ErrorBody(words=words_of(body))


def _export_id(value: object) -> str | None:
    """Return an id that can be put into a path and into a record, else None."""
    found = text(value)
    if found is None or not found.isprintable() or _REPLACED in found:
        return None
    found = found.strip()
    return found if 0 < len(found) <= EXPORT_ID_MAX else None


def _short(value: object, limit: int) -> str | None:
    return one_line(text(value) or "", limit) or None
