"""Terraform's resources: from `terraform show -json`, or from a state file, version 4.

Attributes that Terraform or the provider marks as sensitive are never read.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from msgspec import Raw, Struct

from collector.conversion.fields import PLACE, TAG, ConversionError, Entry, LeftOut, place
from collector.conversion.json_parts import NOTHING, Unusable, first_text, opened, part
from collector.model.fields import DEFAULT_PROVIDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from collector.conversion.fields import Wanted

_VENDOR: Final = "huaweicloud"
_PHYSICAL: Final = frozenset({"bms", "physical", "baremetal", "bare", "imetal", DEFAULT_PROVIDER})
"""Words in the type of a resource that is a physical server."""
_NAMES: Final = ("name", "server_name", "hostname")
_STATE_VERSION: Final = 4
_TYPES_SHOWN: Final = 10


class _Document(Struct):
    """Either kind of document; a state file has a `version`."""

    version: int | None = None
    format_version: str | None = None
    resources: list[Raw] = []
    values: Raw = NOTHING
    prior_state: Raw = NOTHING
    planned_values: Raw = NOTHING
    encrypted_data: Raw = NOTHING


class _Values(Struct):
    root_module: Raw = NOTHING


class _Prior(Struct):
    values: _Values | None = None


class _Module(Struct):
    resources: list[Raw] = []
    child_modules: list[Raw] = []


class _Shown(Struct):
    """A resource of `terraform show -json`."""

    type: str
    name: str
    address: str | None = None
    values: dict[str, Raw] = {}
    sensitive_values: Raw = NOTHING


class _Instance(Struct):
    index_key: int | str | None = None
    attributes: dict[str, Raw] | None = None
    sensitive_attributes: list[Any] | None = None


class _Kept(Struct):
    """A resource of a state file."""

    type: str
    name: str
    mode: str = "managed"
    module: str | None = None
    instances: list[Raw] = []


class _Resource(Struct):
    """A resource, wherever it comes from; `values` without what is sensitive."""

    address: str
    type: str
    values: dict[str, Raw]
    sensitive: frozenset[str] = frozenset()


def entries(raw: bytes, wanted: Wanted, name: str, notes: list[str]) -> Iterator[Entry | LeftOut]:
    """Yield the physical servers.

    Args:
        raw: the document.
        wanted: which attributes are what; `TYPE.ATTRIBUTE` also says which resources are servers.
        name: the file's.
        notes: filled at the end with what is no server.

    Raises:
        ConversionError: this is neither of the two.
    """
    found = list(_resources(opened(raw, _Document, name), name))
    types = {one.type for one in found if isinstance(one, _Resource)}
    asked = {
        column.partition(".")[0]
        for column in wanted.columns.values()
        if column.partition(".")[0] in types and "." in column
    }
    others: Counter[str] = Counter()
    for one in found:
        if isinstance(one, LeftOut):
            yield one
        elif one.type in asked if asked else _is_physical(one.type):
            yield from _server(one, wanted)
        else:
            others[one.type] += 1
    if others:
        shown = [f"{number} {place(kind)}" for kind, number in others.most_common(_TYPES_SHOWN)]
        if len(others) > _TYPES_SHOWN:
            shown.append(f"and {len(others) - _TYPES_SHOWN} more types")
        notes.append(
            f"no physical servers by their type: {', '.join(shown)}; if they are, give "
            "--map server_id=TYPE.ATTRIBUTE"
        )


def _is_physical(kind: str) -> bool:
    words = kind.split("_")
    return words[0] == _VENDOR and not _PHYSICAL.isdisjoint(words[1:])


def _server(resource: _Resource, wanted: Wanted) -> Iterator[Entry | LeftOut]:
    values: dict[str, str] = dict(_tags(resource))
    if "tags" in resource.sensitive:
        yield LeftOut(resource.address, "its tags: marked as sensitive, and left alone")
    for name in wanted.fields:
        try:
            found = _value(resource, name, wanted)
        except Unusable as unusable:
            what = "the resource" if name in PLACE else f"its {name}"
            yield LeftOut(resource.address, f"{what}: {unusable}")
            if name in PLACE:
                return
            continue
        if found is not None:
            values[name] = found
    yield Entry(resource.address, values)


def _value(resource: _Resource, name: str, wanted: Wanted) -> str | None:
    candidates = [one.removeprefix(f"{resource.type}.") for one in wanted.candidates(name)]
    if name not in wanted.columns:
        candidates += {"server_id": ("id",), "name": _NAMES}.get(name, ())
    for one in candidates:
        found = first_text(resource.values, (one,))
        if found is not None:
            return found[1]
        if one.partition(".")[0] in resource.sensitive:
            raise Unusable(f"{one} is marked as sensitive, and is left alone")
    return None


def _tags(resource: _Resource) -> Iterator[tuple[str, str]]:
    try:
        tags = part(resource.values["tags"], dict[str, Raw]) if "tags" in resource.values else {}
    except Unusable:  # a list, or null: other resources have such
        return
    for key in tags:
        try:
            found = first_text({"": tags[key]}, ("",))
        except Unusable:
            continue
        if found is not None:
            yield f"{TAG}{key}", found[1]


def _resources(document: _Document, name: str) -> Iterator[_Resource | LeftOut]:
    if bytes(document.encrypted_data):
        raise ConversionError(
            f"{name}: the state is encrypted; convert the output of: terraform show -json"
        )
    if document.version is not None:
        if document.version != _STATE_VERSION:
            raise ConversionError(
                f"{name}: a state file of version {document.version}; version {_STATE_VERSION} is "
                "read, or the output of: terraform show -json"
            )
        yield from _of_state(document.resources)
        return
    if not bytes(document.values) and not bytes(document.prior_state):
        if document.format_version is None or bytes(document.planned_values):
            raise ConversionError(
                f"{name}: this is neither a state file nor the output of terraform show -json"
            )
        return
    try:
        values = (
            part(document.values, _Values)
            if bytes(document.values)
            else part(document.prior_state, _Prior).values
        )
    except Unusable as unusable:
        raise ConversionError(f"{name}: its values cannot be read: {unusable}") from None
    modules = [values.root_module] if values is not None and bytes(values.root_module) else []
    while modules:
        try:
            module = part(modules.pop(), _Module)
        except Unusable as unusable:
            yield LeftOut("a module", f"the module: {unusable}")
            continue
        modules += reversed(module.child_modules)
        yield from map(_of_shown, module.resources)


def _of_shown(raw: Raw) -> _Resource | LeftOut:
    try:
        shown = part(raw, _Shown)
        address = shown.address or f"{shown.type}.{shown.name}"
        marked = _marked(shown.sensitive_values)
    except Unusable as unusable:
        return LeftOut("a resource", f"the resource: {unusable}")
    return _without(address, shown.type, shown.values, marked)


def _marked(raw: Raw) -> frozenset[str]:
    """Return the attributes that are sensitive, or have something sensitive in them."""
    if not bytes(raw):
        return frozenset()
    marks = part(raw, dict[str, Any])
    return frozenset(key for key, value in marks.items() if _is_marked(value))


def _is_marked(value: object) -> bool:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if one is True:
            return True
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return False


def _of_state(resources: list[Raw]) -> Iterator[_Resource | LeftOut]:
    for number, raw in enumerate(resources, start=1):
        try:
            kept = part(raw, _Kept)
        except Unusable as unusable:
            yield LeftOut(f"resource {number}", f"the resource: {unusable}")
            continue
        above = [kept.module] if kept.module else []
        data = ["data"] if kept.mode == "data" else []
        address = ".".join([*above, *data, kept.type, kept.name])
        for index, instance in enumerate(kept.instances):
            try:
                yield _of_instance(part(instance, _Instance), address, kept.type)
            except Unusable as unusable:
                yield LeftOut(place(f"{address}[{index}]"), f"the resource: {unusable}")


def _of_instance(instance: _Instance, address: str, kind: str) -> _Resource:
    if instance.index_key is not None:
        key = instance.index_key
        address += f"[{key}]" if isinstance(key, int) else f'["{key}"]'
    marked = frozenset(
        name
        for path in instance.sensitive_attributes or ()
        if (name := _beginning(path)) is not None
    )
    return _without(address, kind, instance.attributes or {}, marked)


def _beginning(path: object) -> str | None:
    """Return the attribute that a path of a state file leads to, or into."""
    step = path[0] if isinstance(path, list) and path else None
    value = step.get("value") if isinstance(step, dict) else None
    return value if isinstance(value, str) else None


def _without(
    address: str, kind: str, values: Mapping[str, Raw], marked: frozenset[str]
) -> _Resource:
    open_ones = {key: value for key, value in values.items() if key not in marked}
    return _Resource(place(address), kind, open_ones, marked)
