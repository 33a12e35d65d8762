"""Preflight: what will not work, asked with calls that start nothing.

For each project a status and an archive are asked for of an export that does not exist. An answer
that does not know it says that the credential may make such calls; one that refuses says that it
may not. Whether an export may be started cannot be told without starting one.

`findings.py` is what is known of a project afterwards, `probing.py` makes the calls.
"""

from __future__ import annotations

from collector.preflight.findings import Finding, Permission, permission
from collector.preflight.probing import Asked, Probed, probe

__all__ = ["Asked", "Finding", "Permission", "Probed", "permission", "probe"]
