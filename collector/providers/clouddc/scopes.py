"""Who shares the limits that a call passes: for whoever plans calls, and for whoever makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.model.answers import Scope, ScopeKind

if TYPE_CHECKING:
    from collector.model.answers import Call
    from collector.providers.base import Target


def scopes(call: Call, target: Target, account: str) -> tuple[Scope, ...]:
    """Return every scope that a call passes.

    Args:
        call: which of the three.
        target: a server of the project that is meant.
        account: whose quota the target's credential uses.
    """
    endpoint = target.endpoint
    names = {
        ScopeKind.API: f"{call} at {endpoint}",
        ScopeKind.USER: f"{account} at {endpoint}",
        ScopeKind.APP: f"{target.credential} at {endpoint}",
        ScopeKind.IP: endpoint,
        ScopeKind.PROJECT: f"{target.project_id} at {endpoint}",
        ScopeKind.ENDPOINT: endpoint,
    }
    return tuple(Scope(kind, name) for kind, name in names.items())
