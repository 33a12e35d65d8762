"""Credentials entries, checked by their provider's rules; secrets are never kept in memory."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from collector import addresses, inputs
from collector.inventory.bounds import TEXT_MAX
from collector.inventory.findings import Finding
from collector.inventory.mistakes import suggestion
from collector.inventory.models import Credential

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from collector.providers.rules import CredentialKind, InventoryRules

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# A name like this is certainly a variable's, not a token pasted in its place.
CONVENTIONAL = re.compile(r"[A-Z_][A-Z0-9_]{0,63}", re.ASCII)
SECRET_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What credentials refer to outside the inventory.

    Attributes:
        environ: Environment variables.
        folder: The base of relative paths: the inventory's directory.
    """

    environ: Mapping[str, str]
    folder: FilePath


def check(name: str, entry: dict[str, Any], rules: InventoryRules) -> Iterator[Finding]:
    """Yield what is wrong with an entry's own fields."""
    path = ("credentials", name)
    kind_name = entry.get("kind")
    known = sorted(word for word, one in rules.kinds.items() if one.readable)
    if not isinstance(kind_name, str):
        yield Finding(path, "kind is missing or not text", f"write kind: {' or '.join(known)}")
        return
    kind = rules.kinds.get(kind_name)
    if kind is None:
        yield Finding((*path, "kind"), "unknown kind", suggestion(kind_name, known))
        return
    if not kind.readable:
        yield _refusal((*path, "kind"), kind_name, kind)
        return
    for key, value in entry.items():
        yield from _check_field((*path, key), value, kind)
    for key in kind.required:
        if key not in entry:
            yield Finding(path, f"{key} is missing", f"kind {kind_name} needs {key}")
    for group in kind.one_of:
        if sum(key in entry for key in group) != 1:
            words = " or ".join(group)
            yield Finding(path, f"exactly one of {words} must be given", f"write {words}")


def check_kind(
    path: tuple[str, ...], entry: dict[str, Any], rules: InventoryRules
) -> Iterator[Finding]:
    """Check whether this version can use an entry with valid fields."""
    kind = rules.kinds.get(str(entry.get("kind")))
    if kind is not None and kind.readable and not kind.implemented:
        yield _refusal(path, str(entry["kind"]), kind)


def check_secrets(
    path: tuple[str, ...], entry: dict[str, Any], rules: InventoryRules, around: Surroundings
) -> Iterator[Finding]:
    """Yield what is wrong, here and now, with the secrets that an entry refers to.

    Args:
        path: The place of the entry; empty if the file has none.
        entry: The entry.
        rules: Which kinds are implemented.
        around: Where its secrets are looked up.
    """
    kind = rules.kinds.get(str(entry.get("kind")))
    if kind is None or not kind.readable or not kind.implemented:
        return
    for key, value in entry.items():
        if not isinstance(value, str):
            continue
        here = (*path, key) if path else ()
        if key in kind.variables and VARIABLE.fullmatch(value):
            yield from _check_variable(here, value, around)
        elif key in kind.files and value.strip():
            yield from _check_file(here, located(value, around.folder))


def build(
    name: str, entry: dict[str, Any], provider: str, rules: InventoryRules, folder: FilePath
) -> Credential:
    """Return the model of a checked entry."""
    kind = rules.kinds[entry["kind"]]
    options = {
        key: os.fspath(located(value, folder)) if key in kind.files else value
        for key, value in entry.items()
        if key not in ("kind", "account")
    }
    account = entry.get("account") or options.get(kind.account_field or "") or name
    variables = tuple(value for key, value in options.items() if key in kind.variables)
    return Credential(name, entry["kind"], account, options, provider, variables)


def located(path: str, folder: FilePath) -> FilePath:
    """Resolve a path from an inventory: `~` is the home directory, others start at `folder`."""
    if path.startswith("~/"):
        with contextlib.suppress(RuntimeError):  # no home directory is known: no such file
            return FilePath.home() / path[2:]
    return folder / path


def _refusal(path: tuple[str, ...], name: str, kind: CredentialKind) -> Finding:
    what = f"credentials of kind {name} are not available in this version"
    return Finding(path, what, kind.refusal)


def _check_field(path: tuple[str, ...], value: object, kind: CredentialKind) -> Iterator[Finding]:
    key = path[-1]
    fields = ["kind", "account", *kind.fields]
    if key not in fields:
        from collector.inventory.shape_checks import unknown_key  # noqa: PLC0415  # for a mistake

        yield unknown_key(path, fields)
    elif isinstance(value, str) and len(value) > TEXT_MAX:
        yield Finding(path, f"{key} is too long", f"write at most {TEXT_MAX:,} characters")
    elif not isinstance(value, str) or not value.strip():
        yield Finding(path, f"{key} must be text, and not empty", "write it in quotes")
    elif key in kind.variables and not VARIABLE.fullmatch(value):
        instead = "write the name of the variable that holds the secret"
        yield Finding(path, f"{key} is not the name of an environment variable", instead)
    elif key in kind.urls:
        try:
            addresses.normal(value)
        except ValueError as error:
            yield Finding(path, f"{key} {error}", "write a URL such as https://HOST")


def _check_variable(path: tuple[str, ...], name: str, around: Surroundings) -> Iterator[Finding]:
    told = f"environment variable {name}" if CONVENTIONAL.fullmatch(name) else "this variable"
    value = around.environ.get(name)
    if value is None:
        yield Finding(path, f"{told} is not set", "set it to the secret and start again")
    elif not value.strip():
        yield Finding(path, f"{told} is empty", "set it to the secret and start again")
    elif not _sendable(value):
        yield Finding(path, f"{told} must be one line of plain text", "set it to the secret only")


def _check_file(path: tuple[str, ...], file: FilePath) -> Iterator[Finding]:
    instead = "name a file that holds the secret, relative to the inventory's directory"
    key = path[-1]
    try:
        if file.is_fifo():
            return  # a pipe can be read only once, which signing in does
        if not file.is_file():
            reason = "is a directory or a device" if file.exists() else "does not exist"
            yield Finding(path, f"the file named by {key} {reason}", instead)
            return
        content = inputs.read_input(file, SECRET_MAX)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "not a path"
        yield Finding(path, f"the file named by {key} cannot be read ({reason})", instead)
        return
    if not content.strip():
        yield Finding(path, f"the file named by {key} is empty", instead)
    elif len(content) > SECRET_MAX or not _sendable(content.decode("latin-1")):
        yield Finding(path, f"the file named by {key} must be one line of plain text", instead)


def _sendable(secret: str) -> bool:
    """Whether a secret can be sent in an HTTP header, apart from line ends around it."""
    text = secret.strip()
    return text.isascii() and text.isprintable()
