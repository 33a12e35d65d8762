"""How commands reach the services: with the secrets of this process, and this user's memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from collector.cli.user_state import user_memory
from collector.providers.protocol import Access
from collector.redaction import Secrets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def access(
    ca_file: Path | None = None,
    stall_s: float | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Access:
    """Return how a command's calls are made; what it reads of secrets is hidden from then on.

    Args:
        ca_file: certificate authorities to trust, beside the system's own.
        stall_s: seconds without a byte of an archive that are a cut.
        environ: where secrets are looked up.
    """
    context = click.get_current_context(silent=True)
    secrets = None if context is None else context.find_object(Secrets)
    return Access(
        environ=environ,
        ca_file=ca_file,
        stall_s=stall_s,
        secrets=secrets or Secrets(),
        memory=user_memory(),
    )
