"""The provider `redfish` for collector: diagnostic logs of BMCs, each an endpoint of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.model.answers import Scope, ScopeKind
from collector.providers.protocol import Provider

from .rules import RULES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.archive.format import ArchiveFormat
    from collector.model.answers import Call
    from collector.model.events import CredentialNamed
    from collector.providers.protocol import Access, ProjectAddress
    from collector.providers.rules import InventoryRules

    from .client import BmcFleet


class RedfishProvider(Provider):
    """A project is one BMC, and its servers are the systems that the BMC manages: mostly one."""

    @property
    def rules(self) -> InventoryRules:
        """An endpoint for each project, and a user with a password."""
        return RULES

    @property
    def archive_format(self) -> ArchiveFormat:
        """Logs come as a ZIP file."""
        from .zipped import ZIP  # noqa: PLC0415  # only reading needs it

        return ZIP

    def connect(
        self, credentials: Mapping[str, CredentialNamed], access: Access, *, connections: int
    ) -> BmcFleet:
        """Read the passwords, and return the fleet."""
        from .client import BmcFleet  # noqa: PLC0415  # aiohttp takes long to load
        from .credentials import authorization  # noqa: PLC0415  # as above

        headers = {
            name: authorization(named.options, access) for name, named in credentials.items()
        }
        return BmcFleet(headers, access, connections=connections)

    def scopes(self, call: Call, project: ProjectAddress) -> tuple[Scope, ...]:
        """A BMC limits what it takes, whoever asks: nothing is shared by two of them."""
        endpoint = project.endpoint
        return (
            Scope(ScopeKind.API, f"{call} at {endpoint}"),
            Scope(ScopeKind.ENDPOINT, endpoint),
        )

    def file_name(self, server_id: str) -> str:
        """Redfish gives attachments no name."""
        return f"{server_id}-diagnostics.zip"


PROVIDER = RedfishProvider()
