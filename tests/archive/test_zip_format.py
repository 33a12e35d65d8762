"""What every format of archives promises, whoever wrote it."""

from __future__ import annotations

import io
import random
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from collector.archive.format import ArchiveError, UnpackLimits
from collector.archive.targz import TAR_GZ
from tests.provider_package.collector_redfish.zipped import ZIP

if TYPE_CHECKING:
    from collector.archive.format import ArchiveFormat, Contents, Member

WHEN_S = 1_795_423_262
"""2026-11-23T08:41:02Z: ZIP knows even seconds alone."""
LOGS = {"sel.log": b"power on\n" * 200, "dmesg.log": random.Random(1).randbytes(3000)}  # noqa: S311  # no secret


def tar_gz(contents: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as packed:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), WHEN_S
            packed.addfile(member, io.BytesIO(content))
    return file.getvalue()


def zipped(contents: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in contents.items():
            packed.writestr(zipfile.ZipInfo(name, (2026, 11, 23, 8, 41, 2)), content)
    return file.getvalue()


def streamed(contents: dict[str, bytes]) -> bytes:
    """A ZIP file as it is written where nobody can go back: sizes follow each member."""

    class Onwards(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: object) -> int:
            raise io.UnsupportedOperation

        def tell(self) -> int:
            raise io.UnsupportedOperation

    file = Onwards()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name, (2026, 11, 23, 8, 41, 2))
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, content)
    return file.getvalue()


WHOLE = {
    "tar.gz": (TAR_GZ, tar_gz(LOGS)),
    "zip": (ZIP, zipped(LOGS)),
    "streamed zip": (ZIP, streamed(LOGS)),
}
pytestmark = pytest.mark.parametrize(("archive_format", "archive"), WHOLE.values(), ids=WHOLE)


def read(
    archive_format: ArchiveFormat, archive: bytes, piece: int = 1 << 20
) -> tuple[Contents, list[Member]]:
    members: list[Member] = []
    reader = archive_format.reader(UnpackLimits(), members.append)
    for at in range(0, len(archive), piece):
        reader.feed(memoryview(archive)[at : at + piece])
    return reader.finish(), members


@pytest.mark.parametrize("piece", [1, 7, 512, 1 << 20])
def test_a_whole_archive_is_read_in_pieces_of_any_size(
    archive_format: ArchiveFormat, archive: bytes, piece: int
) -> None:
    contents, members = read(archive_format, archive, piece)
    assert (contents.members, contents.oldest_s, contents.newest_s) == (2, WHEN_S, WHEN_S)
    found = [(one.name, one.size, one.mtime_s, one.kind) for one in members]
    assert found == [(name, len(content), WHEN_S, "file") for name, content in LOGS.items()]


def test_an_archive_that_was_cut_anywhere_is_unfinished(
    archive_format: ArchiveFormat, archive: bytes
) -> None:
    for end in range(1, len(archive)):
        with pytest.raises(ArchiveError) as refusal:
            read(archive_format, archive[:end])
        assert refusal.value.unfinished, end


def test_bytes_after_the_end_are_refused(archive_format: ArchiveFormat, archive: bytes) -> None:
    with pytest.raises(ArchiveError):
        read(archive_format, archive + b"more")


def test_no_changed_byte_of_content_is_accepted(
    archive_format: ArchiveFormat, archive: bytes
) -> None:
    middle = len(archive) // 2  # in the log that does not compress
    for at in range(middle, middle + 200):
        changed = bytearray(archive)
        changed[at] ^= 1
        with pytest.raises(ArchiveError):
            read(archive_format, bytes(changed))


def test_whatever_comes_is_an_archive_or_an_archive_error(
    archive_format: ArchiveFormat, archive: bytes
) -> None:
    rng = random.Random(3)  # noqa: S311  # repeatable, no secret
    for _ in range(500):
        odd = bytearray(archive)
        for _ in range(rng.randrange(1, 5)):
            odd[rng.randrange(len(odd))] = rng.randrange(256)
        try:
            read(archive_format, bytes(odd), rng.choice([13, 4096]))
        except ArchiveError:
            continue


@pytest.mark.parametrize("limits", [UnpackLimits(unpacked=1000), UnpackLimits(members=1)])
def test_what_is_over_a_limit_is_too_large(
    archive_format: ArchiveFormat, archive: bytes, limits: UnpackLimits
) -> None:
    reader = archive_format.reader(limits)
    with pytest.raises(ArchiveError) as refusal:
        reader.feed(archive)
    assert refusal.value.too_large


def test_its_suffix_is_that_of_its_files(archive_format: ArchiveFormat, archive: bytes) -> None:
    assert archive_format.suffix.startswith(".")
