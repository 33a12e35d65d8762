"""Another run to compare a run with: the last one of the same servers, or one that a person names.

A run that ended is read from its manifest, a server a line, as this program writes it. One that did
not, or whose manifest is otherwise, is read from its journal. Both may come from anybody.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta

from collector import files
from collector.errors import CollectorError
from collector.report.comparing import Choice, OtherProject, OtherRun, other_run
from collector.report.manifest import RunWord
from collector.report.verdict import run_word
from collector.rundir.journal.values import MOST, is_time
from collector.rundir.layout import JOURNAL, LARGEST_MANIFEST, MANIFEST, began_at, runs_under
from collector.rundir.lock import is_held
from collector.rundir.standing import standing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.model.state import RunState

LOOKED_AT: Final = 20
"""Earlier runs that are looked at, the latest first, for one of the same servers."""
_LONGEST_LINE: Final = 4 << 20
_HEAD_LINES: Final = 16
_PROJECTS: Final = b' "projects": ['
_PROJECT: Final = b"  {"
_SERVER: Final = b"    {"
_SERVERS: Final = b'"servers": ['
_END: Final = b"]}"

_Text = Annotated[str, Meta(min_length=1, max_length=64 << 10)]
_Size = Annotated[int, Meta(ge=0, le=MOST)]


class _Inventory(msgspec.Struct):
    path: str


class _Run(msgspec.Struct):
    id: _Text
    state: RunWord
    started_at: _Text
    inventory: _Inventory
    select: list[str]
    argv: list[str]


class _Head(msgspec.Struct):
    """What is asked of a manifest before its projects: a newer version may say more."""

    schema_version: Literal[1]
    run: _Run


class _Project(msgspec.Struct):
    id: _Text
    name: str
    endpoint: _Text


class _Archive(msgspec.Struct):
    bytes: _Size


class _Server(msgspec.Struct):
    id: _Text
    name: str
    state: Literal["collected", "failed", "pending"]
    archive: _Archive | None


_as_head = msgspec.json.Decoder(_Head).decode
_as_project = msgspec.json.Decoder(_Project).decode
_as_server = msgspec.json.Decoder(_Server).decode


def named_run(directory: Path) -> OtherRun:
    """Read the run that a person names.

    Raises:
        CollectorError: neither its manifest nor its journal tells of it.
    """
    with suppress(OSError, ValueError, RecursionError):
        if not is_held(directory / JOURNAL):
            return from_manifest(directory / MANIFEST)
    found = standing(directory)
    return other_run(found.state, run_word(found.state, alive=found.alive))


def last_run(directory: Path, state: RunState) -> OtherRun | None:
    """Find the last run before this one, beside it, that has at least one of its servers.

    Runs that are running, or cannot be read, are passed over; so are all but the latest few.

    Args:
        directory: the run's.
        state: of the run, which has begun.
    """
    assert state.started is not None  # noqa: S101  # it has begun
    for other in islice(_before(directory, state.started.at), LOOKED_AT):
        try:
            if is_held(other / JOURNAL):
                continue
            found = named_run(other)
        except (CollectorError, OSError):
            continue
        if found.has_any_of(state):
            return found
    return None


def from_manifest(path: Path) -> OtherRun:
    """Read a run from its manifest.

    Raises:
        OSError: it cannot be read.
        ValueError: its run has not ended, or it is not as this program writes it.
    """
    with open(files.open_to_read(path), "rb") as file:  # noqa: PTH123  # of a descriptor
        if os.fstat(file.fileno()).st_size > LARGEST_MANIFEST:
            raise OSError(errno.EFBIG, f"larger than {LARGEST_MANIFEST} bytes", str(path))
        lines = iter(partial(file.readline, _LONGEST_LINE), b"")
        run = _opened(lines)
        project: OtherProject | None = None
        line = b""
        for line in lines:
            text = line.strip()
            if line.startswith(_SERVER) and project is not None:
                _add(project, text.removesuffix(b",").removesuffix(b"]}").removesuffix(b"]}"))
            elif line.startswith(_PROJECT):
                project = _begin(run, text.rpartition(_SERVERS)[0] + _SERVERS + b"]}")
            elif text != _END:
                raise ValueError("it is not written as this program writes it")
    if not line.endswith(_END + b"\n"):
        raise ValueError("it has no end")
    return run


def _before(directory: Path, started_at: str) -> list[Path]:
    """List the runs beside a run that began before it, the latest first."""
    try:
        began = {run: began_at(run) for run in runs_under(directory.parent) if run != directory}
    except CollectorError:
        return []
    earlier = [run for run, at in began.items() if "" < at < started_at]
    return sorted(earlier, key=lambda run: (began[run], run.name), reverse=True)


def _opened(lines: Iterator[bytes]) -> OtherRun:
    """Read what a manifest says of its run before its projects."""
    opening: list[bytes] = []
    for line in islice(lines, _HEAD_LINES):
        if line.startswith(_PROJECTS):
            break
        opening.append(line)
    else:
        raise ValueError("it does not begin as a manifest does")
    run = _as_head(b"".join(opening).rstrip().removesuffix(b",") + b"}").run
    if run.state == "running" or not is_time(run.started_at):
        raise ValueError("its run has not ended, or began at no time")
    choice = Choice.of(run.inventory.path, run.select, run.argv)
    return OtherRun(run.id, run.started_at, run.state, choice)


def _begin(run: OtherRun, text: bytes) -> OtherProject:
    project = _as_project(text)
    return run.projects.setdefault((project.endpoint, project.id), OtherProject(project.name))


def _add(project: OtherProject, text: bytes) -> None:
    server = _as_server(text)
    project.names[server.id] = server.name
    if server.archive is not None:
        project.collected[server.id] = server.archive.bytes
    elif server.state == "failed":
        project.failed.add(server.id)
