"""The CloudDC log-export API: `VENDOR` for inventories, `connector` for calls, `scopes` to plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.providers.clouddc.scopes import scopes
from collector.providers.clouddc.vendor import VENDOR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from collector.model.state import RunState
    from collector.providers.clouddc.client import CloudDC
    from collector.redaction import Secrets

__all__ = ["VENDOR", "connector", "scopes"]


def connector(
    *,
    environ: Mapping[str, str],
    ca_file: Path | None = None,
    stall_s: float | None = None,
    secrets: Secrets | None = None,
) -> Callable[[RunState], CloudDC]:
    """Return what opens the API with the credentials that a run names.

    Args:
        environ: where secrets are looked up, as a rule `os.environ`.
        ca_file: certificate authorities to trust, in PEM; None for the system's.
        stall_s: seconds without a byte of an archive that are a cut; None for 30.
        secrets: where those that are read are made known, for whoever writes elsewhere.

    Returns:
        A function of a run's state, which may come from a journal. It raises `CollectorError` for
        credentials of no known kind, and for a secret that cannot be had.
    """

    def connect(state: RunState) -> CloudDC:
        from collector.model.ceilings import CALLS_IN_FLIGHT, QUIET  # noqa: PLC0415  # with the rest
        from collector.providers.clouddc import wire  # noqa: PLC0415  # as above
        from collector.providers.clouddc.client import CloudDC  # noqa: PLC0415  # aiohttp takes long
        from collector.providers.clouddc.credentials import token_sources  # noqa: PLC0415

        downloads = state.started.downloads if state.started is not None else 0
        return CloudDC(
            token_sources(state, environ),
            {name: credential.account for name, credential in state.credentials.items()},
            connections=CALLS_IN_FLIGHT + QUIET + downloads,
            ca_file=ca_file,
            stall_s=wire.STALL_S if stall_s is None else stall_s,
            secrets=secrets,
        )

    return connect
