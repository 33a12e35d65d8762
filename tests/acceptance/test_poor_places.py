"""File systems that lack something: a warning once, and the logs are here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from collector import verify
from tests.support.altered import altered
from tests.support.command import Service, fleet_of, server, servers, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REFUSING = """
    import errno, os, stat

    def refusing(name, number, when):
        real = getattr(os, name)

        def call(*arguments, **options):
            if when(*arguments, **options):
                raise OSError(number, os.strerror(number))
            return real(*arguments, **options)

        setattr(os, name, call)

    def always(*arguments, **options):
        return True

    def of_a_directory(file):
        return stat.S_ISDIR(os.fstat(file).st_mode)
"""
NO_LINKS = "\n    refusing('symlink', errno.{}, always)"
NO_PERMISSIONS = """
    mkdir = os.mkdir

    def making(path, mode=0o777, **options):
        mkdir(path, 0o755, **options)

    os.mkdir = making
    refusing('chmod', errno.{0}, always)
    refusing('fchmod', errno.{0}, always)
"""
NO_DIRECTORY_SYNC = "\n    refusing('fsync', errno.{}, of_a_directory)"
NO_SYNC = """
    refusing('fsync', errno.{0}, always)
    refusing('fdatasync', errno.{0}, always)
"""
NO_FDATASYNC = "\n    refusing('fdatasync', errno.{}, always)"
NO_REPLACING = """
    def replacing(old, new, *, src_dir_fd=None, dst_dir_fd=None):
        try:
            os.lstat(new) if dst_dir_fd is None else os.stat(new, dir_fd=dst_dir_fd)
        except FileNotFoundError:
            return False
        return True

    refusing('rename', errno.{}, replacing)
"""
OTHER_NUMBERS = """
    import itertools

    numbers = itertools.count(1 << 40)

    def renumbering(name):
        real = getattr(os, name)

        def call(*arguments, **options):
            found = real(*arguments, **options)
            if not stat.S_ISREG(found.st_mode):
                return found
            fields, more = found.__reduce__()[1]
            return os.stat_result((fields[0], next(numbers), *fields[2:]), more)

        setattr(os, name, call)

    for name in ("stat", "lstat", "fstat"):
        renumbering(name)
"""
NO_SIZE = """
    statvfs = os.statvfs

    def sizeless(path):
        found = statvfs(path)
        return os.statvfs_result((*found[:2], 0, 0, 0, *found[5:]))

    os.statvfs = sizeless
"""
NO_STATVFS = "\n    refusing('statvfs', errno.ENOSYS, always)"
LINKS = "does not support symbolic links"
PERMISSIONS = "does not keep permissions"
SYNC = "cannot confirm that new files"


def code(*parts: str) -> str:
    return REFUSING + "\n".join(parts)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(fleet_of(servers(2)), tmp_path_factory.mktemp("places")) as found:
        yield found


@pytest.mark.parametrize(
    ("lacks", "warnings"),
    [
        pytest.param(NO_LINKS.format("EPERM"), (LINKS,), id="no links"),
        pytest.param(NO_LINKS.format("EROFS"), (LINKS,), id="no links on vboxsf"),
        pytest.param(NO_PERMISSIONS.format("EPERM"), (PERMISSIONS,), id="no chmod"),
        pytest.param(NO_PERMISSIONS.format("ENOTSUP"), (PERMISSIONS,), id="no such thing as chmod"),
        pytest.param(NO_DIRECTORY_SYNC.format("EINVAL"), (SYNC,), id="no sync of directories"),
        pytest.param(NO_DIRECTORY_SYNC.format("EBADF"), (SYNC,), id="nor of their descriptors"),
        pytest.param(NO_FDATASYNC.format("ENOSYS"), (), id="no fdatasync"),
        pytest.param(NO_SYNC.format("ENOTSUP"), (SYNC,), id="no sync"),
        pytest.param(NO_REPLACING.format("EEXIST"), (), id="no rename over a file"),
        pytest.param(NO_REPLACING.format("EACCES"), (), id="nor of an open one"),
        pytest.param(OTHER_NUMBERS, (), id="numbers that change"),
        pytest.param(NO_SIZE, (), id="no size"),
        pytest.param(NO_STATVFS, (), id="nothing of its size"),
        pytest.param(
            NO_LINKS.format("ENOTSUP") + NO_PERMISSIONS.format("EPERM")
            + NO_DIRECTORY_SYNC.format("ENOTSUP") + NO_REPLACING.format("EPERM"),
            (LINKS, PERMISSIONS, SYNC),
            id="none of all that",
        ),
    ],
)  # fmt: skip
def test_what_a_file_system_lacks_is_said_once_and_all_is_collected(
    service: Service, tmp_path: Path, lacks: str, warnings: tuple[str, ...]
) -> None:
    env = service.environment(**altered(tmp_path, code(lacks)))
    out = tmp_path / "out"
    for number in range(2 if len(warnings) > 1 else 1):  # another finds what the first has left
        run_id = f"run-{number}"
        ended = service.run(
            "collect", "fleet.json", "--out", str(out), "--json", "--progress", "none",
            "--run-id", run_id, env=env,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        assert len(ended.stderr.splitlines()) == len(warnings), ended.stderr
        for warning in warnings:
            assert ended.stderr.count(warning) == 1
        assert json.loads(ended.stdout)["totals"]["collected"] == 2
        assert verify(out / run_id).ok


def test_without_links_latest_is_the_run_that_began_last(tmp_path: Path) -> None:
    fleet = [server(0, export_duration_s=0.3)]
    env = altered(tmp_path, code(NO_LINKS.format("EPERM")))
    with serving(fleet_of(fleet), tmp_path) as service:
        (service.out / "older").mkdir(parents=True)
        service.latest.symlink_to("older")  # as a copy of a better place would have it
        env = service.environment(**env)
        for run_id in ("z-first", "a-last"):
            service.run("collect", "fleet.json", "--run-id", run_id, "--deadline", "0.1s", env=env)
        resumed = service.run("collect", "--resume", "latest", "--json", env=env)
        assert resumed.returncode == 0, resumed.stderr
        assert json.loads(resumed.stdout)["run"]["id"] == "a-last"
        for command in ("status", "verify"):
            told = service.run(command, "collected/latest", env=env)
            assert told.returncode == 0, told.stderr
        assert not service.latest.is_symlink()


def test_name_that_the_file_system_refuses_fails_its_server_alone(tmp_path: Path) -> None:
    lacks = """
    def is_foreign(path, *arguments, **options):
        return not isinstance(path, int) and not os.fspath(path).isascii()

    refusing('mkdir', errno.EINVAL, is_foreign)
    refusing('open', errno.EILSEQ, is_foreign)
    """
    fleet = fleet_of([server(0), server("数据库")])
    with serving(fleet, tmp_path) as service:
        env = service.environment(**altered(tmp_path, code(lacks)))
        ended = service.run("collect", "fleet.json", "--max-attempts", "1", env=env)
        assert ended.returncode == 3, ended.stderr
        rows = {row["id"]: row for row in service.manifest()["projects"][0]["servers"]}
        assert rows["id-0"]["state"] == "collected"
        failed = rows["id-数据库"]
        assert failed["error"]["stage"] == "store"
        assert "EINVAL" in failed["error"]["message"]
        assert service.verify()["ok"]


def test_place_without_locks_is_refused(service: Service, tmp_path: Path) -> None:
    lacks = """
    import fcntl

    def flock(*arguments):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    fcntl.flock = flock
    """
    variables = altered(tmp_path, code(lacks))
    ended = service.run(
        "collect", "fleet.json", "--out", str(tmp_path / "out"),
        env=service.environment(**variables),
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "use --out to choose a file system that supports them" in ended.stderr
