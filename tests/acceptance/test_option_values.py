"""Values of options that make no sense: each is refused with what would be right."""

from __future__ import annotations

import pytest

from tests.support.command import run


def refused(*arguments: str) -> str:
    """The line that says why."""
    ended = run(*arguments)
    assert ended.returncode == 2, ended.stderr
    assert ended.stdout == ""
    *usage, said = ended.stderr.splitlines()
    assert [line.split()[0] for line in usage if line] in (["Usage:", "Try"], [])
    assert said.isprintable()
    assert len(said) < 200
    return said


@pytest.mark.parametrize("value", ["10q", "1e400h", "99999999999h", "-5", "٣s", "nan", "1\x1b[2J"])
def test_a_duration_that_is_none_is_refused_with_ones_that_are(value: str) -> None:
    said = refused("collect", "fleet.yaml", f"--deadline={value}")
    assert "'--deadline': invalid duration '" in said
    assert said.endswith("; use 90, 90s, 15m or 2h30m")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["collect", "x.json", "--deadline", "0"], "must be greater than 0, e.g. 30m"),
        (["plan", "x.json", "--deadline", "0m"], "must be greater than 0, e.g. 30m"),
        (["collect", "x.json", "--stall-timeout", "0"], "must be greater than 0, e.g. 30s"),
        (["collect", "x.json", "--grace", "9999h"], "'9999h' is longer than a year (8760h)"),
        (["collect", "x.json", "--reuse-exports", "soon"], "invalid duration 'soon'"),
        (["collect", "x.json", "--phase-timeout", "download=0"], "e.g. download=90m"),
        (["collect", "x.json", "--max-bandwidth", "10q"], "invalid size '10q'; use 500KB"),
        (["collect", "x.json", "--max-unpacked", "9" * 9999], "invalid size '999"),
        (["collect", "x.json", "--max-ratio", "nan"], "must be a finite number, e.g. 1000"),
        (["collect", "x.json", "--share", "nan"], "invalid share 'nan'; use a number above 0"),
        (["emulator", "--limit", "9" * 5000 + "/1s"], "invalid limit '999"),
        (["emulator", "--limit", "٣/1s"], "invalid limit"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else value[0] + value[-2],
)
def test_a_value_that_makes_no_sense_is_refused(arguments: list[str], reason: str) -> None:
    assert reason in refused(*arguments)
