"""What the emulator sends in the place of archives is what it is said to be, and costs little."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from collector.emulator import Fault
from collector.emulator.archives import ArchiveShelf
from collector.emulator.hostile import hostile
from tests.support.playing import get, playing

if TYPE_CHECKING:
    from collector.emulator.archives import Archive

BOMB_BYTES = 10_000_000_000


def made(fault: Fault, size: int = 4096) -> Archive:
    return hostile(fault, ArchiveShelf(1).build({"id": "s1"}, size))


def bytes_of(archive: Archive) -> bytes:
    content = b"".join(archive.segments)
    assert len(content) == archive.size
    return content


def members_of(plain: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as tar:
        return tar.getmembers()


def test_bomb_unpacks_to_a_whole_tar_of_10_gb_of_zeros() -> None:
    archive = made(Fault("bomb"))
    assert archive.size < 12_000_000
    assert sum({id(segment): len(segment) for segment in archive.segments}.values()) < 100_000
    plain = {segment: len(gzip.decompress(segment)) for segment in set(archive.segments)}
    assert sum(plain[segment] for segment in archive.segments) == BOMB_BYTES + 3 * 512
    header = tarfile.TarInfo.frombuf(gzip.decompress(archive.segments[0]), "utf-8", "strict")
    assert header.size == BOMB_BYTES


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 2500])
def test_as_many_members_come_as_asked_all_empty(count: int) -> None:
    archive = made(Fault("many_members", count=count))
    members = members_of(gzip.decompress(bytes_of(archive)))
    assert len(members) == count == archive.members
    assert not any(member.size for member in members)


def test_a_million_members_come_unless_said_and_cost_no_memory() -> None:
    archive = made(Fault("many_members"))
    assert archive.members == 1_000_000
    assert sum({id(segment): len(segment) for segment in archive.segments}.values()) < 100_000


@pytest.mark.parametrize("size", [1000, 5_000_000])
def test_plain_tar_is_as_large_as_the_archive(size: int) -> None:
    archive = made(Fault("plain_tar"), size)
    assert abs(archive.size - size) < 2000
    assert len(members_of(bytes_of(archive))) == 1


def test_empty_archive_is_a_tar_of_nothing() -> None:
    assert members_of(gzip.decompress(bytes_of(made(Fault("empty"))))) == []


def test_trailing_garbage_follows_a_whole_archive() -> None:
    archive, sound = made(Fault("trailing_garbage")), ArchiveShelf(1).build({"id": "s1"}, 4096)
    content = bytes_of(archive)
    assert content.startswith(bytes_of(sound))
    rest = content[sound.size :]
    assert rest.strip(b"\0")
    with pytest.raises((gzip.BadGzipFile, zlib.error)):
        gzip.decompress(content)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "name", ["plain_tar", "empty", "no_bytes", "trailing_garbage", "bomb", "many_members"]
)
@pytest.mark.parametrize("content_length", [True, False])
async def test_what_is_no_archive_is_sent_whole(
    name: Any,  # noqa: ANN401 - a Literal
    content_length: bool,
) -> None:
    async with playing(Fault(name, times=1), content_length=content_length) as (api, session, path):
        response, body = await get(session, path)
        assert response.status == 200
        assert response.content_length == (len(body) if content_length else None)
        assert body == bytes_of(made(Fault(name))) or name in ("plain_tar", "trailing_garbage")
        _, sound = await get(session, path)
        assert len(sound) == api.truth("s1")["bytes"]
        assert api.statistics()["downloads"]["ended"] == 2


@pytest.mark.anyio
async def test_huge_length_is_promised_and_little_comes() -> None:
    async with (
        playing(Fault("huge_length"), archive_bytes=1_000_000) as (api, session, path),
        session.get(path) as response,
    ):
        assert response.content_length == 1 << 60
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
        assert api.statistics()["bytes_sent"] == 64 * 1024
