"""Who shares a limit, in words."""

from __future__ import annotations

from typing import Final

_SCOPES: Final = {
    "api": "the call {}",
    "user": "the account {}",
    "app": "the credential {}",
    "ip": "this machine's address at {}",
    "project": "the project {}",
    "endpoint": "all of {}",
}


def scope(kind: str, name: str) -> str:
    """Return who shares a limit."""
    return _SCOPES.get(kind, f"{kind} {{}}").format(name)
