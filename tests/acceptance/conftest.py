from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.command import COLLECTOR, environment
from tests.acceptance.trial import Trials

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.acceptance.trial import Plan


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the demo's tests be the last: it takes its time while others run."""
    items.sort(key=lambda item: "demo" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="session", autouse=True)
def demo_process(
    request: pytest.FixtureRequest, demo_home: Path
) -> Iterator[subprocess.Popen[str] | None]:
    """The demo, begun before the first test, where one of those that run asks for it."""
    if not any("demo" in getattr(item, "fixturenames", ()) for item in request.session.items):
        yield None
        return
    with subprocess.Popen(
        [COLLECTOR, "demo", "--json", "--progress", "plain"],
        cwd=demo_home,
        env=environment(XDG_STATE_HOME=str(demo_home / "state")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


@pytest.fixture(scope="session", autouse=True)
def trials(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Trials]:
    """The runs that tests of this session look at, begun before the first test."""
    begun = Trials(_plans(request.session.items), tmp_path_factory.mktemp("trials"))
    yield begun
    begun.close()


def _plans(items: list[pytest.Item]) -> dict[str, Plan]:
    """Find the plans whose names are fixtures or parameters of tests."""
    found: dict[str, Plan] = {}
    for item in items:
        plans: dict[str, Plan] = getattr(getattr(item, "module", None), "PLANS", {})
        names: list[str] = list(getattr(item, "fixturenames", ()))
        if (called := getattr(item, "callspec", None)) is not None:
            names += [value for value in called.params.values() if isinstance(value, str)]
        found |= {name: plans[name] for name in names if name in plans}
    return found
