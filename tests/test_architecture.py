"""Who may import whom: the table in docs/architecture.md, as a test."""

from __future__ import annotations

import ast
import pkgutil
import re
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import collector

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(collector.__file__).parent
PAGE = ROOT.parent / "docs" / "architecture.md"

MAY_IMPORT: dict[str, set[str]] = {
    "model": set(),
    "engine": {"model"},
    "bystander": set(),
    "errors": {"printable"},
    "clock": set(),
    "sizes": set(),
    "durations": set(),
    "addresses": set(),
    "files": set(),
    "beneath": {"files"},
    "inputs": set(),
    "descriptors": set(),
    "redaction": set(),
    "printable": set(),
    "signals": set(),
    "threads": set(),
    "event_loop": set(),
    "emulator": set(),
    "inventory": {
        *("addresses", "durations", "errors", "files", "inputs", "model.answers", "printable"),
        *("providers", "sizes"),
    },
    "discovery": {"addresses", "errors", "inventory", "model", "providers"},
    "conversion": {
        *("errors", "inputs", "inventory", "model.fields", "providers.rules", "redaction"),
    },
    "providers": {
        *("model", "archive", "errors", "clock", "descriptors", "files", "inputs", "redaction"),
        *("durations", "threads"),
    },
    "archive": {"model", "sizes", "beneath", "files", "descriptors", "threads"},
    "report": {"model", "printable"},
    "pages": {"report"},
    "rundir": {
        *(
            "model",
            "report",
            "pages",
            "providers",
            "errors",
            "archive",
            "beneath",
            "files",
            "addresses",
        ),
        "threads",
    },
    "sharing": {"model", "rundir", "archive.names", "files", "threads"},
    "history": {"model", "report", "errors", "files"},
    "diagnosis": {
        *("descriptors", "history", "printable", "providers", "redaction", "sizes"),
        "rundir.file_system",
    },
    "planning": {"model", "providers", "rundir", "sizes"},
    "preflight": {"model", "providers", "clock"},
    "runtime": {
        *("model", "engine", "errors", "inventory", "providers", "archive", "rundir"),
        *(
            "report",
            "sharing",
            "history",
            "planning",
            "preflight",
            "clock",
            "descriptors",
            "files",
            "redaction",
        ),
        *("bystander", "threads"),
    },
    "serving": {
        *("descriptors", "errors", "model", "pages", "printable", "report", "rundir"),
        *("bystander", "threads"),
    },
    "observe": {"bystander", "model", "printable", "redaction", "report", "sizes"},
}
"""For each room, the modules and rooms of the project that it may import, itself aside."""

AT_THE_TOP = {"", "__main__", "cli"}
"""The package's front, which loads its names when they are used, and the command line."""


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def imports(path: Path) -> Iterator[str]:
    """Yield what a module imports, also inside functions; of the project without its name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                of_a_module = full.removeprefix("collector.") in MODULES
                yield full if of_a_module else str(node.module)


def of_the_project(path: Path) -> set[str]:
    own = {name for name in imports(path) if name.split(".")[0] == "collector"}
    return {name.removeprefix("collector").lstrip(".") for name in own}


def room_of(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def allowed(room: str, wanted: str) -> bool:
    return any(wanted == one or wanted.startswith(f"{one}.") for one in {room, *MAY_IMPORT[room]})


@pytest.mark.parametrize("name", [name for name in MODULES if room_of(name) not in AT_THE_TOP])
def test_a_room_imports_only_what_the_table_allows(name: str) -> None:
    room = room_of(name)
    assert room in MAY_IMPORT, f"{name} is in no room: add it to the table, here and in the docs"
    for wanted in of_the_project(MODULES[name]):
        assert allowed(room, wanted), f"{name} imports {wanted}"


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_the_table_allows_a_room_nothing_that_it_does_not_import(room: str) -> None:
    wanted = {
        one
        for name, path in MODULES.items()
        if room_of(name) == room
        for one in of_the_project(path)
    }
    for needless in MAY_IMPORT[room]:
        used = any(one == needless or one.startswith(f"{needless}.") for one in wanted)
        assert used, f"{room} does not import {needless}: take it out, here and in the docs"


@pytest.mark.parametrize(
    "room",
    [
        "model",
        "engine",
        "errors",
        "clock",
        "sizes",
        "durations",
        "addresses",
        "files",
        "inputs",
        "descriptors",
        "redaction",
        "printable",
    ],
)
def test_the_innermost_rooms_need_nothing_but_the_standard_library(room: str) -> None:
    for name, path in MODULES.items():
        if room_of(name) == room:
            for wanted in imports(path):
                top = wanted.split(".")[0]
                assert top == "collector" or top in sys.stdlib_module_names, f"{name}: {wanted}"


def test_a_vendor_is_known_by_its_name_alone() -> None:
    for name, path in MODULES.items():
        if not name.startswith("providers."):
            for wanted in of_the_project(path):
                assert not wanted.startswith(("providers.clouddc", "providers.http")), name
    vendors = ("providers.clouddc", "emulator", "cli.commands.emulator", "cli.commands.demo")
    naming = {
        name
        for name, path in MODULES.items()
        if not name.startswith(vendors) and "clouddc" in path.read_text(encoding="utf-8").lower()
    }
    assert naming == {"model.fields"}


def test_what_vendors_share_knows_none_of_them() -> None:
    for name, path in MODULES.items():
        if name.startswith("providers.") and not name.startswith("providers.clouddc"):
            for wanted in of_the_project(path):
                assert not wanted.startswith("providers.clouddc"), name


def at_load(path: Path) -> set[str]:
    """Return what a module of the project imports of it when it is loaded."""
    body = [*ast.parse(path.read_text(encoding="utf-8")).body]
    found: set[str] = set()
    while body:
        node = body.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            body += node.orelse
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
            found |= {name.removeprefix("collector.") for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("collector.") for alias in node.names}
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
    return found & MODULES.keys()


def assert_no_cycle(arrows: dict[str, set[str]]) -> None:
    try:
        list(TopologicalSorter(arrows).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_no_imports_form_a_cycle() -> None:
    loads = {name: at_load(path) - {name} for name, path in MODULES.items() if name}
    packages = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    assert_no_cycle(
        {
            # A module is in its package, so that one does not have to load before the other.
            name: {one for one in of if not name.startswith(f"{one}.") or one not in packages}
            for name, of in loads.items()
        }
    )


def test_rooms_form_no_cycle() -> None:
    rooms: dict[str, set[str]] = {}
    for name, path in MODULES.items():
        if room_of(name) not in AT_THE_TOP:
            wanted = {room_of(one) for one in of_the_project(path)}
            rooms.setdefault(room_of(name), set()).update(wanted - {room_of(name), ""})
    assert_no_cycle(rooms)


def test_the_archive_room_knows_no_format() -> None:
    for name, path in MODULES.items():
        if room_of(name) == "archive" and not name.startswith("archive.targz"):
            wanted = [one for one in of_the_project(path) if one.startswith("archive.targz")]
            assert not wanted, f"{name} imports {wanted}"


LINES_OF_A_MODULE, LINES_OF_A_FUNCTION = 350, 60


@pytest.mark.parametrize("name", MODULES)
def test_a_module_and_its_functions_have_an_end(name: str) -> None:
    text = MODULES[name].read_text(encoding="utf-8")
    assert text.count("\n") <= LINES_OF_A_MODULE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < LINES_OF_A_FUNCTION, node.name


def test_nobody_outside_the_engine_imports_more_than_its_face() -> None:
    for name, path in MODULES.items():
        if room_of(name) != "engine":
            deeper = {one for one in of_the_project(path) if one.startswith("engine.")}
            assert not deeper, f"{name} imports {deeper}"
    root = ROOT.parent
    switches_parts_off = root / "benchmarks" / "pacing" / "mechanisms.py"
    for path in set((root / "benchmarks").rglob("*.py")) - {switches_parts_off}:
        deeper = {one for one in of_the_project(path) if one.startswith("engine.")}
        assert not deeper, f"{path.relative_to(root)} imports {deeper}"


def test_nobody_imports_the_command_line() -> None:
    for name, path in MODULES.items():
        if room_of(name) not in {"cli", "__main__"}:
            assert not any(room_of(wanted) == "cli" for wanted in of_the_project(path)), name


def test_the_documentation_names_every_room() -> None:
    rooms = PAGE.read_text(encoding="utf-8").partition("## Rooms")[2].partition("## Ports")[0]
    for name, path in MODULES.items():
        room = room_of(name)
        if room in {"", "__main__"}:
            continue
        entry = f"`{room}/`" if path.parent != ROOT else f"`{room}.py`"
        assert f"| {entry} |" in rooms, f"docs/architecture.md does not name {entry}"


def test_each_of_ten_steps_names_what_does_it() -> None:
    steps = PAGE.read_text(encoding="utf-8").partition("in ten steps")[2].partition("## Three")[0]
    numbered = re.split(r"^\d+\. ", steps, flags=re.MULTILINE)[1:]
    assert len(numbered) == 10
    for step in numbered:
        names = re.findall(r"`(collector[\w.]+)`", step)
        assert names, step
        for name in names:
            assert pkgutil.resolve_name(name) is not None


PRINTS = frozenset({"print", "click.echo", "click.secho", "sys.stdout", "sys.stderr"})
MAY_PRINT = frozenset({"cli.streams", "observe.logs", "observe.checking", "observe.progress"})


def test_text_leaves_by_one_place() -> None:
    printing = {
        name
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in PRINTS
    }
    assert printing == MAY_PRINT


CHANGES = frozenset(
    {
        *("write", "writev", "pwrite", "fsync", "fdatasync", "ftruncate", "truncate", "rename"),
        *("replace", "unlink", "remove", "rmdir", "mkdir", "makedirs", "symlink", "link", "chmod"),
        *("fchmod", "write_text", "write_bytes", "symlink_to", "hardlink_to", "touch", "copyfile"),
    }
)
"""Functions of `os`, and methods of paths, that change a disk."""


@pytest.mark.parametrize("room", ["archive", "rundir", "sharing"])
def test_a_room_changes_the_disk_through_one_layer_alone(room: str) -> None:
    changing = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.func.attr}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CHANGES
        and not _is_harmless(node)
    ]
    assert changing == []


def test_blocking_work_goes_to_a_thread_in_one_way_alone() -> None:
    for name, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        assert name in {"threads", "emulator.working"} or "to_thread" not in text, name
        assert "run_in_executor" not in text, name


def _is_harmless(call: ast.Call) -> bool:
    """Whether a call is of the layer, of data, or of our own objects."""
    assert isinstance(call.func, ast.Attribute)
    of = ast.unparse(call.func.value)
    if of in {"files", "self", "self._destination"}:
        return True
    if of.startswith(("text", "line", "dataclasses", "Counter")):
        return True
    return call.func.attr == "replace" and len(call.args) == 2  # a text's
