"""Loading: from the bytes of a file to an `Inventory`, or to everything that is wrong with it."""

from __future__ import annotations

import gc
import hashlib
import os
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, cast

from collector import inputs
from collector.inventory import checks, credentials, shape
from collector.inventory.bounds import BYTES_MAX, check_runs
from collector.inventory.credentials import Surroundings
from collector.inventory.mistakes import MISTAKES_MAX, QUOTED_MAX, InventoryError, Mistake
from collector.inventory.models import (
    DOWNLOADS,
    FACTS,
    SHARE,
    Credential,
    Discover,
    Inventory,
    Project,
    ProjectLimits,
    Server,
)
from collector.inventory.providing import Providers, provider_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from collector.inventory.findings import Finding, Parsed

START = "start with version: 1, then credentials and projects"


def load(
    source: Path | BinaryIO,
    *,
    environ: Mapping[str, str] = os.environ,
    name: str | None = None,
    sends: bool = True,
) -> Inventory:
    """Read an inventory and check everything that can be checked without the network.

    The format follows the extension: `.yaml`, `.yml`, `.json`, `.toml` or `.csv`. With any other
    name, and from a stream, it is JSON if it starts with `{`, else YAML. The text is UTF-8.

    Args:
        source: A file, or a binary stream such as `sys.stdin.buffer`, which is read to its end.
        environ: Where credentials look up their variables.
        name: The name to use in messages; by default the path, or `<stdin>` for a stream.
        sends: Whether calls will be made, which need secrets. If not, problems with secrets are not
            mistakes, but in `Inventory.secrets_missing`.

    Raises:
        InventoryError: The inventory is unusable; every mistake is named, with its place.
        BrokenProviderError: A provider that it names is installed but cannot be loaded.
    """
    if name is None:
        name = str(source) if isinstance(source, Path) else "<stdin>"
    folder = _folder(source)
    raw = _read(source, name)
    providers = Providers()
    with _no_collection():
        parsed = _parse(_decoded(raw, name), name, providers)
        missing = _missing_secrets(parsed, name, providers, Surroundings(environ, folder))
        document = _checked(parsed, name, providers, missing if sends else ())
        inventory = _built(document, name, hashlib.sha256(raw).hexdigest(), providers, folder)
    return inventory if sends else replace(inventory, secrets_missing=missing)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector from walking data without cycles again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _folder(source: Path | BinaryIO) -> Path:
    """Return the base of an inventory's relative paths."""
    folder = source.parent if isinstance(source, Path) else Path()
    try:
        return folder.absolute()
    except OSError:  # the current directory was removed: relative paths lead nowhere
        return folder


def _read(source: Path | BinaryIO, name: str) -> bytes:
    try:
        raw = inputs.read_whole(source, BYTES_MAX)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "not a path"
        _fail(name, f"cannot read the inventory ({reason})", "name a readable file")
    if len(raw) > BYTES_MAX:
        _fail(name, "the inventory is larger than 64 MB", "split it into several")
    return raw


def _decoded(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8-sig")) + 1
        _fail(name, "this is not UTF-8", "save the file as UTF-8", line, column)


def _parse(text: str, name: str, providers: Providers) -> Parsed:
    if not text.strip():
        _fail(name, "the inventory is empty", START)
    check_runs(text, name)
    suffix = Path(name).suffix.lower()
    if suffix == ".toml":
        from collector.inventory import toml_lines  # noqa: PLC0415  # one format's imports, not all

        return toml_lines.parse(text, name)
    if suffix == ".csv":
        from collector.inventory import csv_rows  # noqa: PLC0415  # as above

        return csv_rows.parse(text, name, providers.default)
    yaml_named = suffix in (".yaml", ".yml")
    if suffix == ".json" or (not yaml_named and text.lstrip().startswith("{")):
        from collector.inventory import json_text  # noqa: PLC0415  # as above

        return json_text.parse(text, name)
    from collector.inventory import yaml_events  # noqa: PLC0415  # as above

    parsed = yaml_events.parse(text, name)
    if parsed.data is None:
        _fail(name, "the inventory is empty", START)
    return parsed


def _checked(
    parsed: Parsed, name: str, providers: Providers, others: tuple[Mistake, ...]
) -> dict[str, Any]:
    """Return the document if there are no mistakes."""
    findings = shape.check(parsed.data)
    if isinstance(parsed.data, dict):
        findings.extend(islice(checks.check(parsed.data, providers), MISTAKES_MAX))
    if findings or parsed.mistakes or others:
        raise InventoryError([*parsed.mistakes, *_mistakes(findings, parsed, name), *others])
    return cast("dict[str, Any]", parsed.data)


def _missing_secrets(
    parsed: Parsed, name: str, providers: Providers, around: Surroundings
) -> tuple[Mistake, ...]:
    if not isinstance(parsed.data, dict):
        return ()
    findings = list(checks.check_secrets(parsed.data, providers, around))
    return tuple(_mistakes(findings, parsed, name)) if findings else ()


def _mistakes(findings: list[Finding], parsed: Parsed, name: str) -> Iterator[Mistake]:
    for finding, place in zip(findings, parsed.locate(findings), strict=True):
        what = finding.what
        if not place.exact:
            what += f" (at {_told(finding.path)})"
        yield Mistake(name, place.line, place.column, what, finding.instead)


def _told(path: tuple[str | int, ...]) -> str:
    steps = [f"[{step}]" if isinstance(step, int) else f".{step[:QUOTED_MAX]}" for step in path]
    return "".join(steps).removeprefix(".")


def _built(
    document: dict[str, Any], name: str, sha256: str, providers: Providers, folder: Path
) -> Inventory:
    defaults = document.get("defaults", {})
    limits = defaults.get("limits", {})
    rate = limits.get("bytes_per_second")
    built = {
        one: credentials.build(one, entry, provider, rules, folder)
        for one, entry, provider, rules in checks.entries_of(document, providers)
    }
    return Inventory(
        version=document["version"],
        source_name=name,
        sha256=sha256,
        projects=tuple(_project(one, defaults, built, providers) for one in document["projects"]),
        credentials=built,
        downloads=limits.get("downloads", DOWNLOADS),
        bytes_per_second=None if rate is None else shape.bytes_of(rate),
    )


def _project(
    project: Mapping[str, Any],
    defaults: Mapping[str, Any],
    entries: Mapping[str, Credential],
    providers: Providers,
) -> Project:
    limits: dict[str, Any] = {**defaults.get("limits", {}), **project.get("limits", {})}
    rate = limits.get("requests_per_second")
    provider = cast("str", provider_of(project, defaults))
    rules = providers.rules(provider)
    chosen = checks.chosen(project, defaults, entries, rules)
    alike: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}  # many servers share tags
    discover = project.get("discover")
    return Project(
        id=project["id"],
        name=project.get("name", project["id"]),
        endpoint=checks.endpoint(project, rules),
        region=project.get("region"),
        provider=provider,
        credentials=cast("str", chosen),
        limits=ProjectLimits(
            None if rate is None else float(rate),
            limits.get("exports_in_flight"),
            float(limits.get("share", SHARE)),
        ),
        servers=tuple(
            [
                Server(
                    one["id"],
                    one.get("name", one["id"]),
                    alike.setdefault(tuple(tags.items()), tags),
                    *map(one.get, FACTS),
                )
                for one in project.get("servers", ())
                for tags in (one.get("tags") or {},)
            ]
        ),
        discover=None if discover is None else _discover(discover),
    )


def _discover(wanted: Mapping[str, Any]) -> Discover:
    def any_of(name: str) -> tuple[str, ...]:
        value = wanted.get(name, ())
        return (value,) if isinstance(value, str) else tuple(value)

    alarms = wanted.get("with_alarms")
    return Discover(
        manage_state=any_of("manage_state"),
        tags=wanted.get("tags", {}),
        health=any_of("health"),
        rack=any_of("rack"),
        name=any_of("name"),
        alarms_s=None if alarms is None else shape.seconds_of(alarms),
    )


def _fail(name: str, what: str, instead: str, line: int = 1, column: int = 1) -> NoReturn:
    raise InventoryError([Mistake(name, line, column, what, instead)])
