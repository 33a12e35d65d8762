"""Options that several commands share."""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collector.cli.streams import say
from collector.cli.values import Duration, PhaseTimeout, Ratio, Share, Size

if TYPE_CHECKING:
    from collections.abc import Callable

    from collector.observe.log_file import LogFile

OUT = Path("collected")
"""The default directory for runs."""
DURATION = Duration()
SOME_TIME = Duration(above_0="30m")
SHARE = Share()
SIZE = Size()
PHASE_TIMEOUT = PhaseTimeout()


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of every command: how much it logs, where, and in which format."""
    for option in (
        click.option(
            "--log-file",
            metavar="FILE",
            help="Also append full log lines to FILE: each step of each server, or everything "
            "with -vv.",
            expose_value=False,
            is_eager=True,
            callback=_keep,
        ),
        click.option(
            "--log-format",
            type=click.Choice(["console", "json"]),
            default="console",
            help="How to write log lines to stderr.",
            expose_value=False,
            callback=_set_up_logs,
        ),
        click.option(
            "-q", "--quiet", is_flag=True, help="Log errors only.",
            expose_value=False, is_eager=True, callback=_keep,
        ),
        click.option(
            "-v", "--verbose", count=True, help="Log more (-vv: everything).",
            expose_value=False, is_eager=True, callback=_keep,
        ),
    ):  # fmt: skip
        command = option(command)
    return command


run_argument = click.argument("run", metavar="[RUN_DIR|latest]", default="latest")
"""A run; `latest`, the default, is the latest under `OUT`."""

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as JSON on stdout."
)

ca_file_option = click.option(
    "--ca-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Also trust the certificate authorities in this PEM file.",
)

share_option = click.option(
    "--share", type=SHARE, metavar="FRACTION",
    help="Use at most this share of each learned limit; 0.5 leaves half to others.  [default: "
    "from the inventory, else 0.95]",
)  # fmt: skip

select_options = (
    click.option(
        "--select", multiple=True, metavar="EXPR",
        help="Only servers that match, e.g. project=payments,tag:role=db* (repeatable; any match "
        "counts).",
    ),
    click.option(
        "--exclude", multiple=True, metavar="EXPR",
        help="Leave out servers that match (repeatable; any match counts).",
    ),
    click.option(
        "--first", multiple=True, metavar="EXPR",
        help="Collect servers that match before the rest (repeatable; any match counts).",
    ),
    click.option(
        "--allow-empty", is_flag=True, help="Do not fail if no server matches."
    ),
)  # fmt: skip


def _archive_options() -> tuple[Callable[[Any], Any], ...]:
    return (
        click.option(
            "--durability", type=click.Choice(["full", "relaxed"]), default="full",
            show_default=True,
            help="When an archive counts as collected: once a power failure cannot lose it "
            "(full), or once it is written, which is faster (relaxed).",
        ),
        click.option(
            "--max-unpacked", type=SIZE, default="1TiB", show_default=True, metavar="SIZE",
            help="Reject archives that unpack to more than this.",
        ),
        click.option(
            "--max-ratio", type=Ratio(min=1), default=1000.0, show_default=True,
            metavar="N", help="Reject archives that unpack to more than N times their size.",
        ),
        click.option(
            "--max-members", type=click.IntRange(min=1), default=1_000_000, show_default=True,
            metavar="N", help="Reject archives with more than N members.",
        ),
        click.option(
            "--keep-rejected", is_flag=True,
            help="Keep archives that fail verification as FILE.rejected.",
        ),
    )  # fmt: skip


def storing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how archives are treated, handed over as one `policy`."""

    @wraps(command)
    def with_policy(
        durability: str,
        max_unpacked: int,
        max_ratio: float,
        max_members: int,
        *,
        keep_rejected: bool,
        **others: Any,  # noqa: ANN401  # whatever else the command takes
    ) -> Any:  # noqa: ANN401  # whatever it answers
        from collector.archive.format import UnpackLimits  # noqa: PLC0415  # as above
        from collector.archive.staged import ArchivePolicy  # noqa: PLC0415  # where archives come, only

        limits = UnpackLimits(unpacked=max_unpacked, ratio=max_ratio, members=max_members)
        policy = ArchivePolicy(limits, durable=durability == "full", keep_rejected=keep_rejected)
        return command(policy=policy, **others)

    wrapped: Callable[..., Any] = with_policy
    for option in reversed(_archive_options()):
        wrapped = option(wrapped)
    return wrapped


def selecting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that select servers."""
    for option in reversed(select_options):
        command = option(command)
    return command


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:  # noqa: ANN401
    ctx.meta[f"collector.{param.name}"] = value


def _set_up_logs(ctx: click.Context, param: click.Parameter, value: str) -> None:
    """Set up logging once all four options are known; this one, not eager, is read last."""
    del param
    if ctx.resilient_parsing:
        return
    from collector.observe.logs import set_up  # noqa: PLC0415  # logging costs time

    set_up(
        verbosity=-1 if ctx.meta["collector.quiet"] else ctx.meta["collector.verbose"],
        as_json=value == "json",
        file=_log_file(ctx, as_json=value == "json"),
    )


def _log_file(ctx: click.Context, *, as_json: bool) -> LogFile | None:
    path: str | None = ctx.meta["collector.log_file"]
    if path is None:
        return None
    from collector.errors import CollectorError  # noqa: PLC0415  # as above
    from collector.observe.log_file import LogFile  # noqa: PLC0415  # as above
    from collector.redaction import Secrets  # noqa: PLC0415  # as above

    def lose(why: str) -> None:
        say(f"cannot write the log file {path}: {why}; lines are missing there", "warning")

    try:
        secrets = ctx.find_object(Secrets) or Secrets()
        return LogFile(path, secrets, as_json=as_json, on_loss=lose)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise CollectorError(
            f"cannot write the log file {path}: {why}; choose another --log-file"
        ) from error
