"""Ansible's groups: to which a host belongs, and the variables that it has from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Raw, Struct

from collector.conversion.fields import LeftOut, place
from collector.conversion.json_parts import Unusable, part
from collector.inventory.bounds import ITEMS_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

META: Final = "_meta"
_OF_ALL: Final = ("all", "ungrouped")
"""Groups that say nothing of a host."""
GROUPS_MAX: Final = 100_000
"""Groups of a source: more than any inventory has, and few enough to walk through."""
_KEPT_MAX: Final = 4_096
"""Sets of groups whose ancestors are remembered."""


class Group(Struct):
    """A group as `ansible-inventory --list` and inventory scripts write it."""

    hosts: list[str] = []
    children: list[str] = []
    vars: dict[str, Raw] = {}


class Groups:
    """The groups of an inventory.

    Attributes:
        left_out: groups that cannot be read.
    """

    def __init__(self, document: Mapping[str, Raw]) -> None:
        self.left_out: list[LeftOut] = []
        self._groups: dict[str, Group] = {}
        self._parents: dict[str, list[str]] = {}
        self._of_host: dict[str, list[str]] = {}
        self._above: dict[tuple[str, ...], tuple[str, ...]] = {}
        for name, raw in document.items():
            if name == META:
                continue
            if len(self._groups) >= GROUPS_MAX:
                self.left_out.append(LeftOut("the rest", f"groups beyond {GROUPS_MAX:,}"))
                break
            try:
                self._groups[name] = _group(raw)
            except Unusable as unusable:
                self.left_out.append(LeftOut(place(f"group {name}"), f"left out: {unusable}"))
        self._with_variables = any(group.vars for group in self._groups.values())
        for name, group in self._groups.items():
            for child in group.children:
                self._parents.setdefault(child, []).append(name)
            for host in group.hosts:
                self._of_host.setdefault(host, []).append(name)

    @property
    def hosts(self) -> Iterable[str]:
        """The hosts of all groups."""
        return self._of_host

    def of(self, host: str) -> tuple[str, ...]:
        """Return a host's groups and those above them, in alphabetical order.

        Raises:
            Unusable: there are more than tags of a server.
        """
        own = tuple(self._of_host.get(host, ()))
        found = self._above.get(own)
        if found is None:
            if len(self._above) >= _KEPT_MAX:
                self._above.clear()
            found = self._above[own] = tuple(sorted(self._and_above(own)))
        if len(found) > ITEMS_MAX:
            raise Unusable(f"its groups: more than {ITEMS_MAX:,}")
        return found

    def variables(self, host: str) -> Iterator[Mapping[str, Raw]]:
        """Yield the variables that a host has from its groups: of the nearest group first.

        Only `ansible-inventory --list --export` and scripts leave variables at groups.
        """
        if not self._with_variables:
            return
        level = list(self._of_host.get(host, ()))
        seen = set(level)
        while level and len(seen) <= ITEMS_MAX:
            # Among groups of a level, the last in alphabetical order wins.
            for name in sorted(level, reverse=True):
                if (group := self._groups.get(name)) is not None and group.vars:
                    yield group.vars
            above = {one for name in level for one in self._parents.get(name, ())} - seen
            seen |= above
            level = list(above)
        if "all" not in seen and (everybody := self._groups.get("all")) is not None:
            yield everybody.vars

    def _and_above(self, own: tuple[str, ...]) -> set[str]:
        """Return groups and those above them, without those of everybody; of many, some."""
        found: set[str] = set()
        waiting = list(own)
        while waiting and len(found) <= ITEMS_MAX:
            name = waiting.pop()
            if name not in found and name not in _OF_ALL:
                found.add(name)
                waiting += self._parents.get(name, ())
        return found


def _group(raw: Raw) -> Group:
    """Read a group; scripts may write no more than its hosts.

    Raises:
        Unusable: it is no group.
    """
    if bytes(msgspec.Raw(raw)).lstrip()[:1] == b"[":
        return Group(hosts=part(raw, list[str]))
    return part(raw, Group)
