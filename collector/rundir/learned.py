"""What a run has learned of the service, as `--json` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collector.model.state import RunState


def learned(state: RunState) -> dict[str, list[dict[str, Any]]]:
    """Make the members `limits`, `exports_limits` and `durations`, the latest of each scope.

    A limit that turned out not to be a scope's is left out.
    """
    return {
        "limits": [
            {
                "scope": one.scope,
                "name": one.name,
                "limit": one.limit,
                "window_s": one.window_s,
                "source": one.source,
                "at": one.at,
            }
            for one in state.limits.values()
            if one.source != "refuted"
        ],
        "exports_limits": [
            {
                "scope": one.scope,
                "name": one.name,
                "limit": one.limit,
                "source": one.source,
                "at": one.at,
            }
            for one in state.exports_limits.values()
        ],
        "durations": [
            {
                "project": row.name,
                "project_id": row.id,
                "endpoint": row.endpoint,
                "exports": one.exports,
                "median_s": one.median_s,
                "spread": one.spread,
                "at": one.at,
            }
            for one in state.durations.values()
            for row in (state.projects[one.project],)
        ],
    }
