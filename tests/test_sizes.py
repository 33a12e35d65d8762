"""Sizes as people read them."""

from __future__ import annotations

import pytest

from collector.sizes import parse_size, size


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (3_400_000, "3.4 MB"),
        (1 << 20, "1 MiB"),
        (2 << 30, "2 GiB"),
        (1 << 40, "1 TiB"),
        (1 << 60, "1 EiB"),
        (1_500_000_000_000, "1.5 TB"),
        (2 * 10**18, "2.0 EB"),
    ],
)
def test_a_size_is_told_as_a_person_says_it(amount: int, told: str) -> None:
    assert size(amount) == told


@pytest.mark.parametrize("text", ["1 MiB", "7 GiB", "1 TiB"])
def test_a_limit_is_told_as_it_was_given(text: str) -> None:
    assert size(parse_size(text)) == text
