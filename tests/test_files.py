from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

import pytest

from collector import files

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
        files.open_beneath(tmp_path / "tree", path)
    assert caught.value.errno == errno.EINVAL


def test_link_is_followed_nowhere_in_a_tree(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").touch()
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to("../outside")
    with pytest.raises(OSError, match=os.strerror(errno.ENOTDIR)):
        files.open_beneath(tmp_path / "tree", "link/file")
