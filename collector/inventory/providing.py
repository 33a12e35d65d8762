"""The providers of an inventory's projects, and their rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from collector import providers
from collector.inventory.findings import Finding
from collector.inventory.mistakes import nearest, quoted, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from collector.inventory.findings import Path
    from collector.providers.rules import InventoryRules


def provider_of(project: Mapping[str, Any], defaults: Mapping[str, Any]) -> str | None:
    """Return the name of a project's provider: its own, else that of `defaults`, else the default.

    None if the value is not a name.
    """
    for one in (project, defaults):
        if "provider" in one:
            return one["provider"] if isinstance(one["provider"], str) else None
    return providers.DEFAULT_PROVIDER


class Providers:
    """The rules of the providers in one inventory, each looked up once."""

    def __init__(self) -> None:
        self._rules: dict[str, InventoryRules] = {}
        self._installed: list[str] = []

    def rules(self, name: str | None) -> InventoryRules | None:
        """Return the rules of a provider; None if there is none of this name.

        Raises:
            BrokenProviderError: It cannot be loaded.
        """
        if name is None or (name != providers.DEFAULT_PROVIDER and name not in self.installed):
            return None
        if name not in self._rules:
            self._rules[name] = providers.find(name).rules
        return self._rules[name]

    @property
    def default(self) -> InventoryRules:
        """Return the rules of projects that name no provider."""
        return cast("InventoryRules", self.rules(providers.DEFAULT_PROVIDER))

    @property
    def installed(self) -> list[str]:
        """Return the names of all installed providers."""
        if not self._installed:
            self._installed = providers.names()
        return self._installed

    def check(self, holder: Mapping[str, Any], path: Path) -> Iterator[Finding]:
        """Yield what is wrong with the provider named by a project or `defaults`."""
        name = holder.get("provider")
        if isinstance(name, str) and name and self.rules(name) is None:
            what = f"there is no provider {quoted(name)}"
            instead = suggestion(name, self.installed)
            if nearest(name, self.installed) is None:
                instead = f"install the package that adds it, or {instead}"
            yield Finding((*path, "provider"), what, instead)
