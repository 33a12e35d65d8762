"""Content-Disposition: the name that an archive is given, from whatever bytes came."""

from __future__ import annotations

import re
from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST: Final = 4096
"""A longer header names no file: parsing takes longer than in proportion to its length."""

_PLAINLY_NAMED: Final = re.compile(r'attachment; *filename=(?:"([\w. -]+)"|([\w.-]+))', re.ASCII)
"""What nearly every one looks like: to parse any at all takes ten times as long."""

# aiohttp reads headers as UTF-8, and leaves a lone surrogate for each byte that is none.
_NO_UTF8: Final = re.compile("[\ud800-\udfff]")
_LOST: Final = "\ufffd"


def file_name(header: str | None) -> str | None:
    """Return the name that a header gives, unsafe as it is; None where it gives none.

    A name that cannot be read, for its character set or its numbering, is left aside: the header
    may have another one, as many do for old browsers.
    """
    if header is None or len(header) > _LONGEST:
        return None
    if (plain := _PLAINLY_NAMED.fullmatch(header)) is not None:
        return plain[1] or plain[2]
    return next(_names(_NO_UTF8.sub(_LOST, header)), None)


def _names(header: str) -> Iterator[str]:
    message = Message()
    message["Content-Disposition"] = header
    try:
        parameters = message.get_params([], "Content-Disposition")
    except ValueError:  # a part whose number has thousands of digits
        return
    names = [value for key, value in parameters if key.lower() == "filename"]
    # RFC 6266: of both forms the extended one counts, which here is a tuple.
    names.sort(key=lambda name: isinstance(name, str))
    for one in names:
        try:
            name = collapse_rfc2231_value(one)
        except (ValueError, LookupError):  # a character set that is none, or does not fit
            continue
        if name and _LOST not in name:
            yield name
