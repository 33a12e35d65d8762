"""Archives that lie where the status said, instead of where a redirection leads."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
from multidict import CIMultiDict
from yarl import URL

from collector.model.answers import NO_METADATA, Problem, ProblemKind
from collector.providers.clouddc.dialect import ArchiveDialect
from collector.providers.clouddc.metadata import MetadataReader
from collector.providers.clouddc.signin.credential import Note
from collector.providers.http.downloads import Download
from collector.providers.http.proxies import Proxies
from collector.providers.http.transport import Transport
from collector.providers.protocol import OpenArchive
from collector.redaction import Secrets
from tests.support.loopback import ARCHIVE, TOKEN, Answer, Server, read_all, serving

pytestmark = pytest.mark.anyio
LINK = "/bucket/archive?signature=a-signature-of-the-link"


async def opened_at(server: Server) -> OpenArchive | Problem | bytes:
    """What a link comes to: the archive's bytes, or a problem."""
    secrets = Secrets()
    dialect = ArchiveDialect(MetadataReader(), Note())
    transport = Transport(connections=2, tls=True, proxies=Proxies(secrets))
    try:
        async with AsyncExitStack() as stack:
            download = Download(transport, None, dialect, secrets=secrets)
            found = await download.open(stack, URL(f"{server.url}{LINK}"))
            return (await read_all(found))[0] if isinstance(found, OpenArchive) else found
    finally:
        await transport.close()


async def test_a_link_is_opened_without_credentials() -> None:
    async with serving(Answer(body=ARCHIVE)) as server:
        assert await opened_at(server) == ARCHIVE
    assert server.last.path == LINK
    assert "X-Auth-Token" not in server.last.headers
    assert TOKEN not in str(server.last.headers)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, ProblemKind.FORGOTTEN),
        (404, ProblemKind.FORGOTTEN),
        (429, ProblemKind.UNREADABLE),
        (503, ProblemKind.UNREADABLE),
    ],
)
async def test_a_link_that_is_refused_needs_a_new_export_and_a_failure_another_try(
    status: int, kind: ProblemKind
) -> None:
    refusal = Answer(status, b"<Error><Code>AccessDenied</Code></Error>", CIMultiDict())
    async with serving(refusal) as server:
        problem = await opened_at(server)
    assert isinstance(problem, Problem)
    assert (problem.kind, problem.elsewhere, problem.metadata) == (kind, True, NO_METADATA)
    assert problem.message.endswith(f"with status {status} (AccessDenied)")
    assert "a-signature" not in problem.message


async def test_a_link_that_leads_nowhere_is_no_word_about_the_endpoint() -> None:
    async with serving(Answer()) as server:
        pass
    problem = await opened_at(server)
    assert isinstance(problem, Problem)
    assert (problem.kind, problem.elsewhere) == (ProblemKind.CUT, True)
    assert "a-signature" not in problem.message
