"""Redaction of logs: values under secret-sounding names, and whatever looks like a secret."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from collector.redaction import HIDDEN, hide

if TYPE_CHECKING:
    from collections.abc import MutableMapping

_NAMES = re.compile(r"(?i)(token|authorization|password|secret|signature|cookie|^(ak|sk)$)")


def redact(
    logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Hide secrets in a log line: a structlog processor."""
    del logger, method
    for name, value in event.items():
        event[name] = _shown(name, value)
    return event


def _shown(name: object, value: object) -> object:
    """Return a value without secrets, at any depth."""
    if isinstance(name, bytes):
        name = name.decode("latin-1")
    if isinstance(name, str) and _NAMES.search(name):
        return HIDDEN
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, dict):
        return {key: _shown(key, inner) for key, inner in value.items()}
    if isinstance(value, tuple) and len(value) == 2:  # noqa: PLR2004  # a header as a pair, perhaps
        return (_shown(None, value[0]), _shown(*value))
    if isinstance(value, list | tuple):
        return type(value)(_shown(None, inner) for inner in value) if _is_plain(value) else value
    return value


def _is_plain(value: object) -> bool:
    return type(value) in (list, tuple)
