"""Inventories that hold too much, or what no inventory holds: refused soon, in little memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.command import COLLECTOR, Command, environment
from tests.support.odd_files import PATIENCE_S, ended, hole, lines_of, listening, put

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

MEMORY_KIB = 300 << 10
PATIENT_S = 20.0
"""Of the processor: each takes a second or so, on a machine that has nothing else to do."""

BEGUN = "version: 1\nprojects:\n- id: p\n  region: cn-east-3\n  servers:\n"
TABLES = 'version = 1\n[[projects]]\nid = "p"\nregion = "cn-east-3"\n'
ROW = "project_id,server_id,region\n"


def server(**members: Any) -> str:  # noqa: ANN401  # anything that JSON writes
    one = {"id": "p", "region": "cn-east-3", "servers": [{"id": "s"} | members]}
    return json.dumps({"version": 1, "projects": [one]})


BOMBS: Mapping[str, Callable[[], str]] = {
    # TOML
    "dots.toml": lambda: "version = 1\n" + ".".join(["a"] * 100_000) + " = 1\n",
    "dots in quotes.toml": lambda: "version = 1\n" + ".".join(['"a"'] * 100_000) + " = 1\n",
    "dots apart.toml": lambda: "version = 1\n" + "a . " * 100_000 + "= 1\n",
    "dots in a header.toml": lambda: "version = 1\n[" + ".".join(["a"] * 100_000) + "]\n",
    "dots in a table.toml": lambda: "x = {" + ".".join(["a"] * 100_000) + " = 1}\n",
    "quotes that do not end.toml": lambda: "." * 60 + '"' + '\\"' * 400_000,
    "keys.toml": lambda: "".join(f"k{number} = 1\n" for number in range(300_000)),
    "tables.toml": lambda: "".join(f"[t{number}]\n" for number in range(300_000)),
    "projects.toml": lambda: "version = 1\n" + "[[projects]]\n" * 300_000,
    "lists in lists.toml": lambda: "version = 1\na = " + "[" * 100_000,
    "digits.toml": lambda: "version = " + "1" * 1_000_000,
    "escapes.toml": lambda: 'x = """\n' + "\\n\\n\n" * 900_000 + '"""\n',
    "comments.toml": lambda: "#\n" * 5_000_000,
    # CSV
    "columns.csv": lambda: ROW[:-1] + ",x" * 1_000_000 + "\n",
    "tags.csv": lambda: ROW[:-1] + "".join(f",tag:{n}" for n in range(500_000)) + "\n",
    "a cell.csv": lambda: ROW + "p," + "s" * 60_000_000 + ",cn-east-3\n",
    "no rows.csv": lambda: ROW + "\n" * 30_000_000,
    "rows twice.csv": lambda: ROW + "p,s,cn-east-3\n" * 200_000,
    "projects.csv": lambda: ROW + "".join(f"p{n},s,nowhere\n" for n in range(200_000)),
    "no end of a quote.csv": lambda: ROW + 'p,"' + "s\n" * 500_000,
    # YAML
    "lists in lists.yaml": lambda: "[" * 100_000,
    "mappings in mappings.yaml": lambda: "{a: " * 100_000,
    "laughs.yaml": lambda: "a: &a [x, x]\n" + "b: [" + "*a, " * 400_000 + "]\n",
    "keys.yaml": lambda: "".join(f"k{number}: 1\n" for number in range(1_000_000)),
    "a key.yaml": lambda: "version: 1\n" + "k: 1\n" * 300_000,
    "lists.yaml": lambda: "x: [" + "[]," * 3_000_000 + "]\n",
    "digits.yaml": lambda: "version: " + "1" * 1_000_000,
    "sixties.yaml": lambda: "version: 1" + ":1" * 500_000,
    "a text.yaml": lambda: BEGUN + "  - id: " + "s" * 60_000_000,
    "in quotes.yaml": lambda: BEGUN + '  - id: "' + "s" * 60_000_000 + '"',
    "documents.yaml": lambda: "---\n" * 1_000_000,
    "infinite.yaml": lambda: "version: 1e999\nprojects: []\n",
    "not a number.yaml": lambda: BEGUN + "  - {id: s}\n  limits: {requests_per_second: .nan}\n",
    "nothing a second.yaml": lambda: BEGUN + "  - id: s\n  limits: {requests_per_second: 1e-300}\n",
    "too many at once.yaml": lambda: BEGUN + "  - id: s\n  limits: {exports_in_flight: 1%s}\n"
    % ("0" * 200),
    "mistakes.yaml": lambda: BEGUN + "  - {id: s, nam: x}\n" * 100_000,
    "an id.yaml": lambda: BEGUN + "  - id: " + "s" * 1_025,
    "a name.yaml": lambda: BEGUN + "  - {id: s, name: " + "n" * 4_097 + "}",
    "a tag.yaml": lambda: BEGUN + "  - {id: s, tags: {a: " + "n" * 4_097 + "}}",
    "tags.yaml": lambda: BEGUN + "  - {id: s, tags: {" + "".join(f"k{n}: v," for n in range(1001))
    + "}}",
    # JSON
    "objects in objects.json": lambda: '{"a":' * 100_000,
    "keys.json": lambda: "{" + ",".join(f'"k{number}":1' for number in range(1_000_000)) + "}",
    "a key.json": lambda: "{" + ",".join(['"k":1'] * 300_000) + "}",
    "numbers.json": lambda: '{"x":[' + "1," * 10_000_000 + "1]}",
    "objects.json": lambda: '{"x":[' + "{}," * 10_000_000 + "{}]}",
    "digits.json": lambda: '{"version":' + "1" * 1_000_000 + "}",
    "a text.json": lambda: '{"version":"' + "a" * 60_000_000 + '"}',
    "half a character.json": lambda: server(id="s\ud800"),
    "half a key.json": lambda: server(tags={"\ud800": "\udfff"}),
    "nul.json": lambda: server(id="a\0b"),
    "a tag's key.json": lambda: server(tags={"k" * 4_097: "v"}),
    "mistakes.json": lambda: json.dumps(
        {"version": 1, "projects": [{"id": "p", "servers": [{"id": 5}] * 300_000}]}
    ),
}  # fmt: skip


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path, "token")


ALWAYS = frozenset({
    "dots.toml", "tables.toml", "escapes.toml", "columns.csv", "rows twice.csv", "a cell.csv",
    "lists in lists.yaml", "laughs.yaml", "a text.yaml", "mistakes.yaml",
    "objects in objects.json", "objects.json", "mistakes.json",
})  # fmt: skip
"""One of each kind in each format; the others wait for a deep run."""


@pytest.mark.parametrize(
    "bomb",
    [pytest.param(bomb, marks=() if bomb in ALWAYS else pytest.mark.deep) for bomb in BOMBS],
)
def test_an_inventory_that_holds_too_much_is_refused_soon_and_in_little_memory(
    tmp_path: Path, bomb: str
) -> None:
    name = bomb.replace(" ", "-")
    (tmp_path / name).write_text(BOMBS[bomb](), encoding="utf-8", errors="surrogatepass")
    code, peak_kib, used_s, told = measured(tmp_path, "inventory", "check", name)
    lines = told.splitlines()
    assert code == 2, lines[:3]
    assert peak_kib < MEMORY_KIB
    assert used_s < PATIENT_S
    assert 0 < len(lines) <= 51
    assert re.match(rf"{re.escape(name)}:\d+:\d+: ", lines[0]), lines[0]
    assert max(map(len, lines)) < 400


def measured(home: Path, *arguments: str) -> tuple[int, float, float, str]:
    """Run the command; return its exit code, KiB at most, seconds of the processor, and stderr.

    What the system counts of a process begins with the memory of the one that has started it: this
    one may be large, and so a small one starts the command.
    """
    done = subprocess.run(
        [sys.executable, "-S", "-c", _MEASURE, COLLECTOR, *arguments],
        cwd=home, env=environment(CLOUDDC_TOKEN="x"), capture_output=True, text=True,
        timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    code, peak, used_s = done.stdout.splitlines()[-1].split()
    return (
        int(code),
        int(peak) / (1024 if sys.platform == "darwin" else 1),
        float(used_s),
        done.stderr,
    )


_MEASURE = """
import os, resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, used.ru_maxrss, used.ru_utime + used.ru_stime)
"""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.yaml", "version: 1\n".encode("utf-16")),
        ("b.json", '{"version": 1}'.encode("utf-32")),
        ("c.csv", ROW.encode("utf-16-le")),
        ("d.toml", b"version = 1 # \xe9\n"),
        ("e.yaml", bytes(1_000_000)),
    ],
)
def test_an_inventory_that_is_no_text_is_refused(
    command: Command, name: str, content: bytes
) -> None:
    (command.home / name).write_bytes(content)
    done = ended(command, "inventory", "check", name)
    assert done.returncode == 2
    assert lines_of(done)[0].startswith(f"{name}:1:")


# What is named may be a pipe


@pytest.mark.parametrize("kind", ["directory", "device", "socket", "hole", "link to itself"])
def test_what_is_no_inventory_is_refused_in_a_line(command: Command, kind: str) -> None:
    (command.home / "fleet.json").touch()
    put(command.home / "x.yaml", kind)
    done = ended(command, "inventory", "check", "x.yaml")
    assert done.returncode == 2
    assert len(lines_of(done)) == 1


def test_pipes_that_nobody_writes_to_are_given_up(command: Command) -> None:
    """An inventory, a token's file and authorities, side by side: each waits a while."""
    os.mkfifo(command.home / "pipe")
    (command.home / "fleet.json").write_text(server())
    token = {"credentials": {"a": {"kind": "token", "token_file": "pipe"}}}
    (command.home / "token.json").write_text(json.dumps(json.loads(server()) | token))
    asked = {
        ("inventory", "check", "pipe"): "cannot read the inventory",
        ("collect", "token.json"): "the token in file",
        ("collect", "fleet.json", "--ca-file", "pipe"): "cannot read certificates",
    }
    started = {arguments: command.start(*arguments) for arguments in asked}
    for arguments, process in started.items():
        _, told = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 2, told
        assert asked[arguments] in told.splitlines()[-1]
        assert "nothing was written to" in told


def test_an_inventory_comes_through_a_pipe(command: Command) -> None:
    os.mkfifo(command.home / "pipe")
    with command.start("inventory", "check", "pipe") as process:
        (command.home / "pipe").write_text(server())
        out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert out.startswith("pipe: ok")


@pytest.mark.parametrize("kind", ["device", "socket", "hole"])
def test_authorities_that_are_no_file_are_refused_in_a_line(command: Command, kind: str) -> None:
    (command.home / "fleet.json").write_text(server())
    making = {"device": lambda place: put(place, "device"), "socket": listening, "hole": hole}
    making[kind](command.home / "ca.pem")
    done = ended(command, "collect", "fleet.json", "--ca-file", "ca.pem")
    assert done.returncode == 2
    assert "cannot read certificates" in lines_of(done)[-1]


@pytest.mark.parametrize("kind", ["directory", "device", "hole", "link to itself"])
def test_a_tokens_file_that_is_none_is_refused_in_a_line(command: Command, kind: str) -> None:
    token = {"credentials": {"a": {"kind": "token", "token_file": "token"}}}
    (command.home / "fleet.json").write_text(json.dumps(json.loads(server()) | token))
    put(command.home / "token", kind)
    done = ended(command, "collect", "fleet.json")
    assert done.returncode == 2
    assert len(lines_of(done)) == 1
    assert "the file named by token_file" in lines_of(done)[0]
