"""`collector report`, and the report that a run leaves: all that they need is the journal."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from collector.emulator import Fault
from tests.support.big_run import BigRun, written
from tests.support.command import Command, Service, fleet_of, server, servers, serving
from tests.support.odd_files import put
from tests.support.pages import data_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.report.page import Page

RUN = BigRun(servers=80, projects=4, failed=6, pending=5)


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path, "token")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    fleet = [*servers(3), server(7, Fault("unknown_id"))]
    with serving(fleet_of(fleet, export_duration_s=0.2), tmp_path) as found:
        yield found


def page_in(directory: Path) -> Page:
    return data_of((directory / "report.html").read_bytes())


def test_a_report_is_made_from_the_journal_alone(command: Command) -> None:
    directory = written(RUN, command.out)
    for path in directory.iterdir():
        if path.name != "journal.jsonl":
            path.unlink()
    ended = command.run("report", "latest")
    assert ended.returncode == 0, ended.stderr
    assert "report.html" in ended.stdout
    page = page_in(directory)
    assert page.totals.servers == len(page.servers.id) == 80
    assert page.headline == "Interrupted: 69 of 80 servers collected; 6 failed, 5 pending."
    assert page.manifest_sha256 is None
    assert page.directory == str(directory.resolve())


def test_json_says_which_file_it_is(command: Command) -> None:
    directory = written(RUN, command.out)
    told = json.loads(command.run("report", "--json").stdout)
    content = (directory / "report.html").read_bytes()
    assert told == {
        "path": str(directory / "report.html"),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def test_a_run_that_was_killed_or_is_running_has_a_report(command: Command) -> None:
    directory = written(replace(RUN, running=True), command.out)
    assert command.run("report").returncode == 0
    page = page_in(directory)
    assert (page.run.state, page.headline[:7]) == ("interrupted", "Killed:")


def test_a_report_of_a_damaged_journal_says_so_and_shows_what_comes_before(
    command: Command,
) -> None:
    directory = written(RUN, command.out)
    journal = directory / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[200] = lines[200].replace(b'"server":', b'"server" :')
    journal.write_bytes(b"".join(lines))
    ended = command.run("report")
    assert ended.returncode == 0
    assert "line 201 is damaged" in ended.stderr
    page = page_in(directory)
    assert "The journal is damaged (line 201: the hash does not match" in page.headline
    assert page.run.journal.lines == 200


def test_without_a_journal_there_is_no_report(command: Command) -> None:
    directory = written(RUN, command.out)
    (directory / "journal.jsonl").unlink()
    ended = command.run("report")
    assert ended.returncode == 2
    assert "journal.jsonl" in ended.stderr
    assert not (directory / "report.html").exists()


def test_a_run_is_compared_with_the_last_one_of_its_servers(command: Command) -> None:
    first = written(RUN, command.out)
    second = written(replace(RUN, generation=1, failed=9, pending=0), command.out)
    assert command.run("report").returncode == 0
    found = page_in(second).changes
    assert found is not None
    assert (found.run_id, found.state) == (first.name, "interrupted")
    assert found.in_both == 80 - 4
    assert (len(found.new), len(found.gone)) == (4, 4)
    assert found.failing
    assert found.recovered
    assert command.run("report", first.name).returncode == 0
    assert page_in(first).changes is None


def test_a_person_names_the_run_to_compare_with(command: Command) -> None:
    runs = [written(replace(RUN, generation=one), command.out) for one in range(3)]
    for named in (runs[0].name, str(runs[0]), os.path.relpath(runs[0], command.home)):
        ended = command.run("report", "latest", "--compare", named)
        assert ended.returncode == 0, ended.stderr
        found = page_in(runs[2]).changes
        assert found is not None
        assert found.run_id == runs[0].name
    ended = command.run("report", "latest", "--compare", "nothing")
    assert ended.returncode == 2
    assert "nothing does not exist" in ended.stderr


@pytest.mark.parametrize("kind", ["link to itself", "pipe", "device", "socket"])
def test_what_is_no_file_is_replaced_and_never_written_through(command: Command, kind: str) -> None:
    directory = written(RUN, command.out)
    for name in ("report.html", "report.html.part"):
        put(directory / name, kind)
        ended = command.run("report")
        assert ended.returncode == 0, ended.stderr
        report = directory / "report.html"
        assert report.is_file()
        assert not report.is_symlink()
        assert report.stat().st_mode & 0o7777 == 0o600
        assert not os.path.lexists(directory / "report.html.part")


def test_a_planted_link_leads_nowhere(command: Command, tmp_path: Path) -> None:
    directory = written(RUN, command.out)
    aim = tmp_path / "aim"
    aim.write_text("precious")
    for name in ("report.html", "report.html.part"):
        (directory / name).unlink(missing_ok=True)
        (directory / name).symlink_to(aim)
        assert command.run("report").returncode == 0
        assert not (directory / "report.html").is_symlink()
        assert aim.read_text() == "precious"


def test_a_report_that_cannot_be_written_is_an_error_of_one_line(command: Command) -> None:
    directory = written(RUN, command.out)
    (directory / "report.html").mkdir()
    ended = command.run("report")
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert "cannot write" in line
    assert "report.html" in line


def test_hostile_names_are_inert_in_the_file(command: Command) -> None:
    directory = written(replace(RUN, servers=200, hostile=True), command.out)
    ended = command.run("report")
    assert ended.returncode == 0, ended.stderr
    content = (directory / "report.html").read_bytes()
    assert b"onerror=alert" not in content
    assert b"\x1b" not in content


def test_each_run_leaves_a_report_and_verify_knows_it(service: Service) -> None:
    ended = service.run("collect", "fleet.json")
    assert ended.returncode == 3, ended.stderr
    page = page_in(service.latest)
    assert page.headline == "3 of 4 servers collected; 1 failed."
    assert (page.run.state, page.glance) == ("partial", None)
    assert (
        page.manifest_sha256
        == hashlib.sha256((service.latest / "manifest.json").read_bytes()).hexdigest()
    )
    assert page.run == page_of_the_journal(service).run
    assert service.verify()["ok"]
    assert "report.html" not in (service.latest / "SHA256SUMS").read_text()


def page_of_the_journal(service: Service) -> Page:
    """What `report` makes in place of the report that the run left."""
    assert service.run("report").returncode == 0
    return page_in(service.latest)


def test_what_a_run_leaves_is_what_is_made_from_its_journal(service: Service) -> None:
    assert service.run("collect", "fleet.json").returncode == 3
    assert service.run("collect", "fleet.json").returncode == 3
    left = page_in(service.latest)
    made = page_of_the_journal(service)
    assert left.changes is not None
    assert left == as_of(made, left.made_at)


def as_of(page: Page, made_at: str) -> Page:
    return msgspec.structs.replace(page, made_at=made_at)


def test_a_resume_makes_the_report_anew_with_what_came_before(service: Service) -> None:
    assert service.run("collect", "fleet.json").returncode == 3
    archive = next((service.latest / "fleet" / "bms-0").iterdir())
    archive.unlink()
    (service.latest / "report.html").write_text("an earlier one")
    ended = service.run("collect", "--resume", "latest")
    assert ended.returncode == 3, ended.stderr
    left = page_in(service.latest)
    assert left.run.resumed == 1
    assert left.totals.collected == 3
    assert left == as_of(page_of_the_journal(service), left.made_at)


def test_a_report_that_cannot_be_written_is_a_warning_and_no_exit_code(service: Service) -> None:
    assert service.run("collect", "fleet.json", "--run-id", "run").returncode == 3
    report = service.out / "run" / "report.html"
    report.unlink()
    report.mkdir()
    ended = service.run("collect", "--resume", "run")
    assert ended.returncode == 3, ended.stderr
    assert "cannot write" in ended.stderr
    assert "collector report" in ended.stderr
    report.rmdir()
    assert service.verify()["ok"]


def test_a_run_that_is_stopped_leaves_a_report(service: Service) -> None:
    with service.start("collect", "fleet.json", "--progress", "none") as process:
        service.wait_for_export("id-0")
        process.send_signal(signal.SIGINT)
        process.wait()
    page = page_in(service.latest)
    assert page.run.state == "interrupted"
    assert any(one.state == "pending" for one in page.reasons)
    shutil.rmtree(service.out)
