"""Reading lists of servers and of alarms, whatever is odd in an entry.

An entry that cannot be used is said to be so, and the others of its page are read. API reference,
"Querying Physical Servers" and "Obtaining Server Alarm List"; none of it was seen on the live
service.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from collector.model.answers import Call, Problem, ProblemKind
from collector.providers.clouddc.errors import (
    ALARM_PERMISSIONS,
    LISTING_PERMISSION,
    problem_of,
)
from collector.providers.clouddc.parsing import error_body
from collector.providers.directory import (
    ALARM_LEVELS,
    AlarmsPage,
    ListedAlarm,
    ListedServer,
    ServersPage,
)
from collector.providers.http.replies import parse_json, text
from collector.providers.http.words import WORD_MAX, one_line, told

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from collector.model.answers import ResponseMetadata
    from collector.providers.clouddc.metadata import MetadataReader
    from collector.providers.http.replies import Reply
    from collector.redaction import Secrets

PAGE_BYTES_MAX: Final = 32 << 20
"""How many bytes of a page are read: 1,000 servers of 32 KiB each."""
ID_MAX: Final = 512
NAME_MAX: Final = 256
TAGS_MAX: Final = 100
MARKER_MAX: Final = 2_048
COUNT_MAX: Final = 10**12
"""Totals above it are none that anybody has counted."""

NO_PROJECT: Final = "there is no such project at this endpoint, or it is not this credential's"
LISTING_HINT: Final = f"ask for the permission {LISTING_PERMISSION} in this project"
ALARMS_HINT: Final = (
    f"ask for the permissions {' and '.join(ALARM_PERMISSIONS)} in this project, or leave alarms "
    "out"
)
_LOST: Final = "\ufffd"
_LEVELS: Final[Mapping[str, str]] = {
    **{str(number): level for number, level in enumerate(ALARM_LEVELS, 1)},
    **{level: level for level in ALARM_LEVELS},
    **dict.fromkeys(("warning", "informational", "information"), "info"),
}
_OVER: Final = frozenset({"ok", "invalid", "resolved", "cleared", "closed"})


def servers_page(
    reply: Reply, reader: MetadataReader, secrets: Secrets, *, project_id: str
) -> ServersPage | Problem:
    """Read a page of servers; `project_id` is whose they were asked for."""
    if not reply.succeeded:
        return _refusal(reply, reader, secrets, LISTING_HINT)
    fields = parse_json(reply.body)
    entries = _entries(fields, "servers")
    if entries is None:
        return _no_list(reply, reader, secrets, "servers")
    servers: list[ListedServer] = []
    unusable: list[str] = []
    for entry in entries:
        server = _server(entry, project_id)
        if isinstance(server, str):
            unusable.append(told(server, secrets))
        else:
            servers.append(server)
    info = fields.get("page_info")
    told_next = info.get("next_marker") if isinstance(info, dict) else None
    return ServersPage(
        servers=tuple(servers),
        entries=len(entries),
        unusable=tuple(unusable),
        total=_count(fields.get("count")),
        next_marker=_marker(told_next),
        ends=isinstance(info, dict) and info.get("next_marker", "absent") in (None, ""),
        metadata=reader.read(reply.headers),
    )


def alarms_page(reply: Reply, reader: MetadataReader, secrets: Secrets) -> AlarmsPage | Problem:
    """Read a page of alarms."""
    if not reply.succeeded:
        return _refusal(reply, reader, secrets, ALARMS_HINT)
    fields = parse_json(reply.body)
    entries = _entries(fields, "alarms")
    if entries is None:
        return _no_list(reply, reader, secrets, "alarms")
    alarms = [alarm for entry in entries if isinstance(entry, dict) for alarm in _alarms(entry)]
    return AlarmsPage(
        alarms=tuple(alarms),
        entries=len(entries),
        total=_count(fields.get("count")),
        metadata=reader.read(reply.headers),
    )


def _entries(fields: Any, name: str) -> list[Any] | None:  # noqa: ANN401  # JSON is any
    """Return the entries of a page; None where it has no list of them."""
    if not isinstance(fields, dict):
        return None
    entries = fields.get(name)
    if entries is None and name in fields and _count(fields.get("count")) == 0:
        return []  # so some languages write a list without entries
    return entries if isinstance(entries, list) else None


def _refusal(reply: Reply, reader: MetadataReader, secrets: Secrets, hint: str) -> Problem:
    """Return what a refused list call means: there is no server that it could be about."""
    error = error_body(reply.body)
    read = reader.read(reply.headers, error.words)
    problem = problem_of(Call.ASK_STATUS, reply, metadata=read, secrets=secrets, error=error)
    if problem.kind is ProblemKind.FORBIDDEN:
        return replace(problem, hint=hint)
    if problem.kind in {ProblemKind.FORGOTTEN, ProblemKind.UNKNOWN_SERVER}:
        words = told(error.words, secrets) or NO_PROJECT
        hint = "check the project's id and its region or endpoint"
        return replace(problem, kind=ProblemKind.UNKNOWN_SERVER, message=words, hint=hint)
    return problem


def _no_list(reply: Reply, reader: MetadataReader, secrets: Secrets, what: str) -> Problem:
    """Return the problem that a success is without its list."""
    error = error_body(reply.body)
    if len(reply.body) > PAGE_BYTES_MAX:
        error = replace(error, words=f"a page of more than {PAGE_BYTES_MAX >> 20} MiB", own=False)
    elif error.own is False and parse_json(reply.body) is not None:
        error = replace(error, words=f"the answer has no list of {what}")
    read: ResponseMetadata = reader.read(reply.headers)
    return problem_of(Call.ASK_STATUS, reply, metadata=read, secrets=secrets, error=error)


def _server(entry: Any, project_id: str) -> ListedServer | str:  # noqa: ANN401  # JSON is any
    """Return a server, or why the entry is none that can be used."""
    if not isinstance(entry, dict):
        return "an entry that is no object"
    server_id = (text(entry.get("id")) or "").strip()
    shown = one_line(server_id, WORD_MAX) or "without an id"
    if not is_usable(server_id):
        return f"server {shown}: its id cannot be part of a URL"
    owner = text(entry.get("project_id"))
    if owner and owner != project_id:
        return f"server {shown} is of another project, {one_line(owner, WORD_MAX)}"
    return ListedServer(
        id=server_id,
        name=one_line(text(entry.get("name")) or "", NAME_MAX) or server_id,
        tags=_tags(entry.get("tags")),
        manage_state=_word(entry.get("manage_state")),
        health=_word(entry.get("health_state")),
        rack=_word(_of(entry.get("location"), "rack")),
        model=_word(_of(entry.get("hardware_attributes"), "model")),
    )


def is_usable(server_id: str) -> bool:
    """Tell whether an id can stand in a URL, an inventory and a journal."""
    return (
        0 < len(server_id) <= ID_MAX
        and server_id.isprintable()
        and "/" not in server_id
        and _LOST not in server_id
        and bool(server_id.strip("."))
    )


def _tags(value: object) -> dict[str, str]:
    """Return tags from a list of keys and values, or from an object."""
    pairs: Iterator[tuple[object, object]]
    if isinstance(value, dict):
        pairs = iter(value.items())
    elif isinstance(value, list):
        pairs = ((one.get("key"), one.get("value")) for one in value if isinstance(one, dict))
    else:
        return {}
    found: dict[str, str] = {}
    for key, word in pairs:
        name = one_line(text(key) or "", NAME_MAX)
        if name and len(found) < TAGS_MAX:
            found[name] = one_line(text(word) or "", NAME_MAX)
    return found


def _alarms(entry: dict[str, Any]) -> Iterator[ListedAlarm]:
    """Yield an alarm for each resource that it names: one of them is the server."""
    word = (text(entry.get("alarm_level")) or "").strip().casefold()
    level = _LEVELS.get(word) or one_line(word, WORD_MAX)
    active = (text(entry.get("alarm_status")) or "").strip().casefold() not in _OVER
    named = [entry.get("resource_id")]
    dimensions = _of(entry.get("metric"), "dimensions")
    if isinstance(dimensions, list):
        named += [_of(one, "value") for one in dimensions[:4]]
    for resource in dict.fromkeys(filter(None, map(text, named))):
        if level:
            yield ListedAlarm(resource, level, active)


def _of(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else None


def _word(value: object) -> str | None:
    return one_line(text(value) or "", NAME_MAX) or None


def _count(value: object) -> int | None:
    """Return how many there are; None where that is not told."""
    if isinstance(value, str) and len(value) < WORD_MAX and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= COUNT_MAX:
        return value
    return None


def _marker(value: object) -> str | None:
    """Return what the next page is asked for with: it may be told within the page's address."""
    marker = (text(value) or "").strip()
    if not marker or len(marker) > MARKER_MAX or not marker.isprintable():
        return None
    if "marker=" in marker:
        return parse_qs(urlsplit(marker).query or marker).get("marker", [""])[0] or None
    return marker
