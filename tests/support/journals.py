"""A journal as somebody else would hand it over: its events changed, and its chain made anew."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    Event = dict[str, Any]

NO_HASH = "0" * 64


def events_of(journal: Path) -> list[Event]:
    """The events of a journal, without their hashes."""
    events: list[Event] = [json.loads(line) for line in journal.read_bytes().splitlines()]
    for event in events:
        del event["hash"]
    return events


def chained(events: Iterable[Event | bytes]) -> bytes:
    """The lines of a journal that holds these events.

    What is bytes stands for an event's JSON, with whatever in it, up to the hash: its last brace
    is left out.
    """
    lines: list[bytes] = []
    head = NO_HASH
    for event in events:
        if isinstance(event, bytes):
            body = event.removesuffix(b"}")
        else:
            body = json.dumps(event, separators=(",", ":")).encode()[:-1]
        head = sha256(head.encode() + body).hexdigest()
        lines.append(b'%b,"hash":"%b"}\n' % (body, head.encode()))
    return b"".join(lines)


def rewrite(journal: Path, edit: Callable[[list[Event]], Iterable[Event | bytes] | None]) -> None:
    """Let somebody edit a journal who knows how its hashes are made.

    Args:
        journal: the file, which is written anew.
        edit: changes the list of events that it is given, or returns what stands in its place.
    """
    events = events_of(journal)
    edited = edit(events)
    journal.write_bytes(chained(events if edited is None else edited))


def of(events: Iterable[Event | bytes], name: str) -> Event:
    """The first event of this name."""
    return next(event for event in events if isinstance(event, dict) and event["event"] == name)
