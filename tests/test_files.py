from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

import pytest

from collector import beneath, files, inputs

if TYPE_CHECKING:
    from pathlib import Path


def test_file_is_read_up_to_as_many_bytes_as_are_allowed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert files.read_within(tmp_path / "file", 5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        files.read_within(tmp_path / "file", 4)


def test_sparse_file_of_terabytes_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.truncate(1 << 42)
    with pytest.raises(OSError, match="larger than"):
        files.read_within(tmp_path / "file", 1 << 20)


def test_nothing_but_a_regular_file_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for name in ("pipe", "directory", "link", "socket"):
            with pytest.raises(OSError, match=r"not a regular file|not followed"):
                files.open_to_read(tmp_path / name)


@pytest.mark.parametrize("path", ["", ".", "..", "../beside", "/etc/hosts", "a//b", "a/../b", "\0"])
def test_path_that_leads_out_of_a_tree_is_not_opened(path: str, tmp_path: Path) -> None:
    (tmp_path / "beside").touch()
    (tmp_path / "tree" / "a").mkdir(parents=True)
    (tmp_path / "tree" / "b").touch()
    with pytest.raises(OSError, match="not a path inside") as caught:
        beneath.open_beneath(tmp_path / "tree", path)
    assert caught.value.errno == errno.EINVAL


def test_link_is_followed_nowhere_in_a_tree(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").touch()
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to("../outside")
    with pytest.raises(OSError, match="a link, which is not followed"):
        beneath.open_beneath(tmp_path / "tree", "link/file")


def test_device_is_not_even_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    monkeypatch.setattr("collector.files.os.open", lambda *asked, **_: opened.append(asked))
    with pytest.raises(OSError, match="a device"):
        files.open_to_read("/dev/null")
    assert not opened


def test_file_with_a_second_name_is_not_written_to_nor_its_mode_changed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"precious")
    (tmp_path / "file").chmod(0o640)
    os.link(tmp_path / "file", tmp_path / "second")
    for flags in (os.O_RDWR, os.O_RDWR | os.O_CREAT):
        with pytest.raises(OSError, match="second name") as caught:
            files.open_to_write(tmp_path / "file", flags)
        assert caught.value.errno == errno.EMLINK
    assert (tmp_path / "second").stat().st_mode & 0o777 == 0o640


def test_what_is_appended_to_becomes_a_copy_where_it_has_a_second_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"one")
    os.link(tmp_path / "file", tmp_path / "second")
    descriptor = files.open_to_append(tmp_path / "file")
    files.write_all(descriptor, b" two")
    os.close(descriptor)
    assert (tmp_path / "file").read_bytes() == b"one two"
    assert (tmp_path / "second").read_bytes() == b"one"
    assert not (tmp_path / "file.part").exists()


def test_file_that_is_locked_may_have_a_second_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch(mode=0o640)
    os.link(tmp_path / "file", tmp_path / "second")
    os.close(files.open_to_lock(tmp_path / "file"))
    assert (tmp_path / "second").stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_file_of_somebody_else_is_written_to_only_in_a_directory_of_theirs(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.chown(tmp_path / "file", 65534, 65534)
    with pytest.raises(OSError, match="another user"):
        files.open_to_write(tmp_path / "file", os.O_RDWR)
    os.chown(tmp_path, 65534, 65534)  # as on a share where all belongs to one
    os.close(files.open_to_write(tmp_path / "file", os.O_RDWR))


def test_pipe_that_nobody_writes_to_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "WRITER_WITHIN_S", 0.03)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TimeoutError, match="nothing was written to"):
        inputs.read_input(tmp_path / "pipe", 10)


def test_pipe_that_does_not_end_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "PIPE_WITHIN_S", 0.03)
    os.mkfifo(tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", os.O_RDWR)
    os.write(writer, b"some")
    with pytest.raises(TimeoutError, match="did not end"):
        inputs.read_input(tmp_path / "pipe", 10)
    os.close(writer)


def test_input_may_be_a_link_and_is_read_to_one_byte_more_than_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert inputs.read_input(tmp_path / "link", 5) == b"12345"
    assert inputs.read_input("/dev/zero", 5) == bytes(6)


def test_half_a_character_is_in_no_path(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="not a path inside"):
        beneath.open_beneath(tmp_path, "a/\ud800")
