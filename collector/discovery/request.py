"""What a person asks to be listed, as an inventory: projects, and how to sign in."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from collector import providers
from collector.errors import CollectorError
from collector.inventory import InventoryError, load
from collector.inventory.models import Discover
from collector.inventory.writing import credential_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from collector.inventory import Inventory, Project
    from collector.providers.rules import CredentialKind, InventoryRules


class RequestError(CollectorError):
    """What is asked for cannot be asked of any service."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to list.

    Attributes:
        projects: ids.
        region: of the projects; None where there is an endpoint, or an inventory that knows.
        endpoint: of the projects.
        kind: of credentials; None for the usual one.
        fields: of the credentials entry, beside the usual ones.
        discover: which servers, and whether with alarms.
    """

    projects: tuple[str, ...] = ()
    region: str | None = None
    endpoint: str | None = None
    kind: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    discover: Discover = field(default_factory=Discover)


def entry(request: Request, rules: InventoryRules) -> dict[str, Any]:
    """Return the credentials entry that a request describes.

    Raises:
        RequestError: there is no such kind.
    """
    word = request.kind or rules.variable_kind
    kind = rules.kinds.get(word)
    if kind is None:
        known = _one_of(sorted(rules.kinds))
        raise RequestError(f"there are no credentials of kind {word!r}; use {known}")
    given = {key: _value(key, value, kind) for key, value in request.fields.items()}
    replaced = {one for group in kind.one_of if set(group) & given.keys() for one in group}
    usual = {key: value for key, value in kind.usual.items() if key not in replaced}
    return {"kind": word, **usual, **given}


def _value(key: str, value: str, kind: CredentialKind) -> Any:  # noqa: ANN401  # as JSON holds it
    """Return a field's value; a file's path leads to the same file from wherever it is read."""
    if key in kind.lists:
        return shlex.split(value)
    if key in kind.files and not value.startswith("~/"):
        return os.fspath(Path(value).absolute())
    return value


def place(request: Request) -> dict[str, str]:
    """Return where the projects of a request are, as their entries say it."""
    if request.endpoint is not None:
        return {"endpoint": request.endpoint}
    return {} if request.region is None else {"region": request.region}


def fresh(request: Request) -> Inventory:
    """Return an inventory of the request's projects, without servers.

    Raises:
        RequestError: something of it is wrong, or a secret is missing.
    """
    return _loaded({"credentials": credentials(request)}, request)


def credentials(request: Request) -> dict[str, dict[str, Any]]:
    """Return the one entry that a request describes, by its name, which is its kind.

    Raises:
        RequestError: there is no such kind.
    """
    made = entry(request, providers.find(providers.DEFAULT_PROVIDER).rules)
    return {made["kind"]: made}


def beside(inventory: Inventory, request: Request) -> tuple[Inventory, list[Project]]:
    """Return an inventory with the request's projects beside its own, and those to list.

    Raises:
        RequestError: a project is not in the inventory and the request does not say where it is,
            or which credentials it uses.
    """
    own = [_asked(project, request.discover) for project in _chosen(inventory.projects, request)]
    known = {project.id for project in own}
    others = tuple(one for one in request.projects if one not in known)
    if not others:
        return inventory, own
    if not place(request):
        raise RequestError(
            f"project {others[0]!r} is not in {inventory.source_name}; give its --region or "
            "--endpoint"
        )
    name = _credentials_of(inventory, request)
    made = {name: credential_entry(inventory.credentials[name])}
    new = _loaded({"credentials": made}, replace(request, projects=others)).projects
    return replace(inventory, projects=(*inventory.projects, *new)), [*own, *new]


def _asked(project: Project, wanted: Discover) -> Project:
    """Return a project that is asked for what a request wants, else for what its file says."""
    given = {
        name: value
        for name in Discover.__slots__
        if (value := getattr(wanted, name)) not in ((), {}, None)
    }
    return replace(project, discover=replace(project.discover or Discover(), **given))


def _chosen(projects: Iterable[Project], request: Request) -> list[Project]:
    """Return the projects of an inventory that a request means."""
    from collector import addresses  # noqa: PLC0415  # where an endpoint is to be compared

    endpoint = None if request.endpoint is None else addresses.normal(request.endpoint)
    return [
        project
        for project in projects
        if (not request.projects or project.id in request.projects)
        and (endpoint is None or project.endpoint == endpoint)
        and (request.region is None or project.region in (None, request.region))
    ]


def _credentials_of(inventory: Inventory, request: Request) -> str:
    """Return the name of the credentials in an inventory that its new projects use."""
    fitting = [
        name
        for name, one in inventory.credentials.items()
        if request.kind is None or one.kind == request.kind
    ]
    if len(fitting) == 1:
        return fitting[0]
    kind = "" if request.kind is None else f" of kind {request.kind}"
    known = f"several ({', '.join(fitting)})" if fitting else "none"
    raise RequestError(
        f"{inventory.source_name} must have one credentials entry{kind} for new projects, and has "
        f"{known}; write the project into it with its credentials and discover: {{}} first"
    )


def _loaded(parts: Mapping[str, Any], request: Request) -> Inventory:
    ids = dict.fromkeys(request.projects)
    projects = [{"id": one, **place(request), "discover": {}} for one in ids]
    text = json.dumps({"version": 1, **parts, "projects": projects})
    try:
        inventory = load(io.BytesIO(text.encode("utf-8", "surrogatepass")), name="the request")
    except InventoryError as error:
        lines = dict.fromkeys(f"{one.what}; {_by_option(one.instead)}" for one in error.problems)
        raise RequestError(*lines, *_other_kinds(request, lines)) from None
    found = tuple(replace(one, discover=request.discover) for one in inventory.projects)
    return replace(inventory, projects=found)


def _by_option(instead: str) -> str:
    """Return what to do about a mistake in an inventory as what to do on the command line."""
    instead = instead.replace("(or write endpoint: URL)", "(or use --endpoint URL)")
    instead = re.sub(r"^write (\w+): (https://HOST)$", r"add --set \1=\2", instead)
    return re.sub(r"^kind \w+ needs (\w+)$", r"add --set \1=VALUE", instead)


def _other_kinds(request: Request, mistakes: Iterable[str]) -> Iterator[str]:
    """Yield how else to sign in, where the usual way lacks its secret and was not asked for."""
    if request.kind is None and any("environment variable" in one for one in mistakes):
        rules = providers.find(providers.DEFAULT_PROVIDER).rules
        others = _one_of(sorted(rules.kinds.keys() - {rules.variable_kind}))
        yield f"or sign in another way: --credentials {others}"


def _one_of(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
