"""What is accepted, and what is said of it: the same as Python's `tarfile` says."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.archive.examination import Examined, StoredArchives
from collector.archive.format import Contents, Member
from collector.archive.local import LocalDirectory
from collector.archive.targz import TAR_GZ
from collector.archive.targz.reader import TarGzReader

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def read(*pieces: bytes) -> Contents:
    reader = TarGzReader()
    for piece in pieces:
        reader.feed(piece)
    return reader.finish()


def as_listed(tar: bytes) -> Contents:
    """What `tarfile` has to say of it."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        members = archive.getmembers()
    times = [member.mtime for member in members if member.isreg()]
    return Contents(len(members), min(times, default=None), max(times, default=None))


KINDS = {
    tarfile.LNKTYPE: "hardlink",
    tarfile.SYMTYPE: "symlink",
    tarfile.CHRTYPE: "character device",
    tarfile.BLKTYPE: "block device",
    tarfile.DIRTYPE: "directory",
    tarfile.FIFOTYPE: "fifo",
}


def told(*pieces: bytes) -> tuple[Contents, list[Member]]:
    """What the reader has to say of it, member by member."""
    members: list[Member] = []
    reader = TarGzReader(on_member=members.append)
    for piece in pieces:
        reader.feed(piece)
    return reader.finish(), members


def tarfile_tells(tar: bytes) -> tuple[Contents, list[Member]]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        members = [
            Member(info.name, info.size, info.mtime, KINDS.get(info.type, "file"))
            for info in archive
        ]
    return as_listed(tar), members


def split(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    ends = [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


@st.composite
def member(draw: st.DrawFn) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(
        draw(st.sampled_from(["var/log/messages", "d" * 90 + "/" + "n" * 120, "лог", "xy/" * 90]))
    )
    info.type = draw(st.sampled_from([b"0", b"\0", b"7", b"1", b"2", b"3", b"4", b"5", b"6", b"Z"]))
    if info.type in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        info.linkname = draw(st.sampled_from(["messages", "long/" * 60]))
    info.mtime = draw(st.integers(-(2**35), 2**35) | st.floats(0, 2**35))
    info.uid = draw(st.sampled_from([0, 2**21, 2**40]))
    content = b""
    if info.isreg() or info.type == b"Z":
        content = b"0123456789" * 150
        content = content[: draw(st.sampled_from([0, 1, 511, 512, 513, 1_500]))]
    info.size = len(content)
    return info, content


@st.composite
def tar(draw: st.DrawFn) -> bytes:
    pax = draw(st.booleans())
    headers = draw(st.sampled_from([{}, {"comment": "x"}, {"mtime": "1.5"}])) if pax else {}
    out = io.BytesIO()
    with tarfile.open(
        fileobj=out,
        mode="w",
        format=tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT,
        pax_headers=headers,
    ) as archive:
        for info, content in draw(st.lists(member(), min_size=1, max_size=5)):
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()[: archive.offset]  # without the zeros up to 10 KiB


cuts = st.lists(st.integers(min_value=0), max_size=8)


@given(tar=tar(), gzip_cuts=cuts, feed_cuts=cuts, padding=st.sampled_from([0, 1, 700]))
def test_however_it_is_split_the_answer_is_that_of_tarfile(
    tar: bytes, gzip_cuts: list[int], feed_cuts: list[int], padding: int
) -> None:
    archive = b"".join(gzip.compress(part, 1) for part in split(tar, gzip_cuts)) + bytes(padding)
    assert told(*split(archive, feed_cuts)) == tarfile_tells(tar)


def test_bytes_may_come_one_by_one() -> None:
    tar = small_tar()
    assert told(*(bytes([byte]) for byte in gzip.compress(tar))) == tarfile_tells(tar)


def small_tar() -> bytes:
    """Three members, the last of 1,400 bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for number in range(3):
            info = tarfile.TarInfo(f"var/log/{number}")
            info.size = 700 * number
            info.mtime = 1_700_000_000 + number
            archive.addfile(info, io.BytesIO(b"x" * info.size))
    return out.getvalue()


def test_times_are_of_regular_members_alone() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind, mtime in [
            ("d", tarfile.DIRTYPE, 1),
            ("f", tarfile.REGTYPE, 2_000),
            ("g", tarfile.REGTYPE, 3_000.25),
            ("l", tarfile.SYMTYPE, 9_000),
        ]:
            info = tarfile.TarInfo(name)
            info.type, info.mtime = kind, mtime
            archive.addfile(info)
    assert read(gzip.compress(out.getvalue())) == Contents(4, 2_000, 3_000.25)


def test_a_time_that_no_calendar_has_is_left_out() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for time in ["nan", "inf", "1e300", "-1e300"]:
            info = tarfile.TarInfo("x")
            info.pax_headers = {"mtime": time}
            archive.addfile(info)
    assert read(gzip.compress(out.getvalue())) == Contents(4, None, None)


def pax(records: bytes, kind: bytes = b"x") -> bytes:
    info = tarfile.TarInfo("pax")
    info.size, info.type = len(records), kind
    return info.tobuf() + records + bytes(-len(records) % 512)


@pytest.mark.parametrize(
    "headers",
    [
        pax(b"11 mtime=9\n", b"g"),
        pax(b"11 mtime=9\n", b"g") + pax(b"11 mtime=8\n"),
        pax(b"11 mtime=9\n", b"g") + pax(b"11 mtime=8\n", b"g"),
        pax(b"11 mtime=9\n", b"X"),
        pax(b"11 mtime=9\n") + pax(b"11 mtime=8\n"),
        pax(b"13 mtime=1e9\n"),
        pax(b"14 mtime=soon\n"),
        pax(b"11 mtime=9\n\0\0"),
        pax(b"12 comment=\n11 mtime=9\n"),
        pax(b""),
        pax(b"11 mtime=9\n") + pax(b"a/long/name", b"L"),
        pax(b"a/long/name", b"L") + pax(b"a/long/link", b"K"),
        pax(b"a/long/name", b"L") + pax(b"10 path=a\n"),
        pax(b"10 path=a\n") + pax(b"a/long/name", b"L"),
        pax(b"10 path=a\n") + pax(b"10 path=b\n11 mtime=9\n"),
        pax(b"10 path=a\n", b"g") + pax(b"11 mtime=9\n"),
        pax(b"10 path=a\n", b"g") + pax(b"b", b"L"),
        pax(b"11 mtime=9\n", b"g") + pax(b"") + pax(b"11 mtime=8\n", b"g"),
        pax(b"10 path=a\n21 GNU.sparse.name=b\n"),
        pax(b"21 GNU.sparse.name=b\n10 path=a\n"),
        pax(b"26 GNU.sparse.realsize=99\n"),
    ],
)
def test_headers_before_a_member_mean_what_they_mean_to_tarfile(headers: bytes) -> None:
    tar = headers + small_tar()
    assert told(gzip.compress(tar)) == tarfile_tells(tar)


def test_the_size_in_a_pax_header_holds_against_the_headers_own() -> None:
    content = b"0123456789" * 200
    empty = tarfile.TarInfo("x").tobuf()
    tar = pax(b"13 size=2000\n") + empty + content + bytes(48) + small_tar()
    assert told(gzip.compress(tar)) == tarfile_tells(tar)
    assert as_listed(tar).members == 4


def test_a_blank_number_is_zero() -> None:
    block = bytearray(tarfile.TarInfo("x").tobuf())
    block[136:148] = b" " * 12
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    tar = bytes(block) + bytes(1_024)
    assert read(gzip.compress(tar)) == as_listed(tar) == Contents(1, 0, 0)


def test_old_directories_have_no_content() -> None:
    info = tarfile.TarInfo("var/log/")
    info.type, info.size = tarfile.AREGTYPE, 5_000
    tar = info.tobuf(tarfile.USTAR_FORMAT) + small_tar()
    assert told(gzip.compress(tar)) == tarfile_tells(tar)
    assert as_listed(tar).members == 4


def test_a_checksum_over_signed_bytes_is_right_too() -> None:
    info = tarfile.TarInfo("größe")
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[148:156] = b" " * 8
    signed = sum(byte - 256 if byte > 127 else byte for byte in block)
    block[148:156] = b"%06o\0 " % signed
    assert read(gzip.compress(bytes(block) + bytes(1024))).members == 1


def test_a_lone_block_of_zeros_ends_a_tar() -> None:
    tar = small_tar().rstrip(b"\0")
    tar += bytes(-len(tar) % 512) + bytes(512)
    assert told(gzip.compress(tar)) == tarfile_tells(tar)


def test_what_follows_the_end_within_the_gzip_is_not_looked_at() -> None:
    assert read(gzip.compress(small_tar() + b"left over" * 99)).members == 3


def test_gzip_headers_may_have_every_optional_field() -> None:
    tar = small_tar()
    deflate = zlib.compressobj(wbits=-15)
    header = b"\x1f\x8b\x08\x1e" + bytes(6)  # FHCRC, FEXTRA, FNAME, FCOMMENT
    header += b"\x04\0extra"[:6] + b"name.tar\0" + b"a comment\0"
    header += (zlib.crc32(header) & 0xFFFF).to_bytes(2, "little")
    body = deflate.compress(tar) + deflate.flush()
    trailer = zlib.crc32(tar).to_bytes(4, "little") + len(tar).to_bytes(4, "little")
    assert read(header + body + trailer).members == 3


def test_memory_does_not_grow_with_what_is_inside() -> None:
    info = tarfile.TarInfo("zeros")
    info.size = 200 << 20
    squeeze = zlib.compressobj(1, wbits=31)
    pieces = [squeeze.compress(info.tobuf())]
    pieces += [squeeze.compress(bytes(1 << 20)) for _ in range(200)]
    pieces += [squeeze.compress(bytes(1_024)), squeeze.flush()]
    archive = b"".join(pieces)
    tracemalloc.start()
    try:
        assert read(archive).members == 1
        assert tracemalloc.get_traced_memory()[1] < 6 << 20
    finally:
        tracemalloc.stop()


def examine(directory: Path, path: str) -> Examined:
    return StoredArchives(LocalDirectory(directory), lambda _: TAR_GZ).examine(path)


def test_an_archive_on_disk_is_examined(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(small_tar()))
    examined = examine(path.parent, path.name)
    assert examined.bytes == path.stat().st_size
    assert examined.contents == as_listed(small_tar())
    assert examined.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_that_is_not_there_cannot_be_examined(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        examine(tmp_path, "a.tar.gz")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that bring out what the formats do differently."""
    root = tmp_path_factory.mktemp("tree")
    (root / "log").mkdir()
    (root / "log" / "messages").write_bytes(b"a line\n" * 1_000)
    (root / "log" / ("n" * 90)).write_bytes(b"x")
    (root / "log" / "empty").touch()
    (root / "log" / "link").symlink_to("messages")
    (root / "log" / "hard").hardlink_to(root / "log" / "messages")
    for number, holes in enumerate([1, 3, 90]):
        with (root / "log" / f"sparse{number}").open("wb") as file:
            for hole in range(holes):
                file.seek((hole + 1) << 17)
                file.write(b"data" * 1_024)
            file.truncate((holes + 2) << 17)
        os.utime(root / "log" / f"sparse{number}", (2_000_000_000, 2_000_000_000))
    os.utime(root / "log" / "messages", (1_700_000_000.125, 1_700_000_000.125))
    os.utime(root / "log" / "empty", (100, 100))
    return root


@pytest.fixture(scope="module")
def strange_tree(tree: Path) -> Path:
    """What the formats of 1979 and 1988 cannot hold: very long names, and far off times."""
    deep = tree.joinpath("deep", *["d" * 60] * 5)
    deep.mkdir(parents=True)
    (deep / ("n" * 150)).write_bytes(b"x")
    (deep / "link").symlink_to("t" * 180)
    os.utime(deep / ("n" * 150), (2**34, 2**34))
    return tree


def made_by(program: str, *arguments: str, cwd: Path) -> bytes:
    tar = subprocess.run(
        [program, *arguments], cwd=cwd, capture_output=True, check=False, timeout=30
    )
    assert tar.returncode == 0, tar.stderr
    return tar.stdout


def gnu_tar() -> str | None:
    for name in ("gtar", "tar"):
        path = shutil.which(name)
        if path is not None:
            version = subprocess.run([path, "--version"], capture_output=True, check=False)
            if b"GNU tar" in version.stdout:
                return path
    return None


GNU_TAR = gnu_tar()
needs_gnu_tar = pytest.mark.skipif(GNU_TAR is None, reason="GNU tar is not installed")


@needs_gnu_tar
@pytest.mark.parametrize("style", ["v7", "ustar", "oldgnu", "gnu", "posix"])
def test_every_format_of_gnu_tar_is_read(tree: Path, style: str) -> None:
    tar = made_by(str(GNU_TAR), f"--format={style}", "-cf-", "log", cwd=tree)
    assert told(gzip.compress(tar)) == tarfile_tells(tar)


@needs_gnu_tar
@pytest.mark.parametrize("style", ["oldgnu", "gnu", "posix"])
def test_long_names_and_far_off_times_of_gnu_tar_are_read(strange_tree: Path, style: str) -> None:
    tar = made_by(str(GNU_TAR), f"--format={style}", "-cf-", "deep", cwd=strange_tree)
    assert told(gzip.compress(tar)) == tarfile_tells(tar)


@needs_gnu_tar
@pytest.mark.parametrize(
    "options",
    [
        ["--format=gnu"],
        ["--format=oldgnu"],
        ["--format=posix", "--sparse-version=0.0"],
        ["--format=posix", "--sparse-version=0.1"],
        ["--format=posix", "--sparse-version=1.0"],
    ],
    ids=" ".join,
)
def test_sparse_members_of_gnu_tar_are_read(tree: Path, options: list[str]) -> None:
    # --hole-detection=raw finds holes by zeros, whatever the file system knows of them.
    tar = made_by(str(GNU_TAR), *options, "-S", "--hole-detection=raw", "-cf-", "log", cwd=tree)
    assert len(tar) < 2 << 20
    assert told(gzip.compress(tar)) == tarfile_tells(tar)


@needs_gnu_tar
@pytest.mark.parametrize("version", ["0.0", "0.1", "1.0"])
def test_sparse_members_with_long_names_are_listed_as_tarfile_does(
    strange_tree: Path, version: str
) -> None:
    name = next(path for path in strange_tree.rglob("n*") if path.is_file())
    name.write_bytes(bytes(1 << 20) + b"x" + bytes(1 << 20))
    options = ["--format=posix", f"--sparse-version={version}", "-S", "--hole-detection=raw"]
    tar = made_by(str(GNU_TAR), *options, "-cf-", "deep", cwd=strange_tree)
    assert len(tar) < 1 << 20
    assert told(gzip.compress(tar)) == tarfile_tells(tar)


@needs_gnu_tar
def test_labels_and_dumped_directories_of_gnu_tar_are_members(tree: Path, tmp_path: Path) -> None:
    tar = made_by(
        str(GNU_TAR), "-V", "label", "-g", str(tmp_path / "snapshot"), "-cf-", "log", cwd=tree
    )
    # Its names are not compared: tarfile takes an access time in these headers for a prefix.
    assert read(gzip.compress(tar)) == as_listed(tar)


@pytest.mark.skipif(shutil.which("bsdtar") is None, reason="bsdtar is not installed")
@pytest.mark.parametrize("style", ["v7tar", "ustar", "gnutar", "pax"])
def test_every_format_of_bsdtar_is_read(tree: Path, style: str) -> None:
    archive = made_by("bsdtar", f"--format={style}", "-czf-", "log", cwd=tree)
    assert told(archive) == tarfile_tells(zlib.decompress(archive, 31))


@pytest.mark.skipif(shutil.which("pigz") is None, reason="pigz is not installed")
@pytest.mark.parametrize("options", [["-6"], ["-11"], ["-R"], ["-i"], ["-0"], ["-H"], ["-p1"]])
def test_what_pigz_writes_is_read(tmp_path: Path, options: list[str]) -> None:
    text = hashlib.shake_128(b"log").hexdigest(150_000).encode()  # more than a block of pigz's
    info = tarfile.TarInfo("log")
    info.size = len(text)
    tar = info.tobuf() + text + bytes(-len(text) % 512 + 1_024)
    (tmp_path / "plain.tar").write_bytes(tar)
    archive = made_by("pigz", *options, "-c", "plain.tar", cwd=tmp_path)
    assert told(archive) == tarfile_tells(tar)


def test_blocks_of_bgzip_are_read() -> None:
    tar = small_tar()
    blocks = []
    for part in (*split(tar, range(100, len(tar), 700)), b""):
        packer = zlib.compressobj(wbits=-15)
        packed = packer.compress(part) + packer.flush()
        extra = b"BC\x02\x00" + (len(packed) + 25).to_bytes(2, "little")
        header = b"\x1f\x8b\x08\x04" + bytes(4) + b"\x00\xff" + b"\x06\x00" + extra
        trailer = zlib.crc32(part).to_bytes(4, "little") + len(part).to_bytes(4, "little")
        blocks.append(header + packed + trailer)
    assert told(*blocks) == told(b"".join(blocks)) == tarfile_tells(tar)


@pytest.mark.skipif(shutil.which("busybox") is None, reason="busybox is not installed")
def test_what_busybox_writes_is_read(tree: Path) -> None:
    archive = made_by("busybox", "tar", "-czf-", "log", cwd=tree)
    assert told(archive) == tarfile_tells(gzip.decompress(archive))
