from __future__ import annotations

import pytest

from benchmarks import agreement


@pytest.mark.parametrize("both", agreement.FLEETS, ids=lambda both: both.simulated.name)
def test_the_emulator_and_the_simulator_are_told_the_same(both: agreement.Both) -> None:
    durations_s = [float(number + 1) for number in range(both.simulated.servers)]
    emulated = both.emulated(durations_s)
    assert [server.export_duration_s for server in emulated.projects[0].servers] == durations_s
    assert emulated.exports_in_flight == both.simulated.exports_running
    assert [(t.scope, t.limit, t.per_s, t.window) for t in emulated.throttles] == [
        (str(limit.kind), limit.limit, limit.window_s, limit.windows)
        for limit in both.simulated.limits
    ]
