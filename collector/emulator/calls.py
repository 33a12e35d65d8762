"""The calls of the API, told apart by method and path (API reference)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import unquote

ServerCall = Literal["export", "status", "download"]
SERVER_CALLS: tuple[ServerCall, ...] = get_args(ServerCall)
"""The calls that are about one server."""
ProjectCall = Literal["list", "alarms"]
"""The calls that are about a project's servers, page by page."""
CallKind = Literal["export", "status", "download", "list", "alarms"]
CALL_KINDS: tuple[CallKind, ...] = get_args(CallKind)


@dataclass(frozen=True, slots=True)
class Call:
    """One call about a server. `export_id` is empty for an export."""

    kind: ServerCall
    project_id: str
    server_id: str
    export_id: str = ""


@dataclass(frozen=True, slots=True)
class ListCall:
    """One call about a project's servers, page by page."""

    kind: ProjectCall
    project_id: str


def parse_call(method: str, raw_path: str) -> Call | ListCall | None:
    """Return the call of a request line; None if the API has no such call."""
    parts = raw_path.partition("?")[0].split("/")
    if "%" in raw_path:
        parts = [unquote(part) for part in parts]
    match method, parts:
        case "POST", ["", "v1", project, "physicalservers", server, "logs", "exports"]:
            return Call("export", project, server)
        case "GET", ["", "v1", project, "physicalservers", server, "logs", "exports", export]:
            return Call("status", project, server, export)
        case (
            "GET",
            ["", "v1", project, "physicalservers", server, "logs", "exports", export, "content"],
        ):
            return Call("download", project, server, export)
        case "GET", ["", "v1", project, "physicalservers"]:
            return ListCall("list", project)
        case "GET", ["", "v1", project, "physicalservers", "alarms"]:
            return ListCall("alarms", project)
    return None
