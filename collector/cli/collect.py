"""`collector collect`: the main job."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.cli.options import (
    DURATION,
    PHASE_TIMEOUT,
    SIZE,
    common,
    json_option,
    selecting,
    share_option,
    storing,
)

if TYPE_CHECKING:
    from collector.archive.incoming import Care

EXAMPLES = """\b
Examples:
  collector collect fleet.yaml
  collector collect fleet.yaml --select project=payments,tag:role=db --deadline 30m
  collector collect fleet.yaml --first tag:role=db --exclude name=spare-*
  collector collect --resume latest --share 0.5
  collector collect --resume latest --retry-failed
  collector inventory show fleet.yaml --json | collector collect - --json | jq .totals
"""


@click.command(name="collect", epilog=EXAMPLES)
@click.argument("inventory", required=False, metavar="[INVENTORY]")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("collected"),
    show_default=True,
    help="Where runs are kept, each in a directory of its own.",
)
@selecting
@click.option(
    "--deadline", type=DURATION, help="End after this long with what is here: 90s, 15m, 2h30m."
)
@click.option(
    "--resume",
    "resumed",
    metavar="RUN_DIR|latest",
    help="Go on with a run that was stopped; INVENTORY may be left out.",
)
@click.option(
    "--retry-failed",
    is_flag=True,
    help="With --resume: try the servers that failed again, in the same run.",
)
@click.option(
    "--trust-journal",
    is_flag=True,
    help="With --resume: use the endpoints and credentials that the run's journal names, though "
    "you did not write it on this machine.",
)
@click.option(
    "--reuse-exports",
    type=DURATION,
    default="5m",
    show_default=True,
    help="Take over exports that other runs under --out have started so long ago at most, instead "
    "of starting others; 0: never.",
)
@click.option("--run-id", help="Name the run's directory; by default the time names it.")
@click.option(
    "--progress",
    type=click.Choice(["auto", "live", "plain", "none"]),
    default="auto",
    show_default=True,
    help="How progress is shown on stderr.",
)
@click.option(
    "--dry-run", is_flag=True, help="Say what would be done and send nothing: the same as plan."
)
@click.option(
    "--ca-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Trust the certificate authorities in this PEM file.",
)
@click.option(
    "--max-attempts",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="Tries of one step of one server.",
)
@click.option(
    "--phase-timeout",
    "phase_timeouts",
    type=PHASE_TIMEOUT,
    multiple=True,
    metavar="PHASE=DURATION",
    help="How long a phase of one server may take: export=90m, from its start until it is "
    "complete; download=10m, without what it waits for; repeated for both.  [default: export=60m]",
)
@click.option(
    "--grace",
    type=DURATION,
    default="5s",
    show_default=True,
    help="At the first Ctrl-C, downloads that end so soon are waited for.",
)
@click.option(
    "--stall-timeout",
    type=DURATION,
    default="30s",
    show_default=True,
    help="A download that brings nothing for so long is cut, and gone on with.",
)
@click.option(
    "--max-bandwidth",
    type=SIZE,
    metavar="SIZE",
    help="Bytes a second of all downloads: 50MB.  [default: as the inventory says]",
)
@storing
@share_option
@json_option
@common
def command(
    inventory: str | None,
    out: Path,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    first: tuple[str, ...],
    allow_empty: bool,
    deadline: float | None,
    resumed: str | None,
    retry_failed: bool,
    trust_journal: bool,
    reuse_exports: float,
    run_id: str | None,
    progress: str,
    dry_run: bool,
    ca_file: Path | None,
    max_attempts: int,
    phase_timeouts: tuple[tuple[str, float], ...],
    grace: float,
    stall_timeout: float,
    max_bandwidth: int | None,
    care: Care,
    share: float | None,
    as_json: bool,
) -> None:
    """Collect the logs of every server of INVENTORY, verify each archive, and account for all.

    INVENTORY is a YAML, TOML, JSON or CSV file; - reads YAML or JSON from stdin. Archives, a
    manifest, a journal and SHA256SUMS go to a new directory under --out. The first Ctrl-C ends the
    run in order, and --resume goes on with it.

    Exit codes: 0 every server collected; 3 some; 4 none; 5 none, for want of permission; 2 the
    command or the inventory is wrong; 75 another process holds the run; 130, 143 stopped.
    """
    from collector.cli import running  # noqa: PLC0415  # the work's imports cost start-up time
    from collector.collection import Terms  # noqa: PLC0415  # as above
    from collector.engine.gates import EXPORT_S  # noqa: PLC0415  # as above

    _check(inventory, resumed, run_id, chosen=bool(select or exclude or first), dry_run=dry_run)
    if retry_failed and resumed is None:
        raise click.UsageError("--retry-failed is for a run that has failures: --resume RUN_DIR")
    if trust_journal and resumed is None:
        raise click.UsageError("--trust-journal is about a run's journal: use it with --resume")
    if not stall_timeout:
        raise click.UsageError("--stall-timeout: in no time no byte comes; write 30s")
    selection = inventory and running.load(
        inventory, select, exclude, first, allow_empty=allow_empty
    )
    if dry_run and selection:
        from collector.cli.plan import show  # noqa: PLC0415  # as above

        show(selection, out=out, deadline_s=deadline, share=share, as_json=as_json)
        return
    terms = Terms(
        deadline_s=math.inf if deadline is None else deadline,
        max_attempts=max_attempts,
        share=share,
        reuse_s=reuse_exports,
        export_s=dict(phase_timeouts).get("export", EXPORT_S),
        download_s=dict(phase_timeouts).get("download", math.inf),
        grace_s=grace,
        memory=running.user_memory(),
        care=care,
        bytes_per_second=max_bandwidth,
        argv=tuple(sys.argv),
    )
    options = running.Options(terms, ca_file, stall_timeout)
    if resumed is not None:
        begin = running.resuming(
            resumed, out, selection or None, options,
            retry_failed=retry_failed, trust_journal=trust_journal,
        )  # fmt: skip
    else:
        assert selection  # noqa: S101  # _check has seen to it
        begin = running.beginning(selection, out, run_id, options)
    running.finish(begin, progress=progress, as_json=as_json)


def _check(
    inventory: str | None, resumed: str | None, run_id: str | None, *, chosen: bool, dry_run: bool
) -> None:
    """Refuse what does not go together."""
    if inventory is None and resumed is None:
        raise click.UsageError("name an INVENTORY, or a run to go on with: --resume RUN_DIR")
    if inventory is None and chosen:
        raise click.UsageError("--select, --exclude and --first choose from an INVENTORY: name it")
    if resumed is not None and run_id is not None:
        raise click.UsageError("a run that is resumed has its id; leave --run-id out")
    if resumed is not None and dry_run:
        raise click.UsageError("--dry-run plans a new run; leave --resume out")
