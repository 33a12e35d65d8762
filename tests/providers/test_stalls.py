from __future__ import annotations

import asyncio

import pytest

from collector.model.answers import Problem, ProblemKind
from collector.providers.clouddc.client import CloudDC
from collector.providers.clouddc.signin.tokens import TokenSource
from collector.providers.protocol import OpenArchive
from tests.support.loopback import (
    ARCHIVE,
    TOKEN,
    Answer,
    read_all,
    request_head,
    serving,
    speaking,
    target,
)

pytestmark = pytest.mark.anyio
STALL_S = 0.05


def clouddc() -> CloudDC:
    source = TokenSource("a test", TOKEN)
    return CloudDC({"ops": source}, connections=2, stall_s=STALL_S)


async def test_an_archive_that_stalls_is_cut_and_the_message_names_the_seconds() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + ARCHIVE[:600])
        await reader.read()  # until the client leaves

    async with (
        speaking(speak) as url,
        clouddc() as fleet,
        fleet.open_archive(target(url), "e1", asks_limits=False) as opened,
    ):
        assert isinstance(opened, OpenArchive)
        _, problem = await read_all(opened)
    assert isinstance(problem, Problem)
    assert problem.kind is ProblemKind.CUT
    assert "nothing arrived for 0.05 seconds" in problem.message


async def test_a_pause_of_the_reader_is_no_stall() -> None:
    body = ARCHIVE * 800
    async with (
        serving(Answer(200, body)) as server,
        clouddc() as fleet,
        fleet.open_archive(target(server.url), "e1", asks_limits=False) as opened,
    ):
        assert isinstance(opened, OpenArchive)
        await asyncio.sleep(4 * STALL_S)
        came, problem = await read_all(opened)
    assert (len(came), problem) == (len(body), None)
