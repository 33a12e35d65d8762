from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collector.model.state import RunState, apply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from collector.model.events import Event


@pytest.fixture(scope="session")
def folded() -> Callable[[Iterable[Event]], RunState]:
    """The state that a journal of these events gives."""

    def fold(events: Iterable[Event]) -> RunState:
        state = RunState()
        for event in events:
            apply(state, event)
        return state

    return fold
