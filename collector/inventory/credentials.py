"""Credentials entries, checked by their provider's rules; secrets are never kept in memory."""

from __future__ import annotations

import contextlib
import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from collector import addresses, inputs
from collector.errors import CollectorError
from collector.inventory.bounds import TEXT_MAX
from collector.inventory.findings import Finding
from collector.inventory.mistakes import suggestion
from collector.inventory.models import Credential
from collector.providers.rules import seconds_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from collector.providers.rules import CredentialKind, InventoryRules

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# A name like this is certainly a variable's, not a token pasted in its place.
CONVENTIONAL = re.compile(r"[A-Z_][A-Z0-9_]{0,63}", re.ASCII)
SECRET_MAX = 64 * 1024
WORDS_MAX = 16 * 1024


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
    yield from _look(path, entry, kind, around)
    for key, value in entry.items():
        if not isinstance(value, str):
            continue
        here = (*path, key) if path else ()
        if key in kind.variables and VARIABLE.fullmatch(value):
            yield from _check_variable(here, value, around, any_text=key in kind.texts)
        elif key in kind.files and value.strip():
            file = located(value, around.folder)
            yield from _check_file(here, file, any_text=key in kind.texts)


def build(
    name: str, entry: dict[str, Any], provider: str, rules: InventoryRules, folder: FilePath
) -> Credential:
    """Return the model of a checked entry."""
    kind = rules.kinds[entry["kind"]]
    options = _options(entry, kind, folder)
    account = entry.get("account") or options.get(kind.account_field or "") or name
    variables = tuple(value for key, value in options.items() if key in kind.variables)
    return Credential(name, entry["kind"], account, options, provider, variables)


def check_derived(
    name: str, entry: dict[str, Any], endpoint: str, rules: InventoryRules
) -> Iterator[Finding]:
    """Yield which fields an entry lacks that cannot be derived from an endpoint of its projects."""
    kind = rules.kinds.get(str(entry.get("kind")))
    for key, derived in ({} if kind is None else kind.derived).items():
        if key not in entry and derived(endpoint) is None:
            what = f"{key} is missing, and cannot be derived from the endpoint {endpoint}"
            yield Finding(("credentials", name), what, f"write {key}: https://HOST")


def _options(entry: Mapping[str, Any], kind: CredentialKind, folder: FilePath) -> dict[str, str]:
    """Return a checked entry's fields as text."""
    options = {}
    for key, value in entry.items():
        if key in kind.files:
            options[key] = os.fspath(located(value, folder))
        elif key in kind.lists:
            words = list(value)
            if key in kind.programs and "/" in words[0]:
                words[0] = os.fspath(located(words[0], folder))
            options[key] = text_of(words)
        elif key not in ("kind", "account"):
            options[key] = str(value)
    return options


def _look(
    path: tuple[str, ...], entry: dict[str, Any], kind: CredentialKind, around: Surroundings
) -> Iterator[Finding]:
    """Yield what is wrong with what else an entry refers to, if its fields are as they should."""
    fields = [key for key in entry if key not in ("kind", "account")]
    if kind.look is None or any(
        list(_check_field((*path, key), entry[key], kind)) for key in fields
    ):
        return
    if set(kind.required) <= {*fields}:
        try:
            kind.look(_options(entry, kind, around.folder), around.environ)
        except CollectorError as error:
            what, _, instead = str(error).rpartition("; ")
            here = (*path, next(iter(kind.programs))) if path and kind.programs else path
            yield Finding(here, what or instead, instead)


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
    elif key in kind.lists:
        yield from _check_list(path, value)
    elif key in kind.seconds:
        try:
            seconds_of(str(value) if isinstance(value, str | int | float) else "")
        except ValueError:
            yield Finding(path, f"{key} must be a duration above 0", "write a number, or 30s")
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


def _check_list(path: tuple[str, ...], value: object) -> Iterator[Finding]:
    key = path[-1]
    instead = f"write {key}: [PROGRAM, ARGUMENT, ...]"
    if not isinstance(value, list):
        yield Finding(path, f"{key} must be a list of words", instead)
    elif not value or not all(isinstance(one, str) for one in value):
        yield Finding(path, f"{key} must be a list of words, each of them text", instead)
    elif not value[0].strip():
        yield Finding(path, f"{key} does not name a program", instead)
    elif any("\0" in one for one in value):
        yield Finding(path, f"{key} holds a NUL character", instead)
    elif sum(map(len, value)) > WORDS_MAX:
        yield Finding(path, f"{key} is too long", f"write at most {WORDS_MAX:,} characters")


def _check_variable(
    path: tuple[str, ...], name: str, around: Surroundings, *, any_text: bool
) -> Iterator[Finding]:
    told = f"environment variable {name}" if CONVENTIONAL.fullmatch(name) else "this variable"
    value = around.environ.get(name)
    if value is None:
        yield Finding(path, f"{told} is not set", "set it to the secret and start again")
    elif not value.strip():
        yield Finding(path, f"{told} is empty", "set it to the secret and start again")
    elif not _usable(value, any_text=any_text):
        yield Finding(path, f"{told} must be {_line(any_text)}", "set it to the secret only")


def _check_file(path: tuple[str, ...], file: FilePath, *, any_text: bool) -> Iterator[Finding]:
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
    elif len(content) > SECRET_MAX or not _usable(_text(content), any_text=any_text):
        what = f"the file named by {key} must be {_line(any_text)}"
        yield Finding(path, what, instead)


def _line(any_text: bool) -> str:
    return "one line of text, in UTF-8" if any_text else "one line of plain text"


def _text(content: bytes) -> str:
    """Return the text of a file; what is not UTF-8 in it becomes what no secret can hold."""
    return content.decode("utf-8-sig", "surrogateescape")


def _usable(secret: str, *, any_text: bool) -> bool:
    """Whether a secret can be sent, apart from line ends around it.

    Args:
        secret: The secret.
        any_text: It is not sent in an HTTP header, which takes ASCII alone.
    """
    if any_text:
        line = secret.rstrip("\r\n")
        return not any(unicodedata.category(char) in ("Cc", "Cs") for char in line)
    text = secret.strip()
    return text.isascii() and text.isprintable()
