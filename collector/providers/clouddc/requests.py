"""What requests to the API look like: their URLs and headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from multidict import CIMultiDict, istr
from yarl import URL

from collector.providers.http.urls import segment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.providers.protocol import Target

EXPORT_BODY: Final = b"{ }"
"""As the API reference writes it."""

_DEBUG: Final = istr("X-Apig-Mode")
_CONTENT_TYPE: Final = istr("Content-Type")


def headers_of(*, posting: bool, asks_limits: bool) -> CIMultiDict[str]:
    """Return what a request carries beside what authorizes it.

    Args:
        posting: whether it has a body, which is JSON.
        asks_limits: whether it asks the gateway to tell its limits.
    """
    headers: CIMultiDict[str] = CIMultiDict()
    if posting:
        headers[_CONTENT_TYPE] = "application/json"
    if asks_limits:
        headers[_DEBUG] = "debug"
    return headers


class Addresses:
    """The URLs of one endpoint.

    Args:
        endpoint: its base URL, without a trailing slash.
    """

    def __init__(self, endpoint: str) -> None:
        self._base = URL(endpoint)
        self._prefix = self._base.raw_path.rstrip("/")

    def exports(self, target: Target) -> URL:
        """Return where exports of a server are started."""
        return self._base.with_path(self._exports(target), encoded=True)

    def export(self, target: Target, export_id: str) -> URL:
        """Return where the status of an export is."""
        return self._base.with_path(f"{self._exports(target)}/{segment(export_id)}", encoded=True)

    def content(self, target: Target, export_id: str) -> URL:
        """Return where the archive of an export is."""
        return self._base.with_path(
            f"{self._exports(target)}/{segment(export_id)}/content", encoded=True
        )

    def servers(self, project_id: str, query: Mapping[str, str]) -> URL:
        """Return where a page of a project's servers is."""
        return self._of_project(project_id, query)

    def alarms(self, project_id: str, query: Mapping[str, str]) -> URL:
        """Return where a page of the alarms of a project's servers is."""
        return self._of_project(project_id, query, "/alarms")

    def _of_project(self, project_id: str, query: Mapping[str, str], rest: str = "") -> URL:
        path = f"{self._prefix}/v1/{segment(project_id)}/physicalservers{rest}"
        # `+` and `;` of a marker mean something else to some services unless they are escaped.
        asked = "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items())
        return (
            self._base.with_path(path, encoded=True)
            .with_query(None)
            .join(URL(f"?{asked}", encoded=True))
        )

    def _exports(self, target: Target) -> str:
        project, server = segment(target.project.id), segment(target.server_id)
        return f"{self._prefix}/v1/{project}/physicalservers/{server}/logs/exports"
