"""What must not be read in a log: values under names that hold secrets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping

HIDDEN = "***"
_NAMES = re.compile(r"(?i)(token|authorization|password|secret|signature|cookie|^(ak|sk)$)")
_IN_TEXT = re.compile(
    r"(?i)((?:x-auth-token|x-subject-token|x-security-token|authorization|cookie)"
    r"[\"']?\s*[:=]\s*)([\"']?)[^\s\"',;]+\2"
)
_IN_URL = re.compile(r"(https?://[^\s?#\"']+)\?[^\s\"']+")


def redact(
    logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Hide secrets in a log line: a structlog processor."""
    del logger, method
    for name, value in event.items():
        if _NAMES.search(name):
            event[name] = HIDDEN
        elif isinstance(value, str):
            event[name] = hide(value)
    return event


def hide(text: str) -> str:
    """Return `text` without the values of headers that carry secrets, and without URLs' queries."""
    text = _IN_TEXT.sub(rf"\1{HIDDEN}", text)
    return _IN_URL.sub(rf"\1?{HIDDEN}", text)
