"""Scenarios from files: TOML or JSON, with the names of the dataclasses."""

from __future__ import annotations

import dataclasses
import difflib
import json
import tomllib
import types
import typing
from collections.abc import Mapping
from typing import Any

from collector.emulator.chance import Lognormal, Uniform
from collector.emulator.errors import ScenarioError
from collector.emulator.fleets import fleet
from collector.emulator.scenario import Scenario

if typing.TYPE_CHECKING:
    from pathlib import Path

_SPREADS: Mapping[str, type[Uniform | Lognormal]] = {"uniform": Uniform, "lognormal": Lognormal}
_SHORT_MEMBERS = {"Fault": "name", "IamFault": "name", "ListFault": "name"}
"""A plain text in place of one of these sets this member; `Throttle` has its own syntax."""


def load_scenario(path: Path) -> Scenario:
    """Read a scenario from a file: JSON if its name ends so, else TOML.

    Raises:
        ScenarioError: If it cannot be read, or is impossible; with the place.
    """
    try:
        text = path.read_text(encoding="utf-8")
        mapping = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{path}: {error}") from error
    try:
        return scenario_from_mapping(mapping)
    except ScenarioError as error:
        raise ScenarioError(f"{path}: {error}") from error


def scenario_from_mapping(mapping: object) -> Scenario:
    """Build a scenario from a mapping, whose keys are `Scenario`'s members, and theirs.

    A distribution is a number, or `{kind = "uniform" | "lognormal", ...}`; a fault may be just its
    name, a throttle the text that `Throttle.parse` reads. `fleet = {servers = N, projects = N}` in
    place of `projects` gives a ready-made fleet.

    Raises:
        ScenarioError: If a key is unknown or a value has the wrong type; the text names it.
    """
    if not isinstance(mapping, Mapping):
        raise ScenarioError("scenario: wanted a mapping")
    members = dict(mapping)
    size = members.pop("fleet", None)
    scenario: Scenario = _object(Scenario, members, "scenario")
    if size is None:
        return scenario
    if "projects" in members:
        raise ScenarioError("scenario: give either fleet or projects")
    if not isinstance(size, Mapping) or not all(type(n) is int for n in size.values()):
        raise ScenarioError("scenario.fleet: wanted {servers = N, projects = N}")
    _refuse_unknown(size, ("servers", "projects"), "scenario.fleet")
    ready = fleet(seed=scenario.seed, **size)
    return dataclasses.replace(scenario, projects=ready.projects)


def _refuse_unknown(mapping: Mapping[str, object], known: typing.Iterable[str], where: str) -> None:
    for key in mapping:
        if key not in known:
            near = difflib.get_close_matches(key, list(known), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
            raise ScenarioError(f"{where}: unknown key {key!r}{hint}")


def _object(wanted: Any, value: Mapping[str, object], where: str) -> Any:  # noqa: ANN401 - any dataclass, in and out
    kinds = typing.get_type_hints(wanted)
    _refuse_unknown(value, kinds, where)
    missing = [
        field.name
        for field in dataclasses.fields(wanted)
        if field.name not in value and field.default is field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ScenarioError(f"{where}: {', '.join(map(repr, missing))} must be given")
    members = {key: _value(kinds[key], of, f"{where}.{key}") for key, of in value.items()}
    try:
        return wanted(**members)
    except ScenarioError as error:
        raise ScenarioError(f"{where}: {error}") from error


def _value(wanted: Any, value: object, where: str) -> Any:  # noqa: ANN401 - the type is an argument
    """Convert a value from JSON or TOML to the wanted type."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is tuple:
        if not isinstance(value, list):
            raise ScenarioError(f"{where}: wanted a list, found {value!r}")
        return tuple(
            _value(arguments[0], of, f"{where}[{index}]") for index, of in enumerate(value)
        )
    if origin is typing.Literal:
        if value not in arguments:
            raise ScenarioError(f"{where}: {value!r} is none of {', '.join(map(repr, arguments))}")
        return value
    if origin in (typing.Union, types.UnionType):
        return _one_of(arguments, value, where)
    if dataclasses.is_dataclass(wanted):
        return _dataclass(wanted, value, where)
    return _plain(wanted, value, where)


def _one_of(arguments: tuple[Any, ...], value: object, where: str) -> Any:  # noqa: ANN401 - as _value
    """Convert a value to the one of several types that fits."""
    if value is None and types.NoneType in arguments:
        return None
    objects = [of for of in arguments if dataclasses.is_dataclass(of)]
    rest = [of for of in arguments if of not in objects and of is not types.NoneType]
    if isinstance(value, Mapping) and Uniform in objects:
        members = dict(value)
        kind = members.pop("kind", None)
        if kind not in _SPREADS:
            raise ScenarioError(f"{where}.kind: {kind!r} is none of {', '.join(_SPREADS)}")
        return _object(_SPREADS[typing.cast("str", kind)], members, where)
    if objects and (isinstance(value, Mapping) or not rest):
        return _value(objects[0], value, where)
    return _value(rest[0], value, where)


def _dataclass(wanted: Any, value: object, where: str) -> Any:  # noqa: ANN401 - as _value
    if isinstance(value, str) and hasattr(wanted, "parse"):
        try:
            return wanted.parse(value)
        except ScenarioError as error:
            raise ScenarioError(f"{where}: {error}") from error
    if isinstance(value, str) and wanted.__name__ in _SHORT_MEMBERS:
        value = {_SHORT_MEMBERS[wanted.__name__]: value}
    if not isinstance(value, Mapping):
        raise ScenarioError(f"{where}: wanted a mapping, found {value!r}")
    return _object(wanted, value, where)


def _plain(wanted: Any, value: object, where: str) -> Any:  # noqa: ANN401 - as _value
    if typing.get_origin(wanted) is not None:  # Mapping[str, str]
        if isinstance(value, Mapping) and all(isinstance(of, str) for of in value.values()):
            return dict(value)
        raise ScenarioError(f"{where}: wanted texts by name, found {value!r}")
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        raise ScenarioError(f"{where}: wanted {wanted.__name__}, found {value!r}")
    return value
