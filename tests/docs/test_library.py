"""The public names: all load, all are documented, and none is forgotten."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import collector
from collector.model.events import EVENTS

if TYPE_CHECKING:
    from types import ModuleType


def test_every_public_name_has_its_place_and_a_docstring() -> None:
    placed = [name for names in collector.NAMES.values() for name in names.split()]
    assert sorted(placed) == sorted(collector.__all__)
    for name in collector.__all__:
        assert getattr(collector, name).__doc__, name


def test_every_event_is_public() -> None:
    assert set(EVENTS) <= set(collector.__all__)


def test_every_public_name_is_in_the_reference(render: ModuleType) -> None:
    documented = {module for modules in render.LIBRARY.values() for module in modules}
    assert documented == set(collector.NAMES)


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import __future__, sys; old = {*sys.modules}; import collector\n"
    code += "print(*(name for name in {*sys.modules} - old if name.startswith('collector')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "collector\n"
