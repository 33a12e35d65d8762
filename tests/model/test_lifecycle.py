from __future__ import annotations

import pytest

from collector.model.answers import Call
from collector.model.lifecycle import LIFECYCLE, STAGES, TIMEOUTS, WAITING_PHASES, calls_from
from collector.model.rows import Phase


def test_every_phase_has_its_words() -> None:
    assert set(LIFECYCLE) == set(Phase)
    for phase, step in LIFECYCLE.items():
        assert bool(step.stage) == bool(step.waiting) == (not phase.ended)


def test_the_words_are_those_of_the_manifest_and_the_command_line() -> None:
    assert STAGES == ("export", "status", "download", "verify", "store")
    assert WAITING_PHASES == ("queued", "exporting", "downloading")
    assert TIMEOUTS == ("export", "download")


@pytest.mark.parametrize(("call", "left"), [*zip(Call, (3, 2, 1), strict=True)])
def test_a_server_needs_the_call_that_it_waits_for_and_those_after_it(
    call: Call, left: int
) -> None:
    assert calls_from(call)[0] is call
    assert len(calls_from(call)) == left


@pytest.mark.parametrize("phase", [*Phase])
def test_the_wanted_call_is_the_first_that_is_still_needed(phase: Phase) -> None:
    step = LIFECYCLE[phase]
    assert step.wanted in (None, *step.calls[:1])
    assert bool(step.calls) == (not phase.ended)
