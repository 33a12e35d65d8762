"""Loading an inventory and selecting servers, for commands."""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from collector.errors import CollectorError
from collector.inventory import load
from collector.redaction import Secrets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from collector.inventory import Inventory, Selection

_log = logging.getLogger(__name__)


def load_inventory(
    source: str | BinaryIO, *, sends: bool, environ: Mapping[str, str] = os.environ
) -> Inventory:
    """Load an inventory, `-` from stdin.

    Args:
        source: its name, or a stream.
        sends: whether calls will be made. If not, a missing secret is only a warning.
        environ: where secrets are looked up.

    Raises:
        InventoryError: something is wrong with it.
    """
    file = _opened(source) if isinstance(source, str) else source
    inventory = load(file, environ=environ, sends=sends)
    make_known(inventory, environ)
    for one in inventory.secrets_missing:
        _log.warning(f"{one.file}:{one.line}:{one.column}: {one.what}; a collect will need it")
    return inventory


def make_known(inventory: Inventory, environ: Mapping[str, str] = os.environ) -> None:
    """Make the secrets of an inventory's credentials known, so that they are redacted."""
    if (secrets := _secrets()) is not None:
        for credential in inventory.credentials.values():
            for variable in credential.variables:
                secrets.add(environ.get(variable, ""))


def select_servers(
    inventory: Inventory,
    select: Sequence[str] = (),
    exclude: Sequence[str] = (),
    first: Sequence[str] = (),
    *,
    allow_empty: bool = False,
) -> Selection:
    """Select servers of an inventory; warn about each expression that matches nothing.

    Raises:
        CollectorError: an expression is invalid, or nothing is selected without `allow_empty`,
            and no project is left whose servers only the API knows.
    """
    selection = inventory.select(select, exclude, first)
    if (secrets := _secrets()) is not None:  # somebody may have put one where it does not belong
        selection = replace(selection, select=tuple(map(secrets.out_of, selection.select)))
    if not (selection.servers or selection.unlisted or selection.unasked or allow_empty):
        raise CollectorError(*_empty(selection, excluding=bool(exclude)))
    if not (inventory.open_projects or selection.unlisted):  # what is not listed may match
        for text in selection.unmatched:
            _log.warning(text)
    return selection


def _secrets() -> Secrets | None:
    """Return the secrets of this command, for redaction."""
    context = click.get_current_context(silent=True)
    return None if context is None else context.find_object(Secrets)


def _opened(name: str) -> Path | BinaryIO:
    return sys.stdin.buffer if name == "-" else Path(name)


def _empty(selection: Selection, *, excluding: bool) -> list[str]:
    why = list(selection.unmatched)
    if excluding and not why:
        why.append(f"--exclude leaves no server of {selection.inventory.source_name}")
    return [*why, "no server is selected; use --allow-empty to run anyway"]
