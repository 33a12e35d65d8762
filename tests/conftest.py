from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.support.patience import IMPATIENT, shorten
from tests.support.warm import cool_down

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOW = [HealthCheck.too_slow]  # a busy machine says nothing of the program
settings.register_profile("short", deadline=None, suppress_health_check=SLOW)
settings.register_profile("deep", settings.get_profile("short"), max_examples=500)
settings.load_profile("short")  # unless `--hypothesis-profile` says otherwise


@pytest.fixture(autouse=True, scope="session")
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes what the user's own runs have learned."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_proxies() -> Iterator[None]:
    """No test's calls go where the user's own would go."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.lower().endswith("_proxy"):
                patch.delenv(name)
        yield


@pytest.fixture(autouse=True, scope="session")
def _warm() -> Iterator[None]:
    """The process that starts commands quickly does not outlive the tests."""
    yield
    cool_down()


@pytest.fixture(scope="module")
def impatient() -> Iterator[None]:
    """Waits of seconds take hundredths: for what hangs on their order, not on their length."""
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch, IMPATIENT)
        yield


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
