"""`collector collect`: the main command."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.cli.options import (
    DURATION,
    OUT,
    PHASE_TIMEOUT,
    SIZE,
    SOME_TIME,
    ca_file_option,
    common,
    json_option,
    selecting,
    share_option,
    storing,
)
from collector.cli.values import Duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.archive.staged import ArchivePolicy
    from collector.cli.served import Place
    from collector.inventory import Selection
    from collector.runtime.terms import Terms

LISTING_SHARE = 0.5
"""The part of a deadline that listing servers may take: a project that does not answer must not
keep the others from being collected."""

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
    default=OUT,
    show_default=True,
    help="Directory for runs; each run gets its own directory in it.",
)
@selecting
@click.option(
    "--deadline",
    type=SOME_TIME,
    help="Stop after this long and keep what was collected: 90s, 15m, 2h30m.",
)
@click.option(
    "--resume",
    "resumed",
    metavar="RUN_DIR|latest",
    help="Resume a stopped run; INVENTORY is optional then.",
)
@click.option(
    "--retry-failed",
    is_flag=True,
    help="With --resume: retry the servers that failed, in the same run.",
)
@click.option(
    "--trust-journal",
    is_flag=True,
    help="With --resume: use the endpoints and credentials in the run's journal even if you did "
    "not write it on this machine.",
)
@click.option(
    "--reuse-exports",
    type=DURATION,
    default="5m",
    show_default=True,
    help="Reuse exports that other runs under --out started within this time (0: never).",
)
@click.option("--run-id", help="Name of the run and its directory.  [default: the start time]")
@click.option(
    "--progress",
    type=click.Choice(["auto", "live", "plain", "none"]),
    default="auto",
    show_default=True,
    help="How to show progress on stderr.",
)
@click.option(
    "--dry-run", is_flag=True, help="Only show the plan, like the plan command; send nothing."
)
@ca_file_option
@click.option(
    "--max-attempts",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="Tries for each step of each server.",
)
@click.option(
    "--phase-timeout",
    "phase_timeouts",
    type=PHASE_TIMEOUT,
    multiple=True,
    metavar="PHASE=DURATION",
    help="Time limit for a phase of one server: export=90m, from its start to its completion; "
    "download=10m, not counting waits (repeatable).  [default: export=60m]",
)
@click.option(
    "--grace",
    type=DURATION,
    default="5s",
    show_default=True,
    help="How long the first Ctrl-C waits for running downloads.",
)
@click.option(
    "--stall-timeout",
    type=Duration(above_0="30s"),
    default="30s",
    show_default=True,
    help="Reconnect a download that receives nothing for this long.",
)
@click.option(
    "--max-bandwidth",
    type=SIZE,
    metavar="SIZE",
    help="Bytes per second for all downloads together, e.g. 50MB.  [default: from the inventory]",
)
@click.option(
    "--serve",
    metavar="ADDR:PORT",
    help="Serve a live page of the run there, e.g. 127.0.0.1:8787 (port 0: any that is free).",
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
    serve: str | None,
    policy: ArchivePolicy,
    share: float | None,
    as_json: bool,
) -> None:
    """Collect the logs of every server of INVENTORY, verify each archive, and report on each.

    INVENTORY is a YAML, TOML, JSON or CSV file; - reads YAML or JSON from stdin. Archives, a
    manifest, a journal and SHA256SUMS go to a new directory under --out. Projects with discover:
    are listed first. The first Ctrl-C stops the run; --resume continues it, and never lists.

    Exit codes: 0 every server collected; 3 some; 4 none; 5 none, because of authentication or
    permissions; 2 wrong command or inventory; 75 another process holds the run; 130, 143 stopped.
    """
    _check(inventory, resumed, run_id, chosen=bool(select or exclude or first), dry_run=dry_run)
    _check_resuming(resumed, retry_failed=retry_failed, trust_journal=trust_journal)
    began_s, place = time.monotonic(), _place(None if dry_run else serve)
    selection = inventory and _selection(
        inventory, select, exclude, first, allow_empty=allow_empty, sends=not dry_run,
        lists=resumed is None, ca_file=ca_file, deadline_s=deadline,
    )  # fmt: skip
    if dry_run and selection:
        _show_plan(selection, out, deadline, share, as_json=as_json)
        return
    from collector.cli import running  # noqa: PLC0415  # as above

    left_s, limits_s = _left(deadline, began_s), dict(phase_timeouts)
    terms = _terms(
        left_s, max_attempts, share, reuse_exports, limits_s, grace, policy, max_bandwidth
    )
    options = running.Options(terms, ca_file, stall_timeout)
    if selection and resumed is None:
        begin = running.beginning(selection, out, run_id, options)
    else:
        begin = running.resuming(
            str(resumed), out, selection or None, options, retry_failed=retry_failed,
            trust_journal=trust_journal,
        )  # fmt: skip
    running.finish(begin, progress=progress, as_json=as_json, grace_s=grace, place=place)


def _place(address: str | None) -> Place | None:
    """Listen where a page is to be served, if one is."""
    if address is None:
        return None
    from collector.cli.served import place  # noqa: PLC0415  # as above

    return place(address)


def _left(deadline: float | None, began_s: float) -> float | None:
    """Return what is left of a deadline: listing servers takes of it, too."""
    return None if deadline is None else max(0.0, deadline - (time.monotonic() - began_s))


def _selection(
    inventory: str,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    first: tuple[str, ...],
    *,
    allow_empty: bool,
    sends: bool,
    lists: bool,
    ca_file: Path | None,
    deadline_s: float | None,
) -> Selection:
    """Load an inventory, ask the API for servers that only it knows, and select."""
    from collector.cli import choosing  # noqa: PLC0415  # the work's imports cost start-up time

    loaded = choosing.load_inventory(inventory, sends=sends)
    if sends and lists and loaded.open_projects:
        from collector.cli.discovering import with_discovered  # noqa: PLC0415  # as above

        within_s = None if deadline_s is None else deadline_s * LISTING_SHARE
        loaded = with_discovered(loaded, select, exclude, first, ca_file=ca_file, within_s=within_s)
    return choosing.select_servers(loaded, select, exclude, first, allow_empty=allow_empty)


def _show_plan(
    selection: Selection, out: Path, deadline: float | None, share: float | None, *, as_json: bool
) -> None:
    from collector.cli.commands.plan import show  # noqa: PLC0415  # as above

    show(selection, out=out, deadline_s=deadline, share=share, as_json=as_json)


def _terms(
    deadline: float | None,
    max_attempts: int,
    share: float | None,
    reuse_exports: float,
    phase_timeouts: Mapping[str, float],
    grace: float,
    policy: ArchivePolicy,
    max_bandwidth: int | None,
) -> Terms:
    from collector.cli.user_state import user_memory  # noqa: PLC0415  # as above
    from collector.model.ceilings import EXPORT_S  # noqa: PLC0415  # as above
    from collector.redaction import Arguments, Secrets  # noqa: PLC0415  # as above
    from collector.runtime.terms import Terms  # noqa: PLC0415  # as above

    secrets = click.get_current_context().find_object(Secrets) or Secrets()
    return Terms(
        deadline_s=math.inf if deadline is None else deadline,
        max_attempts=max_attempts,
        share=share,
        reuse_s=reuse_exports,
        export_s=phase_timeouts.get("export", EXPORT_S),
        download_s=phase_timeouts.get("download", math.inf),
        grace_s=grace,
        memory=user_memory(),
        policy=policy,
        bytes_per_second=max_bandwidth,
        argv=Arguments(sys.argv, secrets),
    )


def _check(
    inventory: str | None, resumed: str | None, run_id: str | None, *, chosen: bool, dry_run: bool
) -> None:
    """Refuse options that do not go together."""
    if inventory is None and resumed is None:
        raise click.UsageError("give an INVENTORY, or a run to continue: --resume RUN_DIR")
    if inventory is None and chosen:
        raise click.UsageError("--select, --exclude and --first need an INVENTORY")
    if resumed is not None and run_id is not None:
        raise click.UsageError("a resumed run keeps its id; leave out --run-id")
    if resumed is not None and dry_run:
        raise click.UsageError("--dry-run plans a new run; leave out --resume")


def _check_resuming(resumed: str | None, *, retry_failed: bool, trust_journal: bool) -> None:
    """Refuse options that only a resume has."""
    if retry_failed and resumed is None:
        raise click.UsageError("--retry-failed needs a run to retry: --resume RUN_DIR")
    if trust_journal and resumed is None:
        raise click.UsageError("--trust-journal needs a run to trust: --resume RUN_DIR")
