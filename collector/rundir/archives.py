"""The archives of a run: where they are kept, and what they are packed as."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from collector.archive.examination import StoredArchives
from collector.archive.format import ArchiveFormat
from collector.archive.targz import TAR_GZ
from collector.model.rows import ProjectRow

if TYPE_CHECKING:
    from collector.archive.destination import Destination
    from collector.model.state import RunState

FormatOf: TypeAlias = Callable[[ProjectRow | None], ArchiveFormat]
"""Says what a project's archives are packed as; None: no record tells the project."""


def tar_gz(project: ProjectRow | None) -> ArchiveFormat:
    """Say that the archives of every project are `.tar.gz`."""
    del project
    return TAR_GZ


def stored_archives(
    state: RunState, destination: Destination, format_of: FormatOf
) -> StoredArchives:
    """Return the archives of a run, each packed as its project's are.

    Args:
        state: of the run; the directory that a path begins with names the project.
        destination: where they are kept.
        format_of: what each project's are packed as.
    """
    projects = {row.directory: row for row in state.projects}

    def format_at(path: str) -> ArchiveFormat:
        return format_of(projects.get(path.partition("/")[0]))

    return StoredArchives(destination, format_at)
