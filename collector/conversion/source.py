"""Reading a source: its bytes, within limits, and its text, whoever saved it."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Final

from collector import inputs
from collector.conversion.fields import ConversionError
from collector.inventory.bounds import BYTES_MAX, LINES_MAX

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

_SAMPLE: Final = 1 << 16
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BINARY: Final = (
    (b"PK\x03\x04", "an Excel workbook or another archive; save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook; save the sheet as CSV"),
    (b"\x1f\x8b", "compressed; unpack it first"),
    (b"BZh", "compressed; unpack it first"),
    (b"\xfd7zXZ", "compressed; unpack it first"),
    (b"(\xb5/\xfd", "compressed; unpack it first"),
    (b"%PDF", "a PDF; export the table as CSV"),
    (b"$ANSIBLE_VAULT", "encrypted with ansible-vault; convert a file without secrets"),
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x19\x1b-\x1f\x7f]")
_CONTROL_FEW, _CONTROL_SHARE = 8, 0.02
"""More control characters are in no text."""


def read(source: Path | BinaryIO, name: str) -> bytes:
    """Return what a file or a stream holds.

    Raises:
        ConversionError: it cannot be read, or is larger than `BYTES_MAX`.
    """
    try:
        raw = inputs.read_whole(source, BYTES_MAX)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "not a path"
        raise ConversionError(f"{name}: cannot be read ({reason}); name a readable file") from None
    if len(raw) > BYTES_MAX:
        raise ConversionError(f"{name}: larger than 64 MB; split it into several")
    if not raw.strip(b"\0 \t\r\n"):
        raise ConversionError(f"{name}: empty")
    for beginning, what in _BINARY:
        if raw.startswith(beginning):
            raise ConversionError(f"{name}: this is {what}")
    return raw


def decoded(raw: bytes, name: str) -> tuple[str, str]:
    """Return the text, and the encoding that it turned out to have.

    That is UTF-8, UTF-16 or UTF-32 by its mark; UTF-16 without one, if every other byte is zero;
    else Windows-1252, as Excel saves CSV in western countries.

    Raises:
        ConversionError: it is not text.
    """
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return _as(encoding, raw[len(mark) :], name), encoding
    if (unmarked := _unmarked(raw)) is not None:
        return _as(unmarked, raw, name), unmarked
    try:
        text, encoding = raw.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        try:
            text, encoding = raw.decode("cp1252"), "windows-1252"
        except UnicodeDecodeError:  # five bytes that it lacks
            text, encoding = raw.decode("latin-1"), "latin-1"
    return _checked(text, name), encoding


def as_utf8(raw: bytes, name: str) -> bytes:
    """Return JSON as UTF-8 without a mark; PowerShell's `>` writes UTF-16.

    Raises:
        ConversionError: it is not text.
    """
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            bare = raw[len(mark) :]
            return bare if encoding == "utf-8" else _as(encoding, bare, name).encode()
    if (unmarked := _unmarked(raw)) is not None:
        return _as(unmarked, raw, name).encode()
    return raw


def _unmarked(raw: bytes) -> str | None:
    """Return which UTF-16 it is, if every other byte is zero, as in western texts."""
    sample = raw[:_SAMPLE]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if odd > 0.4 * half and even < 0.05 * half:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 * half and odd < 0.05 * half else None


def _as(encoding: str, raw: bytes, name: str) -> str:
    try:
        return _checked(raw.decode(encoding), name)
    except UnicodeDecodeError as error:
        line = raw[: error.start].decode(encoding, "replace").count("\n") + 1
        raise ConversionError(
            f"{name}:{line}: this is not valid {encoding.upper()}; save the file as UTF-8"
        ) from None


def _checked(text: str, name: str) -> str:
    if text.count("\n") + text.count("\r") > 2 * LINES_MAX:
        raise ConversionError(f"{name}: more than {LINES_MAX:,} lines; split it into several")
    sample = text[:_SAMPLE]
    if len(_CONTROL.findall(sample)) > _CONTROL_FEW + _CONTROL_SHARE * len(sample):
        raise ConversionError(f"{name}: this is not text; save it as text (UTF-8)")
    return text.rstrip("\x1a\0")  # as DOS ends files
