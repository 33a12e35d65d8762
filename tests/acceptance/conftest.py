from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.trial import Trials

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.support.trial import Plan


@pytest.fixture(scope="session")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    """The runs that tests look at."""
    begun = Trials(tmp_path_factory.mktemp("trials"))
    yield begun
    begun.close()


@pytest.fixture(scope="module", autouse=True)
def _begin_trials(request: pytest.FixtureRequest, trials: Trials) -> None:
    """Begin all runs that tests of this module look at before the first of them waits for one."""
    trials.begin(_plans(item for item in request.session.items if item.path == request.path))


def _plans(items: Iterable[pytest.Item]) -> dict[str, Plan]:
    """Find the plans whose names are fixtures or parameters of tests."""
    found: dict[str, Plan] = {}
    for item in items:
        plans: dict[str, Plan] = getattr(getattr(item, "module", None), "PLANS", {})
        names: list[str] = list(getattr(item, "fixturenames", ()))
        if (called := getattr(item, "callspec", None)) is not None:
            names += [value for value in called.params.values() if isinstance(value, str)]
        found |= {name: plans[name] for name in names if name in plans}
    return found
