"""Values of options, and what is said where they are wrong."""

from __future__ import annotations

import logging

import click
import platformdirs
import pytest
from click.testing import CliRunner

from collector.cli import main
from collector.cli.options import PHASE_TIMEOUT, SHARE, SIZE
from collector.cli.user_state import user_memory


@pytest.mark.parametrize(
    "value", ["0", "-1", "1.01", "nan", "inf", "90%", "", ".", "half", "٣", "1e-1"]
)
def test_a_share_that_is_none_is_refused_with_what_is_one(value: str) -> None:
    with pytest.raises(click.BadParameter, match=r"invalid share .*0\.9 for nine tenths"):
        SHARE.convert(value, None, None)


@pytest.mark.parametrize(("value", "share"), [("1", 1.0), ("0.05", 0.05)])
def test_a_share_is_read(value: str, share: float) -> None:
    assert SHARE.convert(value, None, None) == share


@pytest.mark.parametrize(
    ("value", "size"), [("500KB", 500_000), ("50MB", 50_000_000), ("2GiB", 2 << 30), ("7", 7)]
)
def test_a_size_is_read(value: str, size: int) -> None:
    assert SIZE.convert(value, None, None) == size


@pytest.mark.parametrize("value", ["0", "-1", "fast", "5 apples", "", "٣MB", "9999999999TiB"])
def test_a_size_that_is_none_is_refused_with_what_is_one(value: str) -> None:
    with pytest.raises(click.BadParameter, match=r"invalid size .*; use 500KB, 50MB or 2GiB"):
        SIZE.convert(value, None, None)


def test_a_phase_and_its_time_are_read() -> None:
    assert PHASE_TIMEOUT.convert("export=1h30m", None, None) == ("export", 5400.0)


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ("sleep=3m", "unknown phase 'sleep'; use export=90m or download=10m"),
        ("90m", "invalid value '90m'; use PHASE=DURATION, e.g. export=90m"),
        ("export=", "invalid duration ''"),
        ("export=soon", "invalid duration 'soon'; use 90, 90s, 15m or 2h30m"),
        ("export=0", "must be greater than 0, e.g. export=90m"),
    ],
)
def test_a_phase_that_cannot_be_limited_so_is_a_usage_error_that_says_what_is_right(
    value: str, right: str
) -> None:
    answer = CliRunner().invoke(main, ["collect", "fleet.yaml", "--phase-timeout", value])
    assert answer.exit_code == 2
    assert right in " ".join(answer.stderr.split())


def test_a_user_without_a_home_remembers_nothing_and_is_told_if_asked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def homeless(_: str) -> None:
        raise RuntimeError("could not determine the home directory")

    caplog.set_level(logging.DEBUG, "collector")
    monkeypatch.setattr(platformdirs, "user_state_path", homeless)
    assert user_memory() is None
    assert [line.levelname for line in caplog.records] == ["INFO"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("colect", "No such command 'colect'. Did you mean 'collect'?"),
        ("resume", "No such command 'resume'. Did you mean 'collect --resume'?"),
        ("xyzzy", "No such command 'xyzzy'."),
    ],
)
def test_an_unknown_command_is_a_usage_error_that_says_the_near_one(given: str, said: str) -> None:
    answer = CliRunner().invoke(main, [given])
    assert answer.exit_code == 2
    assert answer.stderr.rstrip().endswith(said)
