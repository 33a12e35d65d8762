"""Options that several commands share, and the kinds of value they take."""

from __future__ import annotations

import re
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

_DURATION = re.compile(r"(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+(?:\.\d+)?)s?)?")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}


class Duration(click.ParamType[float]):
    """`90`, `90s`, `15m`, `2h30m`: seconds as a float."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds that `value` means."""
        if isinstance(value, float):
            return value
        match = _DURATION.fullmatch(str(value).strip())
        if match is None or not any(match.groupdict().values()):
            self.fail(f"{value!r} is no duration; write 90, 90s, 15m or 2h30m", param, ctx)
        return sum(_SECONDS[unit] * float(n) for unit, n in match.groupdict().items() if n)


class Share(click.ParamType[float]):
    """A part of a whole, above 0 and at most 1."""

    name = "fraction"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the part that `value` names."""
        try:
            share = float(str(value))
        except ValueError:
            share = 0.0
        if not 0 < share <= 1:
            self.fail(
                f"{value!r} is no part of a limit; write 0.9 for nine tenths, 1 for all of it",
                param,
                ctx,
            )
        return share


class PhaseTimeout(click.ParamType[tuple[str, float]]):
    """`PHASE=DURATION`: a phase of one server, and the seconds that it may take."""

    name = "phase=duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """Return the phase and the seconds."""
        phase, _, duration = str(value).partition("=")
        if phase not in PHASES:
            self.fail(
                f"{phase!r} is no phase that has a limit; there is: {', '.join(PHASES)}; "
                f"write {PHASES[0]}=90m",
                param,
                ctx,
            )
        seconds = DURATION.convert(duration, param, ctx)
        if not seconds:
            self.fail(f"in no time nothing is done; write {phase}=90m", param, ctx)
        return phase, seconds


class Size(click.ParamType[int]):
    """`500KB`, `50MB`, `2GiB`: bytes as an int."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the bytes that `value` means."""
        if isinstance(value, int):
            return value
        from collector.sizes import parse_size  # noqa: PLC0415  # only where one is given

        try:
            return parse_size(str(value))
        except ValueError as error:
            self.fail(f"{value!r} {error}; write 500KB, 50MB or 2GiB", param, ctx)


PHASES = ("export", "download")
"""Phases of one server that may be limited in time."""
DURATION = Duration()
SHARE = Share()
SIZE = Size()
PHASE_TIMEOUT = PhaseTimeout()


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what every command takes: how much it says on stderr, and in which form."""
    for option in (
        click.option(
            "--log-format",
            type=click.Choice(["console", "json"]),
            default="console",
            help="How log lines on stderr are written.",
            expose_value=False,
            callback=_set_up_logs,
        ),
        click.option(
            "-q", "--quiet", is_flag=True, help="Say only what went wrong.",
            expose_value=False, is_eager=True, callback=_keep,
        ),
        click.option(
            "-v", "--verbose", count=True, help="Say more; twice: all there is to say.",
            expose_value=False, is_eager=True, callback=_keep,
        ),
    ):  # fmt: skip
        command = option(command)
    return command


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON on stdout."
)

share_option = click.option(
    "--share", type=SHARE, metavar="FRACTION",
    help="Use at most this part of any learned limit: 0.5 leaves half of it to others.  "
    "[default: as the inventory says, else 0.95]",
)  # fmt: skip

select_options = (
    click.option(
        "--select", multiple=True, metavar="EXPR",
        help="Only servers that match, as in project=payments,tag:role=db*; repeated: or.",
    ),
    click.option(
        "--exclude", multiple=True, metavar="EXPR", help="No server that matches; repeated: or."
    ),
    click.option(
        "--first", multiple=True, metavar="EXPR", help="Servers that match before the rest."
    ),
    click.option(
        "--allow-empty", is_flag=True, help="A selection that matches no server is no error."
    ),
)  # fmt: skip


def _archive_options() -> tuple[Callable[[Any], Any], ...]:
    return (
        click.option(
            "--durability", type=click.Choice(["full", "relaxed"]), default="full",
            show_default=True,
            help="full: an archive counts once it is safe from a power cut; relaxed: once it is "
            "written, which is faster.",
        ),
        click.option(
            "--max-unpacked", type=SIZE, default="1TiB", show_default=True, metavar="SIZE",
            help="An archive that unpacks to more is failed.",
        ),
        click.option(
            "--max-ratio", type=click.FloatRange(min=1), default=1000.0, show_default=True,
            metavar="N", help="So is one that unpacks to so many times its size.",
        ),
        click.option(
            "--max-members", type=click.IntRange(min=1), default=1_000_000, show_default=True,
            metavar="N", help="So is one with more members.",
        ),
        click.option(
            "--keep-rejected", is_flag=True,
            help="Keep what is no whole archive as FILE.rejected.",
        ),
    )  # fmt: skip


def storing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how archives are treated, handed over as one `care`."""

    @wraps(command)
    def with_care(
        durability: str,
        max_unpacked: int,
        max_ratio: float,
        max_members: int,
        *,
        keep_rejected: bool,
        **others: Any,  # noqa: ANN401  # whatever else the command takes
    ) -> Any:  # noqa: ANN401  # whatever it answers
        from collector.archive.incoming import Care  # noqa: PLC0415  # where archives come, only
        from collector.archive.limits import Limits  # noqa: PLC0415  # as above

        limits = Limits(unpacked=max_unpacked, ratio=max_ratio, members=max_members)
        care = Care(limits, durable=durability == "full", keep_rejected=keep_rejected)
        return command(care=care, **others)

    wrapped: Callable[..., Any] = with_care
    for option in reversed(_archive_options()):
        wrapped = option(wrapped)
    return wrapped


def selecting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose servers of an inventory."""
    for option in reversed(select_options):
        command = option(command)
    return command


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:  # noqa: ANN401
    ctx.meta[f"collector.{param.name}"] = value


def _set_up_logs(ctx: click.Context, param: click.Parameter, value: str) -> None:
    """Set logs up once all three options are known: this one is read last, being not eager."""
    del param
    if ctx.resilient_parsing:
        return
    from collector.observe.logs import set_up  # noqa: PLC0415  # structlog costs time

    set_up(
        verbosity=-1 if ctx.meta["collector.quiet"] else ctx.meta["collector.verbose"],
        as_json=value == "json",
    )
