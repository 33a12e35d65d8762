"""Types of option values, and their error messages."""

from __future__ import annotations

import math
import re
from typing import Any

import click

from collector.durations import TooLongError, parse_duration

_PART = re.compile(r"\d{0,9}(?:\.\d{0,9})?", re.ASCII)


class Duration(click.ParamType[float]):
    """`90`, `90s`, `15m`, `2h30m`: seconds as a float.

    Args:
        above_0: an example to use instead of 0, if 0 makes no sense; else None.
    """

    name = "duration"

    def __init__(self, above_0: str | None = None) -> None:
        self._above_0 = above_0

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds that `value` stands for."""
        if isinstance(value, float):
            return value
        try:
            seconds = parse_duration(str(value))
        except TooLongError:
            self.fail(f"{shown(value)} is longer than a year (8760h)", param, ctx)
        except ValueError:
            self.fail(f"invalid duration {shown(value)}; use 90, 90s, 15m or 2h30m", param, ctx)
        if not seconds and self._above_0 is not None:
            self.fail(f"must be greater than 0, e.g. {self._above_0}", param, ctx)
        return seconds


class Share(click.ParamType[float]):
    """A fraction above 0 and at most 1."""

    name = "fraction"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the fraction."""
        text = str(value).strip()
        share = float(text) if _PART.fullmatch(text) and text not in ("", ".") else 0.0
        if not 0 < share <= 1:
            self.fail(
                f"invalid share {shown(value)}; use a number above 0 and up to 1: 0.9 for nine "
                "tenths of a limit, 1 for all of it",
                param,
                ctx,
            )
        return share


class PhaseTimeout(click.ParamType[tuple[str, float]]):
    """`PHASE=DURATION`: a phase of one server, and its time limit in seconds."""

    name = "phase=duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """Return the phase and the seconds."""
        from collector.model.lifecycle import TIMEOUTS  # noqa: PLC0415  # only where one is given

        phase, equals, duration = str(value).partition("=")
        if not equals:
            self.fail(
                f"invalid value {shown(value)}; use PHASE=DURATION, e.g. {TIMEOUTS[0]}=90m",
                param,
                ctx,
            )
        if phase not in TIMEOUTS:
            self.fail(
                f"unknown phase {shown(phase)}; use {TIMEOUTS[0]}=90m or {TIMEOUTS[1]}=10m",
                param,
                ctx,
            )
        return phase, Duration(above_0=f"{phase}=90m").convert(duration, param, ctx)


class Pair(click.ParamType[tuple[str, str]]):
    """`KEY=VALUE`."""

    name = "key=value"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Return the key and the value."""
        key, equals, rest = str(value).partition("=")
        if not key.strip() or not equals or not rest:
            self.fail(f"invalid value {shown(value)}; use KEY=VALUE", param, ctx)
        return key.strip(), rest


class Size(click.ParamType[int]):
    """`500KB`, `50MB`, `2GiB`: bytes as an int."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the bytes that `value` stands for."""
        if isinstance(value, int):
            return value
        from collector.sizes import parse_size  # noqa: PLC0415  # only where one is given

        try:
            return parse_size(str(value))
        except ValueError:
            self.fail(f"invalid size {shown(value)}; use 500KB, 50MB or 2GiB", param, ctx)


class Ratio(click.FloatRange):
    """A finite number; `nan` would pass any range check."""

    def convert(
        self,
        value: Any,  # noqa: ANN401  # click's own signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:  # noqa: ANN401  # as above
        """Return the number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail("must be a finite number, e.g. 1000", param, ctx)
        return number


def shown(value: object) -> str:
    """Return a value as a message quotes it: short, on one line, printable."""
    from collector.inventory.mistakes import quoted  # noqa: PLC0415  # only where one is wrong

    return quoted(str(value))
