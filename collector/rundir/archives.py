"""The archives of a run: where they are kept, and what they are packed as."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector import providers
from collector.archive.examination import StoredArchives
from collector.providers.connecting import providers_of

if TYPE_CHECKING:
    from collector.archive.destination import Destination
    from collector.archive.format import ArchiveFormat
    from collector.model.state import RunState


def stored_archives(state: RunState, destination: Destination) -> StoredArchives:
    """Return the archives of a run, each packed as its provider packs them.

    Args:
        state: of the run; the directory that a path begins with names the project.
        destination: where they are kept.

    Raises:
        CollectorError: a provider of the run is not installed, or cannot be loaded.
    """
    by_name = {name: one.archive_format for name, one in providers_of(state).items()}
    formats = {row.directory: by_name[row.provider] for row in state.projects}

    def format_at(path: str) -> ArchiveFormat:
        found = formats.get(path.partition("/")[0])
        if found is None:  # no record tells the project
            return providers.find(providers.DEFAULT_PROVIDER).archive_format
        return found

    return StoredArchives(destination, format_at)
