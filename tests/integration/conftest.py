from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True, scope="session")
def _no_proxies() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.lower().endswith("_proxy"):
                patch.delenv(name)
        yield


@pytest.fixture(scope="module")
def impatient() -> Iterator[None]:
    """Waits of seconds take hundredths: for what hangs on their order, not on their length."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("collector.engine.polling.timing.FIRST_ASK_S", 0.05)
        patch.setattr("collector.engine.polling.timing.SOONEST_S", 0.05)
        patch.setattr("collector.engine.outcomes.retry.BACK_OFF_BASE_S", 0.05)
        patch.setattr("collector.engine.outcomes.retry.NOT_READY_SOON_S", (0.05, 0.1))
        patch.setattr("collector.engine.admission.circuit_breaker.FIRST_PROBE_S", 0.05)
        patch.setattr("collector.engine.outcomes.retry.LAG_FIRST_S", 0.05)
        patch.setattr("collector.engine.outcomes.retry.LAG_FOR_S", 0.5)
        yield
