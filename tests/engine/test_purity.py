"""The engine decides and does nothing else: what its modules import and call says so."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import collector

ROOT = Path(collector.__file__).parent
MODULES = sorted(path for room in ("model", "engine") for path in (ROOT / room).rglob("*.py"))
WITH_A_WORLD = {
    "anyio", "asyncio", "builtins", "concurrent", "http", "importlib", "io", "logging",
    "multiprocessing", "os", "pathlib", "queue", "secrets", "select", "selectors", "shutil",
    "signal", "socket", "ssl", "subprocess", "tempfile", "threading", "time", "urllib", "uuid",
}  # fmt: skip
CLOCKS = {"now", "today", "utcnow"}
BUILTINS_WITH_A_WORLD = {"open", "input", "print", "exec", "eval", "__import__"}


@pytest.fixture(params=MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def module(request: pytest.FixtureRequest) -> ast.Module:
    path: Path = request.param
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(module: ast.Module) -> set[str]:
    """Return the names of all modules that a module imports, also inside its functions."""
    names = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports in the engine are absolute"
            names.add(node.module or "")
            if node.module == "collector":
                names |= {f"collector.{alias.name}" for alias in node.names} - {"collector"}
                names.discard("collector")
    return names


def test_there_are_modules_to_look_at() -> None:
    assert len(MODULES) > 10


def test_nothing_is_imported_but_the_standard_library_and_the_engine(module: ast.Module) -> None:
    for name in imported(module):
        of_the_engine = f"{name}.".startswith(("collector.engine.", "collector.model."))
        assert of_the_engine or name.split(".")[0] in sys.stdlib_module_names, name


def test_nothing_is_imported_that_reaches_the_world(module: ast.Module) -> None:
    assert not {name.split(".")[0] for name in imported(module)} & WITH_A_WORLD


def test_no_clock_is_read(module: ast.Module) -> None:
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id in ("datetime", "date") and node.attr in CLOCKS) is False


def test_randomness_comes_from_a_seeded_generator_alone(module: ast.Module) -> None:
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom):
            assert node.module != "random", "from random import ... hides where it comes from"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert node.value.id != "random" or node.attr == "Random"
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "random.Random":
            assert node.args, "a generator without a seed"


def test_nothing_waits_reads_or_prints(module: ast.Module) -> None:
    waits = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
    for node in ast.walk(module):
        assert not isinstance(node, waits)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in BUILTINS_WITH_A_WORLD
