"""`inventory convert`: what other programs know of the servers becomes an inventory."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from collector import conversion
from collector.cli.commands import inventory_convert
from tests.support.command import Command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLACE = ("--project", "p1", "--region", "cn-east-3")


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path, "secret-token")


def test_an_inventory_on_stdout_is_one_that_check_accepts(command: Command) -> None:
    made = command.run("inventory", "convert", "-", "--from", "list", *PLACE, stdin="a\nb # x\n")
    assert made.returncode == 0
    assert made.stderr == ""
    assert made.stdout.startswith("# From <stdin> (list): 2 servers in 1 project.\nversion: 1\n")
    checked = command.run("inventory", "check", "-", stdin=made.stdout)
    assert checked.stdout == "-: ok: 2 servers in 1 project\n"


@pytest.mark.parametrize("name", ["fleet.yaml", "fleet.json"])
def test_output_is_a_new_file_in_the_form_of_its_extension(command: Command, name: str) -> None:
    arguments = ("inventory", "convert", "-", "--from", "list", *PLACE, "--output", name)
    made = command.run(*arguments, stdin="a\nb\n")
    assert (made.returncode, made.stdout) == (0, "")
    assert made.stderr == f"{name}: 2 servers in 1 project\n"
    assert command.run("inventory", "check", name).returncode == 0
    again = command.run(*arguments, stdin="c\n")
    assert again.returncode == 2
    assert again.stderr == (
        f"collector: --output {name} exists; choose a new name, or remove it first\n"
    )
    assert "2 servers" in command.run("inventory", "check", name).stdout


def test_what_was_left_out_is_listed_by_line_and_the_code_says_so(command: Command) -> None:
    (command.home / "a.csv").write_bytes(b"uuid;name\r\nid-1;M\xfcnchen\r\n;b\r\nx/y;c\r\n")
    made = command.run("inventory", "convert", "a.csv", "--from", "csv", *PLACE)
    assert made.returncode == 3
    assert "name: München" in made.stdout or 'name: "München"' in made.stdout
    assert made.stderr.splitlines() == [
        "a.csv: read as windows-1252",
        "a.csv: columns: server_id from 'uuid', name from 'name'",
        "a.csv: line 3: no server_id",
        "a.csv: line 4: server_id 'x/y' is no id: slashes or control characters",
    ]
    quiet = command.run("inventory", "convert", "a.csv", "--from", "csv", *PLACE, "-q")
    assert quiet.stderr.splitlines() == made.stderr.splitlines()[2:]


def test_where_nothing_is_converted_no_file_is_made(command: Command) -> None:
    made = command.run(
        "inventory", "convert", "-", "--from", "list", "--output", "f.yaml", stdin="a\nb\n"
    )
    assert made.returncode == 2
    assert made.stderr.splitlines() == [
        (
            "<stdin>: all 2 of its servers: no project: give --project ID, or --map "
            "project_id=... names where it is"
        ),
        "collector: <stdin>: no server was converted; see the reasons above",
    ]
    assert not (command.home / "f.yaml").exists()


def test_json_gives_counts_and_what_was_left_out(command: Command) -> None:
    arguments = ("inventory", "convert", "-", "--from", "list", *PLACE, "--json")
    refused = command.run(*arguments, stdin="a\n")
    assert refused.returncode == 2
    assert "--json needs --output FILE" in refused.stderr
    made = command.run(*arguments, "--output", "f.json", stdin="a\nb\na\n")
    assert made.returncode == 3
    assert json.loads(made.stdout) == {
        "converted": 2,
        "projects": 1,
        "servers": 3,
        "skipped": [
            {"where": "line 3", "what": "server 'a' is listed twice; kept the one of line 1"}
        ],
        "notes": [],
        "output": "f.json",
    }  # fmt: skip


def test_a_saved_listing_of_ansible_is_converted_from_stdin(command: Command) -> None:
    listing = {
        "_meta": {"hostvars": {"web1": {"server_id": "id-1", "ansible_password": "canary"}}},
        "web": {"hosts": ["web1"]},
    }
    made = command.run(
        "inventory", "convert", "-", "--from", "ansible", *PLACE, stdin=json.dumps(listing)
    )
    assert made.returncode == 0
    assert '- {id: id-1, name: web1, tags: {web: "yes"}}' in made.stdout
    assert "canary" not in made.stdout + made.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "csv", "--map", "server_id"], "use FIELD=COLUMN"),
        (["--from", "csv", "--map", "serverid=x"], "did you mean 'server_id'?"),
        (["--from", "csv", "--map", "name=a", "--map", "name=b"], "--map name is given twice"),
        (["--from", "csv", "--output", "a.toml"], ".yaml, .yml or .json"),
        (["--from", "excel"], "'excel' is not one of"),
        ([], "--from"),
    ],
)
def test_a_wrong_command_line_is_refused(command: Command, arguments: list[str], said: str) -> None:
    made = command.run("inventory", "convert", "-", *arguments, stdin="")
    assert made.returncode == 2
    assert said in made.stderr
    assert "Traceback" not in made.stderr


def test_the_command_knows_every_kind_of_source() -> None:
    assert inventory_convert.KINDS == conversion.KINDS


@pytest.mark.parametrize("name", ["missing", ".", "/dev/null"])
@pytest.mark.parametrize("kind", ["csv", "list", "terraform"])
def test_a_file_that_cannot_be_read_is_told_in_one_line(
    command: Command, name: str, kind: str
) -> None:
    made = command.run("inventory", "convert", name, "--from", kind, *PLACE)
    assert made.returncode == 2
    assert made.stderr.startswith(f"collector: {name}: ")
    assert made.stderr.count("\n") == 1


MEMORY_KIB = 300 << 10
"""Of the process at its largest."""
MEASURED = """
import resource, subprocess, sys
with open(sys.argv[1], "rb") as source:
    ended = subprocess.run(sys.argv[2:], stdin=source, capture_output=True, text=True)
print(ended.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
print(ended.stderr[:2000])
"""


def hundred_mb(path: Path) -> None:
    with path.open("wb") as file:
        file.seek(100_000_000)
        file.write(b"x")


def commas(path: Path) -> None:
    path.write_bytes(b"[" + b"[],[]," * 10_000_000 + b"1]")


def deep(path: Path) -> None:
    path.write_bytes(b'{"a":' * 10_000_000)


def one_line(path: Path) -> None:
    path.write_bytes(b"id," + b"x," * 25_000_000)


def blank_lines(path: Path) -> None:
    path.write_bytes(b"id\n" + b"\n" * 40_000_000)


def quotes(path: Path) -> None:
    path.write_bytes(b"id\n" + b'a,"x\n' * 500_000)


def groups(path: Path) -> None:
    path.write_bytes(b"{" + b",".join(b'"g%d":{}' % n for n in range(1_000_000)) + b"}")


def tags(path: Path) -> None:
    header = b"id," + b",".join(b"tag:t%d" % n for n in range(900))
    rows = b"".join(b"i%d" % n + b",x" * 900 + b"\n" for n in range(5_000))
    path.write_bytes(header + b"\n" + rows)


HOSTILE: dict[Callable[[Path], None], str] = {
    hundred_mb: "list", commas: "terraform", deep: "ansible", one_line: "csv", blank_lines: "csv",
    quotes: "csv", groups: "ansible", tags: "csv",
}  # fmt: skip
"""What is made, and as what it is converted where there is no time for all kinds."""


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        pytest.param(make, kind, id=f"{make.__name__}-{kind}",
                     marks=[] if kind == likely else pytest.mark.deep)
        for make, likely in HOSTILE.items()
        for kind in inventory_convert.KINDS
    ],
)  # fmt: skip
def test_a_hostile_source_costs_little_memory_and_no_traceback(
    tmp_path: Path, make: Callable[[Path], None], kind: str
) -> None:
    make(tmp_path / "source")
    arguments = ("-m", "collector", "inventory", "convert", "-", "--from", kind, *PLACE)
    ended = subprocess.run(
        [sys.executable, "-c", MEASURED, "source", sys.executable, *arguments], cwd=tmp_path,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    first, _, told = ended.stdout.partition("\n")
    code, largest_kib = map(int, first.split())
    assert code in (2, 3), told
    assert "Traceback" not in told
    assert largest_kib < MEMORY_KIB, told
    (tmp_path / "source").unlink()
