"""Providers: the vendors whose servers' logs can be collected, each found by its name.

An inventory's project names its provider. A package of somebody else adds one by an entry point:

    [project.entry-points."collector.providers"]
    redfish = "their_package:PROVIDER"

`protocol.py` says what a provider is, `rules.py` what an inventory may say of its projects.
`http/` is what two of them would both write. `connecting.py` opens those that a run names.
"""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Final

from collector.errors import CollectorError
from collector.model.fields import DEFAULT_PROVIDER, PROVIDER_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import EntryPoint

    from collector.providers.protocol import Provider

__all__ = [
    "DEFAULT_PROVIDER",
    "GROUP",
    "BrokenProviderError",
    "UnknownProviderError",
    "find",
    "names",
]

GROUP: Final = "collector.providers"
"""The group of entry points that add providers."""

_BUILT_IN: Final = {DEFAULT_PROVIDER: f"{__name__}.{DEFAULT_PROVIDER}:PROVIDER"}
"""Those of this package, found without a search through what is installed: that takes a while."""


class UnknownProviderError(CollectorError):
    """Nothing that is installed offers a provider of this name.

    Attributes:
        name: the provider's.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        known = ", ".join(names())
        super().__init__(
            f"there is no provider {name!r}; install the package that adds it (known are {known})"
        )


class BrokenProviderError(CollectorError):
    """What should be a provider cannot be loaded, or is none.

    Attributes:
        name: the provider's.
    """

    def __init__(self, name: str, place: str, what: str) -> None:
        self.name = name
        super().__init__(
            f"provider {name!r} cannot be used: {place} {what}; repair or remove the package that "
            "adds it"
        )


def names() -> list[str]:
    """Return the names of all providers that are installed, in alphabetical order."""
    return sorted({*_BUILT_IN, *(point.name for point in _entry_points())})


def find(name: str) -> Provider:
    """Return the provider of this name.

    Raises:
        UnknownProviderError: there is none.
        BrokenProviderError: it cannot be loaded.
    """
    place = _BUILT_IN.get(name)
    if place is None:
        places = sorted({point.value for point in _entry_points() if point.name == name})
        if not places:
            raise UnknownProviderError(name)
        if len(places) > 1:
            raise BrokenProviderError(name, " and ".join(places), "both add it")
        place = places[0]
        if not re.fullmatch(PROVIDER_NAME, name):
            raise BrokenProviderError(name, place, f"names it so, and not like {PROVIDER_NAME}")
    return _loaded(name, place)


def _entry_points() -> Iterable[EntryPoint]:
    from importlib.metadata import entry_points  # noqa: PLC0415  # slow, and rarely needed

    return entry_points(group=GROUP)


def _loaded(name: str, place: str) -> Provider:
    from collector.providers.protocol import Provider  # noqa: PLC0415  # not for `names`

    module, _, attribute = place.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise BrokenProviderError(name, place, f"cannot be imported ({why})") from error
    if not isinstance(found, Provider):
        raise BrokenProviderError(name, place, f"is no Provider but {type(found).__name__}")
    return found
