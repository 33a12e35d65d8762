"""Ansible's hosts, from the JSON that `ansible-inventory --list` writes.

No variable is read but those that are mapped. What `ansible-vault` has encrypted stays closed.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from msgspec import Raw, Struct

from collector.conversion.ansible_groups import META, Groups
from collector.conversion.fields import PLACE, TAG, Entry, LeftOut, place
from collector.conversion.json_parts import NOTHING, Unusable, first_text, opened, part

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from collector.conversion.fields import Wanted

HOST_NAME: Final = "inventory_hostname"
"""Ansible's variable for the name of a host."""
MEMBER: Final = "yes"
"""The value of the tag that each group of a host becomes."""
_BLANK_MAX: Final = 1_000
"""Bytes at the beginning among which `{` is looked for."""
_IF_UUIDS: Final = ("instance_id", "instance_uuid", "id", HOST_NAME)
"""Variables that hold a server's id if they look like one."""
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class _Meta(Struct):
    hostvars: dict[str, Raw] = {}


def is_listed(raw: bytes) -> bool:
    """Whether this is JSON as `ansible-inventory --list` writes it, rather than YAML's."""
    if not raw[:_BLANK_MAX].lstrip().startswith(b"{"):
        return False
    if f'"{META}"'.encode() in raw:
        return True
    try:
        groups = opened(raw, dict[str, _Members], "")
    except Exception:  # noqa: BLE001  # whatever it is, it is told where it is read
        return True
    return not any(one.are_mappings() for one in groups.values())


class _Members(Struct):
    hosts: Raw = NOTHING
    children: Raw = NOTHING

    def are_mappings(self) -> bool:
        """Whether it is written as in YAML."""
        return any(bytes(one).lstrip()[:1] == b"{" for one in (self.hosts, self.children))


def entries(
    raw: bytes, unparsed: Iterable[LeftOut], wanted: Wanted, name: str
) -> Iterator[Entry | LeftOut]:
    """Yield the hosts.

    Args:
        raw: the JSON.
        unparsed: files that are not in it.
        wanted: which variables are what.
        name: of the source.

    Raises:
        ConversionError: this is not the JSON of an inventory.
    """
    yield from unparsed
    document = opened(raw, dict[str, Raw], name)
    groups = Groups(document)
    yield from groups.left_out
    try:
        meta = part(document[META], _Meta) if META in document else _Meta()
    except Unusable as unusable:
        yield LeftOut(META, f"the variables of all hosts: {unusable}")
        meta = _Meta()
    for host in dict.fromkeys((*meta.hostvars, *groups.hosts)):
        yield from _host(host, meta.hostvars.get(host), groups, wanted)


def _host(host: str, raw: Raw | None, groups: Groups, wanted: Wanted) -> Iterator[Entry | LeftOut]:
    where = place(f"host {host}")
    name = Raw(json.dumps(host).encode())
    try:
        own = part(raw, dict[str, Raw]) if raw is not None else {}
    except Unusable as unusable:
        yield LeftOut(where, f"left out: its variables: {unusable}")
        return
    levels = [{HOST_NAME: name, **own}, *groups.variables(host)]
    try:
        server_id = _id(levels, wanted)
    except Unusable as unusable:
        yield LeftOut(where, f"left out: {unusable}")
        return
    values = {"server_id": server_id, "name": host}
    try:
        values |= {f"{TAG}{group}": MEMBER for group in groups.of(host)}
    except Unusable as unusable:
        yield LeftOut(where, str(unusable))
    for field in wanted.fields:
        candidates = wanted.candidates(field)
        if field == "server_id" or not candidates:
            continue
        try:
            found = _first(levels, candidates)
        except Unusable as unusable:
            yield LeftOut(where, f"{'left out' if field in PLACE else f'its {field}'}: {unusable}")
            if field in PLACE:
                return
            continue
        if found is not None:
            values[field] = found
    yield Entry(where, values)


def _id(levels: list[Mapping[str, Raw]], wanted: Wanted) -> str:
    """Return a host's id.

    Raises:
        Unusable: it has none; the text says what would have been one.
    """
    candidates = wanted.candidates("server_id")
    found = _first(levels, candidates)
    if found is not None:
        return found
    if "server_id" not in wanted.columns:
        for one in _IF_UUIDS:
            found = _first(levels, (one,))
            if found is not None and _UUID.fullmatch(found):
                return found
    known = " or ".join(candidates) if len(candidates) == 1 else ", ".join(candidates)
    raise Unusable(f"no id in {known}; name the variable with --map server_id=VARIABLE")


def _first(levels: list[Mapping[str, Raw]], candidates: tuple[str, ...]) -> str | None:
    for level in levels:
        found = first_text(level, candidates)
        if found is not None:
            return found[1]
    return None
