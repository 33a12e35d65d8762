"""Reading answers: every dialect of the API reference's editions, and some that are likely.

The editions disagree on types and words, and nothing here was ever seen on the live service: what
can be understood is, and what cannot is `None`, never an exception.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from collector.model.answers import ExportSaid, ExportState, ResponseMetadata
from collector.providers.clouddc.unpacking import NotUnpacked, unpacked
from collector.providers.clouddc.words import CODE_MAX, REQUEST_ID_MAX, WORD_MAX, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

_REPLACED: Final = "\ufffd"
"""What stands for bytes that are no text: an id that holds it is another one than was sent."""
EXPORT_ID_MAX: Final = 512
_SUCCESS: Final = 2

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
_LOST = "\ufffd"
_TITLE = re.compile(r"<title[^>]*>([^<]*)</title", re.IGNORECASE)
_PERCENTAGE = re.compile(r"(\d{1,3}(?:\.\d{0,17})?)\s*%?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that arrived whole.

    Attributes:
        status: the HTTP status.
        headers: its headers; names are found in any letter case.
        body: its bytes, unpacked, or as many of them as are worth reading.
        packed: why they are not unpacked, where they are not; the body is empty then.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    packed: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether its status says that it brings what was asked for."""
        return is_success(self.status)

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str], body: bytes) -> Reply:
        """Return the answer that came, whose body may be packed though nobody asked for that."""
        try:
            return cls(status, headers, unpacked(body, headers.get("Content-Encoding", "")))
        except NotUnpacked as why:
            return cls(status, headers, b"", f"the body of the answer stays packed: {why}")


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


def is_success(status: int) -> bool:
    """Tell whether a status says that the answer brings what was asked for."""
    return status // 100 == _SUCCESS


def parse_json(body: bytes) -> Any:  # noqa: ANN401  # JSON is any
    """Return the body's JSON, whatever its Content-Type was; None where it is none.

    Words in another character set than JSON's spoil themselves alone: codes are ASCII.
    """
    try:
        try:
            return json.loads(body)
        except UnicodeDecodeError:
            return json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def export_said(
    body: bytes, heard: ResponseMetadata, *, asked_for: str | None = None
) -> ExportSaid | None:
    """Read the body of an export or status answer.

    Args:
        body: as it came.
        heard: what the answer's headers told.
        asked_for: the export that was asked for; without it the answer must name one, and with it
            a status.

    Returns:
        None where what is needed is missing.
    """
    fields = parse_json(body)
    if not isinstance(fields, dict):
        return None
    word = _text(fields.get("status"))
    if asked_for is None:
        export_id = _export_id(fields.get("export_id"))
        if export_id is None:
            return None
    elif word is None:
        return None
    else:
        export_id = asked_for
    if word is None:
        return ExportSaid(export_id, ExportState.RUNNING, "", heard=heard)
    state = state_of(word)
    if state is None and fields.get("error_code"):
        return None  # an error object, whose `status` is no export's
    return ExportSaid(
        export_id=export_id,
        state=state or ExportState.RUNNING,
        word=one_line(word, WORD_MAX),
        known=state is not None,
        percent=percent(fields.get("percentage")),
        heard=heard,
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
        words = _text(fields.get("error_msg") or fields.get("error_message")) or ""
        return ErrorBody(
            code=code,
            words=words,
            request_id=_short(fields.get("request_id"), REQUEST_ID_MAX),
            own=bool(code or words),
        )
    if isinstance(fields, str):
        return ErrorBody(words=fields)
    return ErrorBody(words=_text_of(body))


def _text_of(body: bytes) -> str:
    """Return what a body says to a person that is no JSON."""
    text = body.decode("utf-8-sig", "replace").strip()
    if text.startswith("<"):
        title = _TITLE.search(text)
        name = f' titled "{title[1].strip()}"' if title and title[1].strip() else ""
        return f"a page{name} came in place of an answer"
    if _LOST in text or not all(char.isprintable() or char.isspace() for char in text):
        return f"{len(body)} bytes that are not text came instead of an answer"
    return text


def _export_id(value: object) -> str | None:
    """Return an id that can be put into a path and into a record, else None."""
    text = _text(value)
    if text is None or not text.isprintable() or _REPLACED in text:
        return None
    text = text.strip()
    return text if 0 < len(text) <= EXPORT_ID_MAX else None


def _short(value: object, limit: int) -> str | None:
    return one_line(_text(value) or "", limit) or None


def _text(value: object) -> str | None:
    """Return a string, or a number's digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float):
        return str(int(value)) if math.isfinite(value) and value.is_integer() else str(value)
    return str(value)
