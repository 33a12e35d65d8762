"""The CloudDC log-export API: `PROVIDER`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.providers.clouddc.rules import RULES
from collector.providers.clouddc.scopes import scopes
from collector.providers.protocol import Provider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.archive.format import ArchiveFormat
    from collector.model.answers import Call, Scope
    from collector.model.events import CredentialNamed
    from collector.providers.clouddc.client import CloudDC
    from collector.providers.protocol import Access, ProjectAddress
    from collector.providers.rules import InventoryRules


class _CloudDCProvider(Provider):
    @property
    def rules(self) -> InventoryRules:
        """What an inventory may say about CloudDC projects."""
        return RULES

    def connect(
        self, credentials: Mapping[str, CredentialNamed], access: Access, *, connections: int
    ) -> CloudDC:
        """Return the API with the secrets that these credentials lead to."""
        from collector.providers.clouddc.client import CloudDC  # noqa: PLC0415  # aiohttp is slow
        from collector.providers.clouddc.signin.kinds import sources_of  # noqa: PLC0415  # as above

        return CloudDC(
            sources_of(credentials, access.environ),
            connections=connections,
            ca_file=access.ca_file,
            stall_s=access.stall_s,
            secrets=access.secrets,
            memory=access.memory,
            shared=access.shared,
        )

    def scopes(self, call: Call, project: ProjectAddress) -> tuple[Scope, ...]:
        """Return every scope that this call passes."""
        return scopes(call, project)

    @property
    def archive_format(self) -> ArchiveFormat:
        """Logs come as a tar in a gzip."""
        from collector.archive.targz import TAR_GZ  # noqa: PLC0415  # isal is slow to load

        return TAR_GZ

    def file_name(self, server_id: str) -> str:
        """Return what an archive is called whose answer gives it no name."""
        return f"{server_id}-dump.tar.gz"

    @property
    def unknown_export(self) -> str:
        """Ids are opaque; the one of all zeros is given to nothing."""
        return "00000000-0000-0000-0000-000000000000"


PROVIDER = _CloudDCProvider()
