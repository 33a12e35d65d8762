"""What no shape can tell: whether an inventory's parts fit each other, the vendor and here.

The checks also read files whose shape is wrong, so that all mistakes are told at once; what has the
wrong shape they pass over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from collector import addresses
from collector.inventory import credentials
from collector.inventory.findings import Finding
from collector.inventory.mistakes import quoted, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from collector.inventory.credentials import Surroundings
    from collector.inventory.findings import Path
    from collector.inventory.vendor import Vendor


def check(data: dict[str, Any], vendor: Vendor) -> Iterator[Finding]:
    """Everything but the shape and the secrets that is wrong with a file's content."""
    entries = _mapping(data.get("credentials"))
    defaults = _mapping(data.get("defaults"))
    projects: list[tuple[Path, dict[str, Any]]] = [
        (("projects", index), one)
        for index, one in enumerate(_list(data.get("projects")))
        if isinstance(one, dict)
    ]
    for name, entry in entries.items():
        if isinstance(entry, dict):
            yield from credentials.check(name, entry, vendor)
    yield from _check_name(defaults, ("defaults",), entries)
    for path, project in projects:
        yield from _check_name(project, path, entries)
        yield from _check_endpoint(project, path, vendor)
        yield from _check_servers(project, path)
        if chosen(project, defaults, entries, vendor) is None:
            instead = f"write credentials: {' or '.join(sorted(entries))}"
            yield Finding(
                path, "the project names no credentials, and several are defined", instead
            )
    yield from _check_projects(projects, vendor)
    for place, entry in _used(data, vendor):
        yield from credentials.check_kind(place, entry, vendor)


def check_secrets(data: dict[str, Any], vendor: Vendor, around: Surroundings) -> Iterator[Finding]:
    """What is wrong, here and now, with the secrets that a file's projects need."""
    for place, entry in _used(data, vendor):
        yield from credentials.check_secrets(place, entry, vendor, around)


def _used(data: dict[str, Any], vendor: Vendor) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """The credentials that projects use, and where they stand; nowhere, for the vendor's own."""
    entries = _mapping(data.get("credentials"))
    defaults = _mapping(data.get("defaults"))
    used = {
        chosen(one, defaults, entries, vendor)
        for one in _list(data.get("projects"))
        if isinstance(one, dict)
    }
    if used and not entries:
        yield (), vendor.entry(vendor.variable)
    for name, entry in entries.items():
        if name in used and isinstance(entry, dict):
            yield ("credentials", name), entry


def chosen(
    project: Mapping[str, Any],
    defaults: Mapping[str, Any],
    entries: Mapping[str, object],
    vendor: Vendor,
) -> str | None:
    """The name of the credentials that a project uses.

    Its own, else that of `defaults`, else the only entry there is; where the file has no entry at
    all, the vendor's variable. None where several could be meant.
    """
    for one in (project, defaults):
        if isinstance(one.get("credentials"), str):
            return str(one["credentials"])
    if not entries:
        return vendor.variable
    return next(iter(entries)) if len(entries) == 1 else None


def endpoint(project: Mapping[str, Any], vendor: Vendor) -> str:
    """A project's endpoint: its own, else the region's.

    Raises:
        ValueError: It has none that can be used; the text says why.
    """
    if isinstance(project.get("endpoint"), str):
        return addresses.normal(project["endpoint"])
    region = project.get("region")
    if not isinstance(region, str):
        raise ValueError("the project has neither region nor endpoint")  # noqa: TRY004 - not a type's fault
    if region not in vendor.regions:
        raise ValueError(f"unknown region {quoted(region)}")
    return addresses.normal(vendor.regions[region])


def _check_name(
    holder: dict[str, Any], path: Path, entries: Mapping[str, object]
) -> Iterator[Finding]:
    name = holder.get("credentials")
    if isinstance(name, str) and name not in entries:
        instead = suggestion(name, entries) if entries else "add it under credentials"
        yield Finding((*path, "credentials"), "no credentials entry has this name", instead)


def _check_endpoint(project: dict[str, Any], path: Path, vendor: Vendor) -> Iterator[Finding]:
    try:
        endpoint(project, vendor)
    except ValueError as error:
        if isinstance(project.get("endpoint"), str):
            instead = "write a URL such as https://HOST or http://127.0.0.1:18080"
            yield Finding((*path, "endpoint"), f"the endpoint {error}", instead)
        elif isinstance(project.get("region"), str):
            instead = f"{suggestion(project['region'], vendor.regions)} (or write endpoint: URL)"
            yield Finding((*path, "region"), str(error), instead)
        elif "region" not in project and "endpoint" not in project:
            instead = f"write region: {' or '.join(sorted(vendor.regions))}"
            yield Finding(path, str(error), instead)


def _check_servers(project: dict[str, Any], path: Path) -> Iterator[Finding]:
    ids = [_id(server) for server in _list(project.get("servers"))]
    # A hundred thousand servers are compared in C; only a mistake is looked for one by one.
    if len(set(ids)) == len(ids):
        return
    seen: set[str] = set()
    for index, server_id in enumerate(ids):
        if server_id is not None and server_id in seen:
            what = f"server {quoted(server_id)} is listed twice in this project"
            yield Finding((*path, "servers", index, "id"), what, "list each server once")
        elif server_id is not None:
            seen.add(server_id)


def _check_projects(
    projects: list[tuple[Path, dict[str, Any]]], vendor: Vendor
) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    for path, project in projects:
        try:
            key = (_id(project) or "", endpoint(project, vendor))
        except ValueError:
            continue
        if key in seen and key[0]:
            what = f"project {quoted(key[0])} is listed twice at this endpoint"
            yield Finding((*path, "id"), what, "list its servers in one place")
        seen.add(key)


def _id(holder: object) -> str | None:
    found = holder.get("id") if isinstance(holder, dict) else None
    return found if isinstance(found, str) else None


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
