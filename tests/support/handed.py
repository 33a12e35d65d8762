"""What somebody may write into a journal who knows how its chain is made.

The tables are about a run of two servers in one project, of which the first is collected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from tests.support.journals import chained, of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.journals import Event

Edit = Callable[[list[dict[str, Any]]], Iterable[dict[str, Any] | bytes] | None]

AT: Final = "2026-11-23T08:41:03.000Z"
DEEP: Final = b"[" * 200_000 + b"]" * 200_000


def named(event: str, **changes: object) -> Edit:
    """The first event of a name says something else."""

    def edit(events: list[Event]) -> None:
        of(events, event).update(changes)

    return edit


def raw(event: str, field: str, value: bytes) -> Edit:
    """The first event of a name holds JSON that no program of ours would write."""

    def edit(events: list[Event]) -> Iterator[Event | bytes]:
        wanted = of(events, event)
        for one in events:
            if one is wanted:
                wanted[field] = "@"
                yield chained([wanted])[: -len(',"hash":""}\n') - 64].replace(b'"@"', value) + b"}"
            else:
                yield one

    return edit


def added(event: str, **fields: object) -> Edit:
    """One more event."""

    def edit(events: list[Event]) -> None:
        events.append({"event": event, "at": AT, **fields})

    return edit


def stored(**changes: object) -> Edit:
    """The second server's archive is said to be stored."""

    def edit(events: list[Event]) -> None:
        events.append({**of(events, "ArchiveStored"), "server": 1, **changes})

    return edit


def twice(event: str, **changes: object) -> Edit:
    """An event stands twice, the second time with other values."""

    def edit(events: list[Event]) -> None:
        events.append({**of(events, event), **changes})

    return edit


def lines(*more: bytes) -> Edit:
    def edit(events: list[Event]) -> list[Event | bytes]:
        return [*events, *more]

    return edit


BEGUN: Final = {"length": 9, "validator": None, "resumed": 0}
NO_SELECTION: Final[dict[str, Edit]] = {
    "a server's directory above the run": named("ServerSelected", directory="fleet/../../../x"),
    "a server's directory that is absolute": named("ServerSelected", directory="/srv/x"),
    "a server's directory in another project's": named("ServerSelected", directory="other/bms-0"),
    "a server's directory of one part": named("ServerSelected", directory="fleet"),
    "a server's directory of three parts": named("ServerSelected", directory="fleet/a/b"),
    "a server's directory with an empty part": named("ServerSelected", directory="fleet//bms-0"),
    "a server's directory with a NUL": named("ServerSelected", directory="fleet/a\0"),
    "a server's directory that ends in .part": named("ServerSelected", directory="fleet/a.part"),
    "a server's directory of another server": named("ServerSelected", directory="fleet/BMS-1"),
    "a directory that is too long": named("ServerSelected", directory=f"fleet/{'a' * 300}"),
    "a project's directory above the run": named("ProjectSelected", directory=".."),
    "a directory named as the manifest": named("ProjectSelected", directory="Manifest.JSON"),
    "a project's directory that is hidden": named("ProjectSelected", directory=".collector"),
    "no call a second": named("ProjectSelected", requests_per_second=0),
    "less than no call a second": named("ProjectSelected", requests_per_second=-1.0),
    "calls a second beyond all numbers": raw("ProjectSelected", "requests_per_second", b"1e999"),
    "a share that is no number": raw("ProjectSelected", "share", b"NaN"),
    "a share of nothing": named("ProjectSelected", share=0),
    "a share of more than all": named("ProjectSelected", share=1.01),
    "10^4000 downloads": raw("RunStarted", "downloads", b"1" + b"0" * 4000),
    "10^5000 downloads": raw("RunStarted", "downloads", b"1" + b"0" * 5000),
    "true downloads": named("RunStarted", downloads=True),
    "a provider that is a path": named("ProjectSelected", provider="../other"),
    "no provider at all": named("RunStarted", provider=""),
    "a run named as a path": named("RunStarted", run_id="../other"),
    "a hash that is none": named("RunStarted", inventory_sha256="x"),
    "a project number 7 of 1": named("ServerSelected", project=7),
    "a server number before the first": named("ServerSelected", server=-1),
    "an endpoint with a password": named("ProjectSelected", endpoint="http://u:p@127.0.0.1:9"),
    "an endpoint that is a file": named("ProjectSelected", endpoint="file:///etc/passwd"),
    "an endpoint of two lines": named("ProjectSelected", endpoint="http://127.0.0.1:9/\r\nX: y"),
    "an id that climbs": named("ServerSelected", id=".."),
    "an id of half a character": named("ServerSelected", id="\ud800"),
    "tags within tags": named("ServerSelected", tags={"a": {"b": "c"}}),
    "nesting of 200,000": raw("ServerSelected", "tags", DEEP),
    "the year 9999": named("RunStarted", at="9999-12-31T23:59:59.999Z"),
    "the year 0": named("RunStarted", at="0000-01-01T00:00:00.000Z"),
    "a name that stands twice": raw("ServerSelected", "name", b'"a","name":"b"'),
}  # fmt: skip
"""Within the selection: a resume without an inventory has nothing to go on from."""

DAMAGED: Final[dict[str, Edit]] = {
    "an archive outside the run": stored(path="../../../precious", file_name="precious"),
    "an archive in another server's directory": stored(),
    "an archive with another name": stored(path="fleet/bms-1/a.gz", file_name="b.gz"),
    "an archive that is absolute": stored(path="/etc/passwd", file_name="passwd"),
    "an archive of fewer than no bytes": stored(bytes=-1),
    "an archive of a server that has one": twice("ArchiveStored"),
    "a download into another directory": added(
        "DownloadBegun", server=1, file_name="../../../precious", **BEGUN
    ),
    "a download called as the journal": added(
        "DownloadBegun", server=1, file_name="journal.jsonl", **BEGUN
    ),
    "a download with a header in its ETag": added(
        "DownloadBegun", server=1, file_name="a.gz",
        length=9, validator='"a"\r\nX-Auth-Token: b', resumed=0,
    ),
    "server 7 of 2": added("ExportRequested", server=7),
    "the last server, counted from the end": added("ExportRequested", server=-1),
    "server true": added("ExportRequested", server=True),
    "project 7 of 1 counted": added("CallsCounted", project=7, calls=1, throttled=0),
    "durations of project 7": added(
        "DurationsLearned", project=7, exports=1, median_s=1.0, spread=0.0
    ),
    "a spread beyond all numbers": added(
        "DurationsLearned", project=0, exports=1, median_s=1.0, spread=1e300
    ),
    "a limit of a scope that nobody knows": added(
        "LimitLearned", scope="world", name="x", limit=1.0, window_s=1.0, source="told"
    ),
    "an export completed twice over": lines(
        b'{"event":"ExportCompleted","at":"%b","server":0,"polls":0}' % AT.encode()
    ),
    "an export id that climbs out of a line": added("ExportStarted", server=1, export_id="a\r\nb"),
    "a failure that ended already": added(
        "ServerFailed", server=0, stage="export", kind="x", code=None, http_status=None,
        message="", request_id=None, attempts=1, hint="", polls=0,
    ),
    "a time with a zone of its own": twice(
        "ExportRequested", at="2026-11-23T08:41:03+14:00", server=1
    ),
    "a 30th of February": twice("ExportRequested", at="2026-02-30T00:00:00Z", server=1),
    "a project that moves": twice("ProjectSelected", directory="elsewhere"),
    "a project of another provider": twice("ProjectSelected", provider="redfish"),
    "a location of two lines": twice("ExportCompleted", location="/a\r\nX: y"),
    "a project at another endpoint": twice("ProjectSelected", endpoint="http://127.0.0.1:9"),
    "a server that comes twice": twice("ServerSelected", server=2, directory="fleet/bms-2"),
    "an event that is a list": lines(b"[[]]"),
    "an export id that is infinite": raw("ExportStarted", "export_id", b"Infinity"),
}  # fmt: skip
"""After it: a resume goes on from the lines before, and collects what they do not tell."""
