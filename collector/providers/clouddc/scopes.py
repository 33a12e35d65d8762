"""Who shares the limits that a call passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.model.answers import Scope, ScopeKind

if TYPE_CHECKING:
    from collector.model.answers import Call
    from collector.providers.protocol import ProjectAddress


def scopes(call: Call, project: ProjectAddress) -> tuple[Scope, ...]:
    """Return every scope that a call for a project passes."""
    endpoint = project.endpoint
    names = {
        ScopeKind.API: f"{call} at {endpoint}",
        ScopeKind.USER: f"{project.account} at {endpoint}",
        ScopeKind.APP: f"{project.credential} at {endpoint}",
        ScopeKind.IP: endpoint,
        ScopeKind.PROJECT: f"{project.id} at {endpoint}",
        ScopeKind.ENDPOINT: endpoint,
    }
    return tuple(Scope(kind, name) for kind, name in names.items())
