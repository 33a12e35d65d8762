"""A run's directory from somebody else: its journal says what it likes, and is believed in nothing.

Each member is a run of two servers, of which one is collected, whose journal was edited by somebody
who knows how its chain is made.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import subprocess
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.command import Command, fleet_of, servers, serving
from tests.support.handed import AT, DAMAGED, NO_SELECTION, named
from tests.support.journals import events_of, of, rewrite
from tests.support.stage import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.command import Service
    from tests.support.handed import Edit
    from tests.support.journals import Event

SECRET: Final = "the-other-secret"
PATIENCE_S: Final = 60.0
MEMORY: Final = 300 << 20
"""What a command may have of its own: a line of 300 MB does not fit in."""


EDITS: Final = {**NO_SELECTION, **DAMAGED}
REFUSED: Final = (
    "a server's directory above the run",
    "a server's directory that is absolute",
    "a server's directory of another server",
    "a directory named as the manifest",
    "no call a second",
    "calls a second beyond all numbers",
    "a share that is no number",
    "10^4000 downloads",
    "a project number 7 of 1",
    "nesting of 200,000",
    "the year 9999",
)
GONE_ON_WITH: Final = (
    "an archive outside the run",
    "an archive in another server's directory",
    "a download into another directory",
    "a download with a header in its ETag",
    "server 7 of 2",
    "the last server, counted from the end",
    "durations of project 7",
    "a limit of a scope that nobody knows",
    "an export completed twice over",
)
"""Those that are tried through the command; all are in `tests/rundir/test_handed_lines.py`."""


class Trap:
    """A service on loopback that writes down whatever it is sent, and answers nothing."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.heard = b""
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(1.0)
                self.heard += b"called:" + connection.recv(1 << 16)

    def close(self) -> None:
        self._listening.close()


def credentials(**options: str) -> Edit:
    return named("CredentialNamed", options=options)


def to_the_trap(**options: str) -> Edit:
    def edit(events: list[Event]) -> None:
        of(events, "ProjectSelected")["endpoint"] = "TRAP"
        if options:
            of(events, "CredentialNamed")["options"] = options

    return edit


def second_project(events: list[Event]) -> None:
    """Another project is added after the mark, for the trap, with a server that waits."""
    project, server = of(events, "ProjectSelected"), of(events, "ServerSelected")
    events += [
        {**of(events, "CredentialNamed"), "name": "other", "options": {"token_env": "OTHER"}},
        {**project, "project": 1, "id": "p2", "directory": "p2", "endpoint": "TRAP",
         "credential": "other"},
        {**server, "server": 2, "project": 1, "id": "id-2", "directory": "p2/bms-2"},
        {"event": "SelectionEnded", "at": AT, "servers": 3},
    ]  # fmt: skip


def without_mark(events: list[Event]) -> list[Event]:
    return [event for event in events if event["event"] != "EndpointsVouched"]


def mark_of_another(events: list[Event]) -> None:
    of(events, "EndpointsVouched")["mark"] = "0" * 64


UNTRUSTED: Final[dict[str, tuple[Edit, str]]] = {
    "another variable": (credentials(token_env="OTHER"), "token_env OTHER"),
    "a file": (credentials(token_file="/etc/shadow"), "token_file /etc/shadow"),
    "a pipe that nobody writes to": (credentials(token_file="PIPE"), "token_file"),
    "another endpoint": (to_the_trap(), "token_env CLOUDDC_TOKEN"),
    "another variable and endpoint": (to_the_trap(token_env="OTHER"), "token_env OTHER"),
    "one more project": (second_project, "token_env OTHER"),
    "another account": (named("CredentialNamed", account="x"), "token_env CLOUDDC_TOKEN"),
    "another kind": (named("CredentialNamed", kind="command"), "token_env CLOUDDC_TOKEN"),
    "another project's id": (named("ProjectSelected", id="p9"), "token_env CLOUDDC_TOKEN"),
    "credentials without an entry": (named("ProjectSelected", credential="x"), "does not name"),
    "no mark": (without_mark, "token_env CLOUDDC_TOKEN"),
    "a mark of another key": (mark_of_another, "token_env CLOUDDC_TOKEN"),
    "a terminal's escape in a path": (credentials(token_file="\x1b[2Jx"), r"\\x1b[2Jx"[1:]),
}
"""A resume says what the journal wants, and asks."""


@dataclass(frozen=True)
class Handed:
    """What came of a resume of a journal that was handed over."""

    command: Command
    code: int | None
    err: str

    @property
    def run(self) -> Path:
        return self.command.out / "run"

    @property
    def said(self) -> list[str]:
        """Its lines, without those of progress."""
        return [line for line in self.err.splitlines() if line and " waiting, " not in line]


class Hand:
    """Runs that were half-way, each to be handed over with another journal.

    Args:
        service: where they began.
        trap: where nothing must ever arrive.
        home: a directory for them.
    """

    def __init__(self, service: Service, trap: Trap, home: Path) -> None:
        self.trap = trap
        self.service = service
        self._home = home
        assert service.run("collect", "fleet.json", "--run-id", "run").returncode == 0
        rewrite(service.out / "run" / "journal.jsonl", _half_way)
        events = events_of(service.out / "run" / "journal.jsonl")
        (server,) = {event["server"] for event in events if event["event"] == "ArchiveStored"}
        assert server == 0
        shutil.rmtree(service.out / "run" / "fleet" / "bms-1")

    def copy(self, name: str, edit: Edit | None = None) -> Command:
        """A directory with a run, and with what must stay as it is around it."""
        home = self._home / "".join(char if char.isalnum() else "-" for char in name)
        shutil.copytree(self.service.out / "run", home / "collected" / "run")
        (home / "collected" / "latest").symlink_to("run")
        for place in (home / "precious", home / "precious.part", home / "collected" / "x.part"):
            place.write_bytes(b"precious")
        os.mkfifo(home / "pipe")
        shutil.copyfile(self.service.home / "fleet.json", home / "fleet.json")
        (home / "state").symlink_to(self.service.state)
        if edit is not None:
            journal = home / "collected" / "run" / "journal.jsonl"
            rewrite(journal, edit)
            text = journal.read_text("utf-8", "surrogateescape")
            if "TRAP" in text or "PIPE" in text:
                rewrite(journal, lambda events: self._aimed(events, home))
        return Command(home, self.service.token)

    def _aimed(self, events: list[Event], home: Path) -> None:
        for event in events:
            if event.get("endpoint") == "TRAP":
                event["endpoint"] = self.trap.url
            if event.get("options") == {"token_file": "PIPE"}:
                event["options"] = {"token_file": str(home / "pipe")}

    def handed(self, name: str, edit: Edit, *arguments: str) -> Handed:
        return self.ran(self.copy(name, edit), "collect", "--resume", "latest", *arguments)

    def ran(self, command: Command, *arguments: str, installed: bool = False) -> Handed:
        """Run a command in bounded time, and see how much memory it took."""
        environ = command.environment(OTHER=SECRET, XDG_STATE_HOME=str(self.service.state))
        with command.start(
            *arguments, env=environ, limits={resource.RLIMIT_DATA: (MEMORY, MEMORY)},
            installed=installed,
            stdout=subprocess.DEVNULL, errors="surrogateescape",
        ) as process:  # fmt: skip
            try:
                _, err = process.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                return Handed(command, None, process.communicate()[1])
        return Handed(command, process.returncode, err)


def _half_way(events: list[Event]) -> Iterator[Event]:
    """Leave out that the second server was collected, and that the run ended."""
    for event in events:
        late = event["event"] in ("CallsCounted", "ClockOffsetSeen", "RunEnded")
        if not late and not (event["event"] == "ArchiveStored" and event["server"] == 1):
            yield event


@pytest.fixture(scope="module")
def hand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hand]:
    trap = Trap()
    home = tmp_path_factory.mktemp("handed")
    (home / "origin").mkdir()
    with serving(fleet_of(servers(2)), home / "origin") as service:
        yield Hand(service, trap, home)
    trap.close()


def assert_in_order(found: Handed, hand: Hand) -> None:
    """It has ended without a bug, and has touched and called nothing but its run."""
    assert found.code is not None, "it does not end"
    assert found.code in (0, 2, 3, 4, 6), found.err
    assert "Traceback" not in found.err
    home = found.command.home
    assert {path.name for path in home.iterdir()} == {
        "collected", "fleet.json", "pipe", "precious", "precious.part", "state",
    }  # fmt: skip
    assert {path.name for path in (home / "collected").iterdir()} <= {
        "latest", "run", "x.part", ".collector",
    }  # fmt: skip
    for place in (home / "precious", home / "precious.part", home / "collected" / "x.part"):
        assert place.read_bytes() == b"precious"
    assert hand.trap.heard == b""


@pytest.mark.parametrize("member", REFUSED)
def test_a_journal_that_is_damaged_within_its_selection_is_refused_in_a_line(
    hand: Hand, member: str
) -> None:
    found = hand.handed(member, EDITS[member])
    assert_in_order(found, hand)
    assert found.code == 2, found.err
    assert len(found.said) == 1
    assert "is damaged (" in found.said[0]
    assert len(found.said[0]) < 600


@pytest.mark.parametrize("member", GONE_ON_WITH)
def test_what_cannot_be_is_damage_and_a_resume_goes_on_from_before_it(
    hand: Hand, member: str
) -> None:
    found = hand.handed(member, EDITS[member])
    assert_in_order(found, hand)
    assert found.code == 0, found.err
    assert "run: the journal was damaged at line " in found.err
    assert (found.run / "journal.damaged-1.jsonl").is_file()
    assert found.command.verify()["ok"]


@pytest.mark.parametrize("member", UNTRUSTED)
def test_no_secret_goes_where_only_a_journal_says(hand: Hand, member: str) -> None:
    command = hand.copy(member, UNTRUSTED[member][0])
    before = snapshot(command.out)
    found = hand.ran(command, "collect", "--resume", "latest")
    assert_in_order(found, hand)
    assert found.code == 2, found.err
    assert len(found.said) <= 4
    assert UNTRUSTED[member][1] in found.err
    assert "--trust-journal" in found.err
    assert snapshot(command.out) == before


def test_a_journal_that_this_user_wrote_is_resumed_without_a_question(hand: Hand) -> None:
    found = hand.ran(hand.copy("its own"), "collect", "--resume", "latest")
    assert_in_order(found, hand)
    assert found.code == 0, found.err


def test_an_inventory_beside_the_resume_says_where_secrets_go(hand: Hand) -> None:
    """Its entry of the same name holds, and the run is marked from then on."""
    command = hand.copy("inventory", credentials(token_env="OTHER"))
    found = hand.ran(command, "collect", "fleet.json", "--resume", "latest")
    assert_in_order(found, hand)
    assert found.code == 0, found.err
    (command.out / "run" / "fleet" / "bms-1").rename(command.home / "moved")
    again = hand.ran(command, "collect", "--resume", "latest")
    assert again.code == 0, again.err
    assert "collecting bms-1 again: " in again.err


@pytest.mark.parametrize("edit", [to_the_trap(token_env="OTHER"), second_project])
def test_an_inventory_that_does_not_name_all_of_it_does_not_vouch_for_the_rest(
    hand: Hand, edit: Edit, request: pytest.FixtureRequest
) -> None:
    command = hand.copy(request.node.name, edit)
    found = hand.ran(command, "collect", "fleet.json", "--resume", "latest")
    assert_in_order(found, hand)
    assert found.code == 2, found.err
    assert hand.trap.url in found.err
    assert "the inventory does not name all its projects" in found.err


def test_a_person_can_trust_a_journal(hand: Hand) -> None:
    command = hand.copy("trusted", without_mark)
    found = hand.ran(command, "collect", "--resume", "latest", "--trust-journal")
    assert_in_order(found, hand)
    assert found.code == 0, found.err
    marks = [event for event in events_of(command.out / "run" / "journal.jsonl")
             if event["event"] == "EndpointsVouched"]  # fmt: skip
    assert len(marks) == 1


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("nonsense", "are of kind 'nonsense'"),
        ("sdk", "have token_env"),
        ("password", "have token_env"),
        ("command", "have token_env"),
    ],
)
def test_credentials_that_cannot_be_used_are_refused_in_a_line(
    hand: Hand, kind: str, told: str
) -> None:
    command = hand.copy(f"kind {kind}", named("CredentialNamed", kind=kind))
    found = hand.ran(command, "collect", "--resume", "latest", "--trust-journal")
    assert_in_order(found, hand)
    assert found.code == 2, found.err
    assert told in found.err


def runs(program: str) -> Edit:
    def edit(events: list[Event]) -> None:
        of(events, "CredentialNamed").update(
            {"kind": "command", "options": {"command": json.dumps([program, "an argument"])}}
        )
        without_mark(events)

    return edit


@pytest.mark.parametrize("how", [[], ["--trust-journal"]])
def test_a_program_that_a_journal_names_is_shown_and_never_run(
    hand: Hand, how: list[str], tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path / 'was-run'}\necho token\n")
    program.chmod(0o700)
    command = hand.copy(f"program {how}", runs(str(program)))
    found = hand.ran(command, "collect", "--resume", "latest", *how)
    assert_in_order(found, hand)
    assert found.code == 2, found.err
    shown = f"{program} 'an argument'"[:80]  # a long one is cut
    assert f"what this program prints: {shown}" in found.err
    assert "--trust-journal runs no programs" in found.err
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("command", ["vault read", "[]", '["a", 5]', "{", '[" "]'])
def test_a_program_that_is_no_list_of_words_is_refused_in_a_line(hand: Hand, command: str) -> None:
    edit = named("CredentialNamed", kind="command", options={"command": command})
    found = hand.ran(hand.copy(f"words {command}", edit), "collect", "--resume", "latest")
    assert_in_order(found, hand)
    assert found.code == 2, found.err


def test_trust_is_for_a_resume(hand: Hand) -> None:
    found = hand.ran(hand.copy("no resume"), "collect", "fleet.json", "--trust-journal")
    assert found.code == 2
    assert "--trust-journal" in found.err


def test_a_run_in_which_nothing_is_left_to_do_needs_no_trust(hand: Hand) -> None:
    def edit(events: list[Event]) -> list[Event]:
        return [
            *(event for event in without_mark(events) if event.get("server") != 1),
            {**of(events, "RunStarted"), "event": "RunEnded", "reason": "finished"},
        ]

    def alone(events: list[Event]) -> None:
        events[:] = edit(events)
        of(events, "SelectionEnded")["servers"] = 1
        ended = events[-1]
        events[-1] = {key: ended[key] for key in ("event", "at", "reason")}

    found = hand.ran(hand.copy("nothing left", alone), "collect", "--resume", "latest")
    assert_in_order(found, hand)
    assert found.code == 0, found.err
    assert "nothing left to do" in found.err


@pytest.mark.parametrize("place", ["fleet", "fleet/bms-0"])
def test_an_archive_behind_a_link_is_not_one_of_the_run(hand: Hand, place: str) -> None:
    command = hand.copy(f"behind a link {place}")
    outside = command.home.with_name(f"{command.home.name}-outside")
    (command.out / "run" / place).rename(outside)
    (command.out / "run" / place).symlink_to(outside)
    before = snapshot(outside)
    found = hand.ran(command, "collect", "--resume", "latest")
    assert_in_order(found, hand)
    assert found.code in (3, 4), found.err
    assert "collecting bms-0 again: " in found.err
    assert snapshot(outside) == before


def test_a_line_of_300_mb_is_damage_and_takes_no_memory(hand: Hand) -> None:
    command = hand.copy("long")
    journal = command.out / "run" / "journal.jsonl"
    count = journal.read_bytes().count(b"\n")
    with journal.open("ab") as file:
        file.write(b'{"event":"RunEnded","at":"')
        file.truncate(300_000_000)
        file.seek(300_000_000)
        file.write(b"\n{}\n")
    for arguments, code in (
        (("verify", "collected/run"), 6),
        (("status", "collected/run"), 0),
        (("runs", "collected"), 0),
        (("collect", "--resume", "latest"), 0),
    ):
        found = hand.ran(command, *arguments, installed=True)  # it has that memory for itself
        assert found.code == code, found.err
        assert "Traceback" not in found.err
        if arguments[0] == "status":
            assert f"line {count + 1} is damaged" in found.err
    assert hand.trap.heard == b""


@pytest.mark.parametrize(
    "member", ["a share that is no number", "nesting of 200,000", "an archive outside the run"]
)
def test_verify_status_and_runs_name_the_line(hand: Hand, member: str) -> None:
    command = hand.copy(f"read {member}", EDITS[member])
    told = command.run("verify", "collected/run")
    assert told.returncode == 6
    assert "journal.jsonl: line " in told.stdout
    shown = command.run("status", "collected/run")
    assert shown.returncode == 0, shown.stderr
    assert len(shown.stderr.splitlines()) == 1
    assert "is damaged" in shown.stderr
    assert command.run("runs", "collected").returncode == 0


@pytest.mark.parametrize(
    ("content", "mode"), [(b"x", 0o600), (b"", 0o600), (b"0" * 64 + b"\n", 0o644)]
)
def test_a_key_that_is_none_is_said_once_and_trusts_nothing(
    hand: Hand, content: bytes, mode: int, request: pytest.FixtureRequest
) -> None:
    command = hand.copy(request.node.name)
    (command.home / "state").unlink()
    key = command.state / "collector" / "journal.key"
    key.parent.mkdir(parents=True)
    key.write_bytes(content)
    key.chmod(mode)
    found = command.run("collect", "--resume", "latest")
    assert found.returncode == 2, found.stderr
    assert found.stderr.count("journal.key") == 1
    assert key.read_bytes() == content


def test_a_user_without_a_place_for_a_key_is_asked(hand: Hand) -> None:
    command = hand.copy("no key")
    (command.home / "state").unlink()
    (command.home / "state").write_text("no directory")
    began = command.run("collect", "fleet.json", "--run-id", "other")
    assert began.returncode == 0
    assert "journal" not in began.stderr
    found = command.run("collect", "--resume", "run")
    assert found.returncode == 2
    assert "--trust-journal" in found.stderr
