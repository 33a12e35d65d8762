"""Waits of seconds that take hundredths: for what hangs on their order, not on their length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

IMPATIENT: Final[Mapping[str, object]] = {
    "collector.engine.polling.timing.FIRST_ASK_S": 0.05,
    "collector.engine.polling.timing.SOONEST_S": 0.05,
    "collector.engine.outcomes.retry.BACK_OFF_BASE_S": 0.05,
    "collector.engine.outcomes.retry.NOT_READY_SOON_S": (0.05, 0.1),
    "collector.engine.admission.circuit_breaker.FIRST_PROBE_S": 0.05,
    "collector.engine.admission.endpoint_breaker.FIRST_PROBE_S": 0.05,
    "collector.engine.outcomes.retry.LAG_FIRST_S": 0.05,
    "collector.engine.outcomes.retry.LAG_FOR_S": 0.5,
}
"""For services that are in order by and large."""

HURRIED: Final[Mapping[str, object]] = {
    "collector.engine.outcomes.retry.BACK_OFF_BASE_S": 0.05,
    "collector.engine.outcomes.retry.BACK_OFF_CAP_S": 0.2,
    "collector.engine.outcomes.retry.NOT_READY_SOON_S": (0.02, 0.1),
    "collector.engine.outcomes.retry.NOT_READY_LATE_S": (0.02, 0.1),
    "collector.engine.outcomes.retry.NOT_READY_FOR_S": 0.5,
    "collector.engine.outcomes.retry.LAG_FOR_S": 0.5,
    "collector.engine.outcomes.retry.LAG_FIRST_S": 0.1,
    "collector.engine.outcomes.retry.LONGEST_RETRY_AFTER_S": 0.5,
    "collector.engine.outcomes.retry.INSTEAD_OF_RETRY_AFTER_S": 0.2,
    "collector.engine.polling.timing.FIRST_ASK_S": 0.05,
    "collector.engine.polling.timing.SOONEST_S": 0.05,
    "collector.providers.http.wire.TOTAL_S": 1.5,
}
"""For services that answer anything: limits of minutes are seconds too, so that a run ends."""


def shorten(patch: pytest.MonkeyPatch, waits: Mapping[str, object]) -> None:
    """Let them take that long."""
    for name, value in waits.items():
        patch.setattr(name, value)
