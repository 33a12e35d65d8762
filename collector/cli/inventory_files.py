"""Inventory files made of what was discovered: written anew, or merged into."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from collector import inputs
from collector.cli.choosing import load_inventory, make_known
from collector.cli.discovering import listed
from collector.cli.streams import say, show_text
from collector.discovery import request as requests
from collector.discovery.merging import changes, merged
from collector.errors import CollectorError
from collector.inventory import load
from collector.inventory.bounds import BYTES_MAX
from collector.inventory.saving import save
from collector.inventory.yaml_text import document, entry
from collector.report.verdict import of_lists
from collector.report.words import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from collector.discovery import Found
    from collector.discovery.merging import Changes
    from collector.discovery.request import Request
    from collector.inventory import Inventory


@dataclass(frozen=True, slots=True)
class Done:
    """What `inventory discover` did.

    Attributes:
        output: the file that it wrote; None where it wrote none.
        found: what was listed, a project each.
        changes: what it changed for each of them.
    """

    output: Path | None
    found: Sequence[Found]
    changes: Sequence[Changes]

    @property
    def exit_code(self) -> int:
        """The command's exit code: a project that cannot be listed is never a success."""
        problems = [one.problem.kind for one in self.found if one.problem is not None]
        return of_lists(problems, any_use=any(map(_is_of_use, self.found)))

    def as_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        pairs = zip(self.found, self.changes, strict=True)
        output = None if self.output is None else str(self.output)
        return {"output": output, "projects": [_as_json(*one) for one in pairs]}


def _as_json(found: Found, made: Changes) -> dict[str, Any]:
    problem = found.problem
    error = problem and {
        "code": problem.code,
        "http_status": problem.http_status,
        "message": problem.message,
        "request_id": problem.request_id,
        "attempts": found.attempts,
        "hint": problem.hint,
    }
    return {
        "id": found.project.id,
        "name": found.project.name,
        "endpoint": found.project.endpoint,
        "listed": len(found.servers),
        "added": len(made.added),
        "changed": len(made.facts),
        "gone": len(made.gone),
        "back": len(made.back),
        "calls": found.calls,
        "notes": found.notes,
        "error": error,
    }


def write(request: Request, output: Path | None, ca_file: Path | None, *, as_json: bool) -> Done:
    """List what a request asks for, and write a new inventory of it, to stdout or to a file.

    Raises:
        CollectorError: the request is wrong, a secret is missing, or the file cannot be written.
    """
    inventory = requests.fresh(request)
    make_known(inventory)
    found = listed(inventory, inventory.projects, ca_file=ca_file)
    made = [changes(one.project, one, new=True) for one in found]
    written = [one for one, listing in zip(made, found, strict=True) if _is_of_use(listing)]
    if written:
        _write(request, written, output, as_json=as_json)
    done = Done(output if written else None, found, made)
    servers = sum(len(one.added) for one in written)
    amount = f"{count(servers, 'server')} in {count(len(written), 'project')}"
    say(f"{output or 'stdout'}: {amount}" if written else "No project was listed; nothing written.")
    return done


def _write(
    request: Request,
    written: Sequence[Changes],
    output: Path | None,
    *,
    as_json: bool,
) -> None:
    credentials = requests.credentials(request)
    projects = [
        ({"id": one.project.id, **requests.place(request)}, list(map(entry, one.added)))
        for one in written
    ]
    if (as_json and output is None) or (output is not None and output.suffix.lower() == ".json"):
        lines: Iterable[str] = (f"{_json(credentials, projects)}\n",)
    else:
        day = datetime.now(UTC).date().isoformat()
        lines = document(f"Written by collector inventory discover on {day}", credentials, projects)
    if output is not None:
        save(output, lines, replacing=False)
    else:
        show_text("".join(lines))


def _json(
    credentials: Mapping[str, Any], projects: Iterable[tuple[Mapping[str, Any], Sequence[Any]]]
) -> str:
    shown = [{**fields, "servers": servers} for fields, servers in projects]
    made = {"version": 1, "credentials": credentials, "projects": shown}
    return json.dumps(made, indent=2, ensure_ascii=False)


def merge(request: Request, output: Path, ca_file: Path | None) -> Done:
    """List what a request asks for, and merge it into an inventory.

    Raises:
        CollectorError: the request or the file is wrong, a secret is missing, or the file cannot
            be written.
    """
    inventory, projects = requests.beside(load_inventory(str(output), sends=True), request)
    found = listed(inventory, projects, ca_file=ca_file)
    raw = _read_again(output)
    before = load(io.BytesIO(raw), name=str(output), environ={}, sends=False)
    text = raw.decode("utf-8-sig")
    made = [_changes(before, one) for one in found]
    day = datetime.now(UTC).date().isoformat()
    after = merged(text, output, before, made, day)
    if after != text:
        save(output, ["\ufeff" * raw.startswith(b"\xef\xbb\xbf"), after], replacing=True)
    say(f"{output}: {_told(made)}")
    return Done(output, found, made)


def _read_again(output: Path) -> bytes:
    """Return a file as it is now: somebody may have changed it while servers were listed."""
    try:
        return inputs.read_input(output, BYTES_MAX)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise CollectorError(
            f"{output} cannot be read any more ({why}); nothing was written"
        ) from error


def _changes(before: Inventory, found: Found) -> Changes:
    """Return what a list changes in a project as the file has it now."""
    asked = found.project
    own = {(one.endpoint, one.id): one for one in before.projects}
    project = own.get((asked.endpoint, asked.id))
    if project is None:
        return changes(replace(asked, servers=()), found, new=True)
    return changes(replace(project, discover=asked.discover), found, new=False)


def _told(made: Sequence[Changes]) -> str:
    new = sum(one.new and bool(one.added) for one in made)  # others are not written
    counts = (
        (sum(len(one.added) for one in made), "added"),
        (sum(len(one.facts) for one in made), "changed"),
        (sum(len(one.gone) for one in made), "gone"),
        (sum(len(one.back) for one in made), "back"),
    )
    parts = [f"{count(number, 'server')} {what}" for number, what in counts if number]
    if new:
        parts.insert(0, f"{count(new, 'project')} new")
    return ", ".join(parts) or "nothing has changed"


def _is_of_use(found: Found) -> bool:
    return found.problem is None or bool(found.servers)
