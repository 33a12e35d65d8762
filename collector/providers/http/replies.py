"""Answers that arrived whole, and what can be read in any of them."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from collector.providers.http.bodies import BODY_MAX
from collector.providers.http.unpacking import NotUnpacked, unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping

_SUCCESS = 2
_LOST = "\ufffd"
_TITLE = re.compile(r"<title[^>]*>([^<]*)</title", re.IGNORECASE)


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
    def of(
        cls, status: int, headers: Mapping[str, str], body: bytes, *, most: int = BODY_MAX
    ) -> Reply:
        """Return the answer that came, whose body may be packed though nobody asked for that.

        Args:
            status: of HTTP.
            headers: of the answer.
            body: as it came.
            most: how many bytes may come of it.
        """
        try:
            return cls(status, headers, unpacked(body, headers.get("Content-Encoding", ""), most))
        except NotUnpacked as why:
            return cls(status, headers, b"", f"the body of the answer stays packed: {why}")


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


def text(value: object) -> str | None:
    """Return a string, or a number's digits; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float):
        return str(int(value)) if math.isfinite(value) and value.is_integer() else str(value)
    return str(value)


def words_of(body: bytes) -> str:
    """Return what a body that is no JSON says to a person."""
    words = body.decode("utf-8-sig", "replace").strip()
    if words.startswith("<"):
        title = _TITLE.search(words)
        name = f' titled "{title[1].strip()}"' if title and title[1].strip() else ""
        return f"a page{name} came in place of an answer"
    if _LOST in words or not all(char.isprintable() or char.isspace() for char in words):
        return f"{len(body)} bytes that are not text came instead of an answer"
    return words
