"""How a mechanism of the engine is switched off for a measurement.

A switch puts another value in place of a constant, or another function in place of a method, in
this process alone. Nothing of it is in the product.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType


class Switch(NamedTuple):
    """A member of a class or a module, and what takes its place."""

    owner: Any
    member: str
    value: Any


def _whatever(_: object) -> bool:
    return True


class Function(NamedTuple):
    """A function by its place: who gets such a result from it meets the mechanism."""

    owner: Any
    member: str
    when: Callable[[Any], bool] = _whatever


class Mechanism(NamedTuple):
    """Something that can be switched off.

    Attributes:
        switches: how.
        where: functions in which it is; reached by who calls any of them.
    """

    name: str
    switches: tuple[Switch, ...]
    where: tuple[Function, ...]

    @contextlib.contextmanager
    def off(self) -> Iterator[None]:
        """Switch it off for a while."""
        with contextlib.ExitStack() as stack:
            for switch in self.switches:
                stack.enter_context(_put(switch))
            yield


@contextlib.contextmanager
def _put(switch: Switch) -> Iterator[None]:
    owner, member, value = switch
    old = vars(owner)[member]
    owners = [owner]
    if not isinstance(owner, type):  # a constant, which other modules have imported by name
        owners = [
            module
            for name, module in list(sys.modules.items())
            if name.startswith("collector.engine") and vars(module).get(member) is old
        ]
    for one in owners:
        setattr(one, member, value)
    try:
        yield
    finally:
        for one in owners:
            setattr(one, member, old)


@contextlib.contextmanager
def reached(mechanisms: Sequence[Mechanism]) -> Iterator[set[str]]:
    """Note which mechanisms are reached."""
    names: dict[Function, list[str]] = {}
    for mechanism in mechanisms:
        for place in mechanism.where:
            names.setdefault(place, []).append(mechanism.name)
    found: set[str] = set()
    with contextlib.ExitStack() as stack:
        for (owner, member, when), of_it in names.items():
            noted = _noted(vars(owner)[member], when, found, of_it)
            stack.enter_context(_put(Switch(owner, member, noted)))
        yield found


def _noted(
    old: Any, when: Callable[[Any], bool], found: set[str], names: list[str]
) -> Any:  # a property or a function
    if isinstance(old, property):
        return property(_noted(old.fget, when, found, names), old.fset)

    @functools.wraps(old)
    def noted(*arguments: Any, **named: Any) -> Any:
        result = old(*arguments, **named)
        if names and when(result):
            found.update(names)
            names.clear()
        return result

    return noted


def constant(
    name: str, module: ModuleType, values: dict[str, Any], *where: tuple[Any, ...]
) -> Mechanism:
    """Return a mechanism that a constant switches off."""
    switches = tuple(Switch(module, member, value) for member, value in values.items())
    return Mechanism(name, switches, tuple(Function(*one) for one in where))


def method(name: str, owner: type, member: str, function: Callable[..., Any]) -> Mechanism:
    """Return a mechanism that is a method: another one does nothing in its place, or less."""
    value: Any = function
    if isinstance(vars(owner)[member], property):
        value = property(function)
    when = bool if function in (never, found_nothing) else _whatever
    return Mechanism(name, (Switch(owner, member, value),), (Function(owner, member, when),))


def nothing(*_: object, **__: object) -> None:
    """Do nothing."""


def found_nothing(*_: object, **__: object) -> None:
    """Find nothing, where something may be."""


def never(*_: object, **__: object) -> bool:
    """Say no."""
    return False
