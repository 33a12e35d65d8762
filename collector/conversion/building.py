"""Servers from a source become the projects of an inventory, as far as they fit into one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from collector.conversion.fields import TAG, ConversionError, Entry, LeftOut
from collector.inventory import checks, shape
from collector.inventory.bounds import ID_MAX, ITEMS_MAX, PROJECTS_MAX, TEXT_MAX, VALUES_MAX
from collector.inventory.credentials import VARIABLE
from collector.inventory.mistakes import PRINTED_MAX, quoted
from collector.inventory.providing import Providers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from collector.conversion.fields import Wanted
    from collector.providers.rules import InventoryRules

LEFT_OUT_MAX: Final = 100_000
"""Entries that are left out, before a source is taken to be of another kind."""
_ID: Final = re.compile(shape.ID)
_OF_PROJECTS: Final = ("project_id", "project_name", "region", "endpoint", "credentials")
_NO_PROJECT: Final = "no project: give --project ID, or --map project_id=... names where it is"
_NO_PLACE: Final = (
    "neither region nor endpoint: give --region NAME or --endpoint URL, or --map region=..."
)
_AROUND: Final = "\ufeff\u200b\u2060"
"""Invisible characters that come with copied cells, which `strip` leaves."""


@dataclass(slots=True)
class Built:
    """An inventory, and what did not fit into it.

    Attributes:
        data: in the shape of inventories; without projects if nothing could be converted.
        left_out: in the order of the source.
        read: how many servers the source has, as far as they can be counted.
        servers: how many the inventory has.
    """

    data: dict[str, Any]
    left_out: list[LeftOut]
    read: int = 0
    servers: int = 0


def build(found: Iterable[Entry | LeftOut], wanted: Wanted) -> Built:
    """Build an inventory of what a source says.

    Raises:
        ConversionError: there is more than an inventory holds.
    """
    providers = Providers()
    building = _Building(wanted, providers.default)
    building.check_wanted()
    for one in found:
        building.check_left_out()
        building.read += 1
        if isinstance(one, LeftOut):
            building.left_out.append(one)
        else:
            building.add(one)
    projects = [project.data for project in building.projects.values()]
    data = {"version": 1, "credentials": building.entries, "projects": projects}
    if projects:
        findings = [*shape.check(data), *checks.check(data, providers)]
        if findings:  # none is known that gets this far
            lines = [f"{one.path}: {one.what}; {one.instead}" for one in findings[:PRINTED_MAX]]
            raise ConversionError("no valid inventory can be made of this:", *lines)
    return Built(data, building.left_out, building.read, building.servers)


@dataclass(slots=True)
class _Project:
    data: dict[str, Any]
    where: str
    ids: dict[str, str] = field(default_factory=dict)


class _Unfit(Exception):  # noqa: N818  # a state of affairs: caught where it is raised
    """Why a server is left out."""


@dataclass(slots=True)
class _Building:
    wanted: Wanted
    rules: InventoryRules
    projects: dict[tuple[str, str], _Project] = field(default_factory=dict)
    entries: dict[str, dict[str, str]] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    read: int = 0
    servers: int = 0
    values: int = 0
    alike: dict[tuple[str | None, ...], _Project] = field(default_factory=dict)
    places: dict[tuple[str | None, str | None], str | _Unfit] = field(default_factory=dict)

    def check_wanted(self) -> None:
        """Refuse options that fit no server.

        Raises:
            ConversionError: one does not.
        """
        wanted = self.wanted
        try:
            if wanted.project is not None:
                _checked_id("--project", wanted.project)
            if wanted.region is not None or wanted.endpoint is not None:
                self._place(wanted.region, wanted.endpoint)
        except _Unfit as unfit:
            raise ConversionError(str(unfit)) from None

    def check_left_out(self) -> None:
        """Stop where so much is left out that this is the wrong kind of source.

        Raises:
            ConversionError: it is; the text has the first of it.
        """
        if len(self.left_out) > LEFT_OUT_MAX:
            first = [f"{one.where}: {one.what}" for one in self.left_out[:PRINTED_MAX]]
            what = f"more than {LEFT_OUT_MAX:,} entries cannot be converted; the first of them:"
            raise ConversionError(what, *first)

    def add(self, entry: Entry) -> None:
        """Add a server to its project, or to what is left out."""
        values = {name: text for name, value in entry.values.items() if (text := _stripped(value))}
        try:
            server_id = _checked_id("server_id", values.get("server_id"))
            project = self._project(entry.where, values)
        except _Unfit as unfit:
            self.left_out.append(LeftOut(entry.where, str(unfit)))
            return
        if (first := project.ids.get(server_id)) is not None:
            what = f"server {quoted(server_id)} is listed twice; kept the one of {first}"
            self.left_out.append(LeftOut(entry.where, what))
            return
        project.ids[server_id] = entry.where
        server: dict[str, Any] = {"id": server_id}
        if self._fits(entry.where, "name", values.get("name")):
            server["name"] = values["name"]
        if tags := self._tags(entry.where, values):
            server["tags"] = tags
        project.data["servers"].append(server)
        self.servers += 1
        self.values += 6 + 2 * len(tags)
        if self.values > VALUES_MAX:
            raise ConversionError(
                f"more than {VALUES_MAX:,} values, which no inventory holds; convert fewer servers"
            )

    def _project(self, where: str, values: Mapping[str, str]) -> _Project:
        """Return the project of a server; of those that say the same of theirs, it is the same."""
        told = tuple(map(values.get, _OF_PROJECTS))
        project = self.alike.get(told)
        if project is None:
            project = self._described(where, values)
            if project.data.get("name") == values.get("project_name", project.data.get("name")):
                self.alike[told] = project
        return project

    def _described(self, where: str, values: Mapping[str, str]) -> _Project:
        """Return the project of a server, which the first server of it describes."""
        wanted = self.wanted
        project_id = values.get("project_id", wanted.project)
        if project_id is None:
            raise _Unfit(_NO_PROJECT)
        project_id = _checked_id("project_id", project_id)
        region, endpoint = values.get("region"), values.get("endpoint")
        if region is None and endpoint is None:
            region, endpoint = wanted.region, wanted.endpoint
        key = (project_id, self._place(region, endpoint))
        credentials = values.get("credentials", self.rules.variable)
        if not VARIABLE.fullmatch(credentials) or len(credentials) > ID_MAX:
            raise _Unfit("credentials is not the name of an environment variable")  # nor shown
        project = self.projects.get(key)
        if project is None:
            data = {"id": project_id, "region": region, "endpoint": endpoint}
            data = {name: value for name, value in data.items() if value is not None}
            project = self.projects[key] = self._begun(where, values, data, credentials)
        elif credentials != project.data["credentials"]:
            raise _Unfit(
                f"its credentials differ from those of the same project at {project.where}"
            )
        elif values.get("project_name", project.data.get("name")) != project.data.get("name"):
            what = (
                f"project_name {quoted(values['project_name'])} differs from that of the same "
                f"project at {project.where}, which was kept"
            )
            self.left_out.append(LeftOut(where, what))
        return project

    def _begun(
        self, where: str, values: Mapping[str, str], data: dict[str, Any], credentials: str
    ) -> _Project:
        if len(self.projects) >= PROJECTS_MAX:
            raise ConversionError(f"more than {PROJECTS_MAX:,} projects; convert fewer")
        if self._fits(where, "project_name", values.get("project_name")):
            data["name"] = values["project_name"]
        self.entries[credentials] = self.rules.entry(credentials)
        return _Project(data | {"credentials": credentials, "servers": []}, where)

    def _place(self, region: str | None, endpoint: str | None) -> str:
        """Return where a project's calls go."""
        found = self.places.get((region, endpoint))
        if found is None:
            found = self.places[region, endpoint] = self._looked_up(region, endpoint)
        if isinstance(found, _Unfit):
            raise found
        return found

    def _looked_up(self, region: str | None, endpoint: str | None) -> str | _Unfit:
        if region is None and endpoint is None:
            return _Unfit(_NO_PLACE)
        if region is not None and len(region) > TEXT_MAX:
            return _Unfit("an impossible region")
        project = {"region": region, "endpoint": endpoint}
        try:
            return checks.endpoint(project, self.rules)
        except ValueError as error:
            if endpoint is not None:
                return _Unfit(f"the endpoint {error}; give a URL such as https://HOST")
            known = ", ".join(sorted(self.rules.regions))
            return _Unfit(f"{error}; known are {known}; for another one give --endpoint URL")

    def _tags(self, where: str, values: Mapping[str, str]) -> dict[str, str]:
        tags = {
            name.removeprefix(TAG): value
            for name, value in values.items()
            if name.startswith(TAG) and self._fits(where, name, value)
        }
        if len(tags) > ITEMS_MAX:
            self.left_out.append(LeftOut(where, f"its tags: more than {ITEMS_MAX:,}"))
            return {}
        return tags

    def _fits(self, where: str, name: str, value: str | None) -> bool:
        """Whether there is a value that an inventory can hold; note one that it cannot."""
        if value is None:
            return False
        if len(value) > TEXT_MAX or len(name) > TEXT_MAX:
            what = f"its {quoted(name)}: more than {TEXT_MAX:,} characters"
        elif not (_is_whole(value) and _is_whole(name)):
            what = f"its {quoted(name)}: halves of characters"
        else:
            return True
        self.left_out.append(LeftOut(where, what))
        return False


def _stripped(value: str) -> str:
    return value.strip().strip(_AROUND).strip()


def _checked_id(name: str, value: str | None) -> str:
    if value is None:
        raise _Unfit(f"no {name}")
    if not _ID.match(value) or not _is_whole(value):
        raise _Unfit(f"{name} {quoted(value)} is no id: slashes or control characters")
    if len(value) > ID_MAX:
        raise _Unfit(f"{name} {quoted(value)} is no id: more than {ID_MAX:,} characters")
    return value


def _is_whole(text: str) -> bool:
    """Whether a text can be written as UTF-8."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)
