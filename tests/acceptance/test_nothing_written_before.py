"""What can be checked is checked before anything is written: a refusal leaves all as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collector.emulator import Fault
from tests.support.command import fleet_of, server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.command import Service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A run, `done`, in which one server is collected and one has failed."""
    fleet = [server(1), server(2, Fault("unknown_id"))]
    with serving(fleet_of(fleet), tmp_path_factory.mktemp("home")) as found:
        (found.home / "none.pem").write_text("no certificate\n")
        assert found.run("collect", "fleet.json", "--run-id", "done").returncode == 3
        yield found


def tree(directory: Path) -> dict[str, tuple[int, bytes | str]]:
    """Everything under a directory: when it was changed, and what it holds."""
    found: dict[str, tuple[int, bytes | str]] = {}
    for path in (directory, *directory.rglob("*")):
        content = (
            str(path.readlink()) if path.is_symlink() else path.is_file() and path.read_bytes()
        )
        found[str(path)] = (path.lstat().st_mtime_ns, content or b"")
    return found


RETRY = ("collect", "--resume", "latest", "--retry-failed")
WITH_INVENTORY = ("collect", "fleet.json", *RETRY[1:])
NEW = ("collect", "fleet.json", "--run-id", "new")


@pytest.mark.parametrize(
    ("arguments", "variables", "reason"),
    [
        (RETRY, {"CLOUDDC_TOKEN": None}, "environment variable CLOUDDC_TOKEN"),
        (RETRY, {"CLOUDDC_TOKEN": " "}, "environment variable CLOUDDC_TOKEN is empty"),
        (RETRY, {"https_proxy": "socks5://127.0.0.1:1"}, "https_proxy"),
        ((*RETRY, "--ca-file", "none.pem"), {}, "cannot read certificates from none.pem"),
        (WITH_INVENTORY, {"CLOUDDC_TOKEN": None}, "environment variable CLOUDDC_TOKEN"),
        (NEW, {"CLOUDDC_TOKEN": None}, "environment variable CLOUDDC_TOKEN"),
        (NEW, {"CLOUDDC_TOKEN": "a\nb"}, "environment variable CLOUDDC_TOKEN"),
        (NEW, {"http_proxy": "ftp://127.0.0.1"}, "http_proxy"),
        ((*NEW, "--ca-file", "none.pem"), {}, "cannot read certificates from none.pem"),
        ((*NEW[:2], "--run-id", "done"), {}, "done already exists"),
        ((*NEW[:2], "--deadline", "0"), {}, "must be greater than 0"),
    ],
    ids=str,
)
def test_a_refused_command_leaves_the_output_directory_as_it_was(
    service: Service, arguments: tuple[str, ...], variables: dict[str, str | None], reason: str
) -> None:
    environment: dict[str, str | None] = {**service.environment(), **variables}
    before = tree(service.out)
    calls = service.emulator.statistics()["calls"]
    ended = service.run(
        *arguments, env={name: value for name, value in environment.items() if value is not None}
    )
    assert ended.returncode == 2, ended.stderr
    assert reason in ended.stderr
    assert ended.stdout == ""
    assert tree(service.out) == before
    assert service.emulator.statistics()["calls"] == calls


def test_a_refused_resume_of_a_killed_run_does_not_repair_it(
    service: Service, tmp_path: Path
) -> None:
    """Even what a resume would cut off or put aside stays where it is."""
    journal = service.out / "done" / "journal.jsonl"
    whole = journal.read_bytes()
    try:
        for damage in (b'{"event": "torn', b"garbage\n" * 2):
            journal.write_bytes(whole + damage)
            before = tree(service.out)
            ended = service.run(*RETRY, env=service.environment(CLOUDDC_TOKEN=""))
            assert ended.returncode == 2, ended.stderr
            assert tree(service.out) == before
    finally:
        journal.write_bytes(whole)


def test_a_finished_run_repeats_its_verdict_without_a_token(service: Service) -> None:
    before = tree(service.out / "done")
    ended = service.run("collect", "--resume", "done", env=service.environment(CLOUDDC_TOKEN=""))
    assert ended.returncode == 3, ended.stderr
    assert "nothing left to do: 1 server failed; --retry-failed retries them" in ended.stderr
    assert {name: held for name, (_, held) in tree(service.out / "done").items()} == {
        name: held for name, (_, held) in before.items()
    }
