from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from collector.errors import CollectorError
from collector.rundir.file_system import local_locks
from collector.rundir.journal.journal import Journal

ROOT = "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro"
MOUNTS = [
    ROOT,
    "30 22 0:26 / /dev/shm rw,nosuid,nodev shared:4 - tmpfs tmpfs rw,size=1024k",
    "41 22 0:45 / /srv/logs rw,relatime shared:9 - nfs4 filer:/logs rw,vers=4.2,local_lock=none",
    "42 22 0:46 / /srv/old rw,relatime - nfs filer:/old rw,vers=3,nolock,local_lock=all",
    "43 22 0:47 / /srv/my\\040logs rw,relatime - fuse.sshfs me@host: rw,user_id=0,group_id=0",
    "44 22 0:48 / /srv/share rw - cifs //nas/share rw,vers=3.1.1,nobrl",
    "45 41 254:2 / /srv/logs/local rw - xfs /dev/vdb1 rw",
    "46 22 0:51 / /lustre rw - lustre mgs@tcp:/scratch rw,localflock",
    "47 22 0:52 / /lustre2 rw - lustre mgs@tcp:/scratch rw,flock,lazystatfs",
    "48 22 0:53 / /mnt/host rw,relatime - 9p drvfs rw,aname=drvfs;path=C:\\134,trans=fd",
    "49 22 0:54 / /srv/half rw - nfs4 filer:/half rw,vers=4.1,local_lock=flock,addr=10.0.0.1",
    "51 22 0:55 / /srv/posix rw - nfs filer:/posix rw,vers=3,local_lock=posix",
    "a line of a system to come",
]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/home/oncall/collected", None),
        ("/dev/shm/out", None),  # noqa: S108
        ("/srv/logs/out", None),
        ("/srv/logsout", None),
        ("/srv/logs/local/out", None),
        ("/srv/old/out", "/srv/old is nfs, mounted with nolock"),
        ("/srv/my logs/out", "/srv/my logs is fuse.sshfs"),
        ("/srv/share", "/srv/share is cifs, mounted with nobrl"),
        ("/lustre/out", "/lustre is lustre, mounted with localflock"),
        ("/lustre2/out", None),
        ("/mnt/host/out", "/mnt/host is 9p"),
        ("/srv/half/out", "/srv/half is nfs4, mounted with local_lock=flock"),
        ("/srv/posix/out", None),
    ],
)
def test_lock_is_distrusted_where_it_holds_on_one_machine(path: str, why: str | None) -> None:
    found = local_locks(Path(path), MOUNTS)
    assert found == why or (why is not None and found is not None and found.startswith(why))


def test_a_mount_over_another_counts() -> None:
    over = [*MOUNTS, "50 22 0:50 / /srv/old rw - ext4 /dev/vdc rw"]
    assert local_locks(Path("/srv/old/out"), over) is None


def test_this_machine_can_be_asked(tmp_path: Path) -> None:
    assert local_locks(tmp_path) is None


def test_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(_descriptor: int, _kind: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", no_locks)
    with pytest.raises(CollectorError, match=r"cannot lock .*journal.jsonl: No locks available"):
        Journal.create(tmp_path / "journal.jsonl")
