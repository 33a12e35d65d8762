"""Words that several views use: numbers, limits, what servers wait for."""

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
_SCOPES_IN_PLURAL: Final = {
    "api": "calls",
    "user": "accounts",
    "app": "credentials",
    "ip": "endpoints, from this machine's address",
    "project": "projects",
    "endpoint": "endpoints",
}
_SOURCES: Final = {
    "told": "reported by the service",
    "estimated": "estimated from its refusals",
    "remembered": "remembered from an earlier run",
    "inventory": "set by the inventory",
    "assumed": "assumed: nothing is known yet",
}


_WAITED: Final = {
    "deadline": "when the deadline came",
    "stopped": "when the run was stopped",
    "endpoint_down": "while the endpoint was down",
    "disk": "while the disk could not be written",
}


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 server`, `2,000 servers`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def waited(reason: str | None) -> str:
    """Return when a server was left pending, by the manifest's `waiting.reason`."""
    return _WAITED.get(reason or "", "when the run was killed")


def scope(kind: str, name: str) -> str:
    """Return who shares a limit."""
    return _SCOPES.get(kind, f"{kind} {{}}").format(name)


def scopes(kind: str) -> str:
    """Return the word for several who have each a limit of their own."""
    return _SCOPES_IN_PLURAL.get(kind, f"{kind}s")


def source(word: str) -> str:
    """Return where a limit, or another value, comes from."""
    return _SOURCES.get(word, word)
