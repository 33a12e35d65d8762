"""Facts that follow from an archive, or from another run's export, whatever was before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.engine import events as e

if TYPE_CHECKING:
    from collector.engine.answers import Reusable, Stored
    from collector.engine.state import RunState, ServerRow
    from collector.engine.wall import Wall


def archive_stored(row: ServerRow, stored: Stored, wall: Wall, now_s: float) -> e.ArchiveStored:
    """Return the event for an archive that is on disk under its name."""
    covers = [
        None if at_s is None else wall.of_unix(at_s) for at_s in (stored.oldest_s, stored.newest_s)
    ]
    return e.ArchiveStored(
        at=wall.stamp(now_s),
        server=row.server,
        path=f"{row.directory}/{stored.file_name}",
        file_name=stored.file_name,
        bytes=stored.bytes,
        sha256=stored.sha256,
        members=stored.members,
        covers_from=covers[0],
        covers_to=covers[1],
        resumed=row.begun.resumed if row.begun is not None else 0,
    )


def reused(
    state: RunState, server: int, found: Reusable, wall: Wall, now_s: float
) -> e.ExportReused | e.ExportStarted:
    """Return the event that makes an export that was started already a server's, with its age."""
    if state.started is not None and found.run == state.started.run_id:
        # By an earlier process of this run, whose journal did not come to say so.
        return e.ExportStarted(at=wall.stamp(now_s), server=server, export_id=found.export_id)
    return e.ExportReused(
        at=wall.stamp(now_s),
        server=server,
        export_id=found.export_id,
        requested_at=found.requested_at,
        run=found.run,
        age_s=round(wall.age_s(found.requested_at, now_s), 1),
    )
