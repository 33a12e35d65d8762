"""Archives damaged at random: the same at every run, and many more where time allows.

Others: `python -m tests.support.fuzz.archives`.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.fuzz.archives import play


@pytest.mark.parametrize(
    "count", [400, pytest.param(60_000, marks=[pytest.mark.deep, pytest.mark.timeout(1800)])]
)
def test_damaged_archive_is_refused_or_unpacks_to_what_was_packed(count: int) -> None:
    seen = Counter(play(seed) for seed in range(count))
    assert seen.total() == count
    assert {"accepted", "refused", "refused inside"} <= seen.keys()
