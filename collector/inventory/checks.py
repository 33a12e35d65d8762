"""Checks beyond the shape: whether parts fit each other, their provider and this machine.

They also run on files with a wrong shape, skipping what is wrong, so that all mistakes are reported
at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from collector import addresses
from collector.inventory import credentials
from collector.inventory.findings import Finding
from collector.inventory.mistakes import quoted, suggestion
from collector.inventory.providing import provider_of
from collector.inventory.shape import SERVERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from collector.inventory.credentials import Surroundings
    from collector.inventory.findings import Path
    from collector.inventory.providing import Providers
    from collector.providers.rules import InventoryRules


def check(data: dict[str, Any], providers: Providers) -> Iterator[Finding]:
    """Yield everything that is wrong with a file's content, apart from shape and secrets."""
    entries = _mapping(data.get("credentials"))
    defaults = _mapping(data.get("defaults"))
    projects: list[tuple[Path, dict[str, Any]]] = [
        (("projects", index), one)
        for index, one in enumerate(_list(data.get("projects")))
        if isinstance(one, dict)
    ]
    yield from providers.check(defaults, ("defaults",))
    users = _users(data, providers)
    for name, entry in entries.items():
        if isinstance(entry, dict):
            yield from _check_entry(name, entry, users.get(name, []), defaults, providers)
    yield from _check_name(defaults, ("defaults",), entries)
    for path, project in projects:
        rules = providers.rules(provider_of(project, defaults))
        yield from providers.check(project, path)
        yield from _check_name(project, path, entries)
        yield from _check_endpoint(project, path, rules)
        yield from _check_source(project, path, rules)
        yield from _check_servers(project, path)
        yield from _check_derived(project, defaults, entries, rules)
        if entries and chosen(project, defaults, entries, rules) is None:
            instead = f"write credentials: {' or '.join(sorted(entries))}"
            yield Finding(
                path, "the project names no credentials, and several are defined", instead
            )
    yield from _check_projects(projects, defaults, providers)
    for place, entry, rules in _used(data, providers):
        yield from credentials.check_kind(place, entry, rules)


def check_secrets(
    data: dict[str, Any], providers: Providers, around: Surroundings
) -> Iterator[Finding]:
    """Yield what is wrong, here and now, with the secrets that a file's projects need."""
    for place, entry, rules in _used(data, providers):
        yield from credentials.check_secrets(place, entry, rules, around)


def entries_of(
    data: Mapping[str, Any], providers: Providers
) -> Iterator[tuple[str, dict[str, Any], str, InventoryRules]]:
    """Yield every credentials entry of a valid file: its name, itself, its provider and rules.

    If the file has none, they are made from the variables that its projects' providers name.
    """
    entries = _mapping(data.get("credentials"))
    defaults = _mapping(data.get("defaults"))
    users = _users(data, providers)
    for name in entries or users:
        provider = _entry_provider(users.get(name, []), defaults)
        rules = providers.rules(provider)
        if provider is not None and rules is not None:
            yield name, entries.get(name) or rules.entry(name), provider, rules


def _entry_provider(users: Sequence[str], defaults: Mapping[str, Any]) -> str | None:
    """Return the provider whose rules a credentials entry follows: that of the projects using it.

    If none does, it is the default provider.
    """
    return users[0] if users else provider_of({}, defaults)


def _users(data: Mapping[str, Any], providers: Providers) -> dict[str, list[str]]:
    """Return, by the name of each used entry, the providers of the projects that use it."""
    entries = _mapping(data.get("credentials"))
    defaults = _mapping(data.get("defaults"))
    users: dict[str, dict[str, None]] = {}
    for one in _list(data.get("projects")):
        if isinstance(one, dict):
            provider = provider_of(one, defaults)
            rules = providers.rules(provider)
            name = chosen(one, defaults, entries, rules)
            if name is not None and provider is not None and rules is not None:
                users.setdefault(name, {})[provider] = None
    return {name: list(found) for name, found in users.items()}


def _used(
    data: dict[str, Any], providers: Providers
) -> Iterator[tuple[tuple[str, ...], dict[str, Any], InventoryRules]]:
    """Yield the credentials that projects use, with their place and their provider's rules.

    If the file has none, the place is empty.
    """
    entries = _mapping(data.get("credentials"))
    for name, (first, *_) in _users(data, providers).items():
        rules = providers.rules(first)
        if rules is None:
            continue
        if not entries:
            yield (), rules.entry(rules.variable), rules
        elif isinstance(entry := entries.get(name), dict):
            yield ("credentials", name), entry, rules


def chosen(
    project: Mapping[str, Any],
    defaults: Mapping[str, Any],
    entries: Mapping[str, object],
    rules: InventoryRules | None,
) -> str | None:
    """Return the name of the credentials that a project uses.

    Its own, else that of `defaults`, else the only entry. If the file has no entries, its
    provider's variable. None if several could be meant.
    """
    for one in (project, defaults):
        if isinstance(one.get("credentials"), str):
            return str(one["credentials"])
    if not entries:
        return None if rules is None else rules.variable
    return next(iter(entries)) if len(entries) == 1 else None


def endpoint(project: Mapping[str, Any], rules: InventoryRules | None) -> str:
    """Return a project's endpoint: its own, else the region's.

    Raises:
        ValueError: It has no usable one; the text says why.
    """
    if isinstance(project.get("endpoint"), str):
        return addresses.normal(project["endpoint"])
    region = project.get("region")
    if rules is None or not rules.regions:
        raise ValueError("endpoint is missing")
    if not isinstance(region, str):
        raise ValueError("the project has neither region nor endpoint")  # noqa: TRY004 - not a type's fault
    if region not in rules.regions:
        raise ValueError(f"unknown region {quoted(region)}")
    return addresses.normal(rules.regions[region])


def _check_entry(
    name: str,
    entry: dict[str, Any],
    users: Sequence[str],
    defaults: Mapping[str, Any],
    providers: Providers,
) -> Iterator[Finding]:
    if len(users) > 1:
        what = f"projects of several providers use this entry: {', '.join(sorted(users))}"
        yield Finding(("credentials", name), what, "write an entry for each of them")
    rules = providers.rules(_entry_provider(users, defaults))
    if rules is not None:
        yield from credentials.check(name, entry, rules)


def _check_name(
    holder: dict[str, Any], path: Path, entries: Mapping[str, object]
) -> Iterator[Finding]:
    name = holder.get("credentials")
    if isinstance(name, str) and name not in entries:
        instead = suggestion(name, entries) if entries else "add it under credentials"
        yield Finding((*path, "credentials"), "no credentials entry has this name", instead)


def _check_endpoint(
    project: dict[str, Any], path: Path, rules: InventoryRules | None
) -> Iterator[Finding]:
    try:
        endpoint(project, rules)
    except ValueError as error:
        if isinstance(project.get("endpoint"), str):
            instead = "write a URL such as https://HOST or http://127.0.0.1:18080"
            yield Finding((*path, "endpoint"), f"the endpoint {error}", instead)
        elif rules is None:
            pass  # its regions are unknown
        elif isinstance(project.get("region"), str):
            instead = "write endpoint: URL"
            if rules.regions:
                instead = f"{suggestion(project['region'], rules.regions)} (or {instead})"
            yield Finding((*path, "region"), str(error), instead)
        elif "region" not in project and "endpoint" not in project:
            instead = f"write region: {' or '.join(sorted(rules.regions))}"
            yield Finding(path, str(error), instead if rules.regions else "write endpoint: URL")


def _check_source(
    project: dict[str, Any], path: Path, rules: InventoryRules | None
) -> Iterator[Finding]:
    if "discover" not in project:
        if "servers" not in project:
            instead = f"add {SERVERS}, or discover: {{}}"
            yield Finding(path, "'servers' is missing", instead)
    elif rules is not None and not rules.lists:
        what = "this provider cannot list the servers of a project"
        yield Finding((*path, "discover"), what, "list them under servers", at_key=True)


def _check_derived(
    project: dict[str, Any],
    defaults: Mapping[str, Any],
    entries: Mapping[str, Any],
    rules: InventoryRules | None,
) -> Iterator[Finding]:
    """Check that what a project's credentials leave out can be derived from its endpoint."""
    name = chosen(project, defaults, entries, rules)
    entry = entries.get(name) if name is not None else None
    if name is not None and rules is not None and isinstance(entry, dict):
        try:
            where = endpoint(project, rules)
        except ValueError:
            return
        yield from credentials.check_derived(name, entry, where, rules)


def _check_servers(project: dict[str, Any], path: Path) -> Iterator[Finding]:
    ids = [_id(server) for server in _list(project.get("servers"))]
    # A hundred thousand servers are compared in C; only a mistake is searched one by one.
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
    projects: list[tuple[Path, dict[str, Any]]], defaults: Mapping[str, Any], providers: Providers
) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    for path, project in projects:
        try:
            rules = providers.rules(provider_of(project, defaults))
            key = (_id(project) or "", endpoint(project, rules))
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
