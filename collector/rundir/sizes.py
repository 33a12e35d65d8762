"""How large archives were in earlier runs, read from their manifests line by line."""

from __future__ import annotations

import errno
import json
import logging
import os
from typing import TYPE_CHECKING, Any

from collector import files
from collector.errors import CollectorError
from collector.rundir.layout import LARGEST_MANIFEST, MANIFEST, runs_under

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator
    from pathlib import Path

Server = tuple[str, str, str]
"""A server: its endpoint, its project's id, and its own id."""
RUNS_READ = 3
"""How many manifests are read; older ones say little, and reading takes time."""
_LARGEST_ARCHIVE = 1 << 50
_LONGEST_LINE = 1 << 20
_SERVERS_FOLLOW = '"servers": ['
_log = logging.getLogger(__name__)
_decode = json.JSONDecoder().raw_decode


def earlier_sizes(manifests: Iterable[Path], wanted: Container[Server]) -> dict[Server, int]:
    """Return the size of each wanted server's latest archive, if known.

    Args:
        manifests: of earlier runs, the latest first.
        wanted: servers, each as its endpoint, its project's id and its own.
    """
    sizes: dict[Server, int] = {}
    for manifest in manifests:
        try:
            found = {server: size for server, size in _sizes_in(manifest) if server in wanted}
        except OSError as error:
            _log.warning(
                "an earlier run's manifest cannot be read; nothing is known of its archives' sizes",
                extra={"facts": {"path": str(manifest), "why": error.strerror}},
            )
            continue
        sizes = found | sizes
    return sizes


def latest_manifests(out: Path, *, but: Path | None = None) -> list[Path]:
    """Find the manifests of the latest runs, the latest first.

    Args:
        out: the output directory; it need not exist.
        but: the directory of a run to leave out.
    """
    try:
        runs = runs_under(out)
    except CollectorError:
        return []
    dated = []
    for run in runs:
        path = run / MANIFEST
        if but is None or run.name != but.name:
            try:
                dated.append((path.lstat().st_mtime, path))
            except OSError:
                continue
    return [path for _, path in sorted(dated, reverse=True)[:RUNS_READ]]


def _sizes_in(manifest: Path) -> Iterator[tuple[Server, int]]:
    """Read a manifest line by line, as it is laid out: one project or server per line.

    So even one of 100,000 servers needs no memory. One that was reformatted yields nothing.
    """
    endpoint = project = None
    with open(files.open_to_read(manifest), "rb") as lines:  # noqa: PTH123  # of a descriptor
        if os.fstat(lines.fileno()).st_size > LARGEST_MANIFEST:
            raise OSError(errno.EFBIG, f"larger than {LARGEST_MANIFEST} bytes", str(manifest))
        while line := lines.readline(_LONGEST_LINE):
            text = line.decode("utf-8", "replace").strip()
            if text.endswith(_SERVERS_FOLLOW):
                row = _row(f"{text}]}}")
                endpoint, project = row.get("endpoint"), row.get("id")
            elif text.startswith("{") and isinstance(endpoint, str) and isinstance(project, str):
                row = _row(text)
                archive = row.get("archive")
                size = archive.get("bytes") if isinstance(archive, dict) else None
                if type(size) is int and 0 <= size <= _LARGEST_ARCHIVE:
                    yield (endpoint, project, str(row.get("id"))), size


def _row(text: str) -> dict[str, Any]:
    """Read the object at the start of a line."""
    try:
        row, _ = _decode(text)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}
