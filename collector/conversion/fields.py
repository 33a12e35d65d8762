"""The fields of an inventory that a source can fill, and the options that say from what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from collector.errors import CollectorError
from collector.inventory.mistakes import quoted, suggestion
from collector.model.fields import DEFAULT_PROVIDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FIELDS: Final = (
    *("server_id", "project_id", "project_name", "region", "endpoint", "credentials", "name"),
)
TAG: Final = "tag:"
PLACE: Final = frozenset({"project_id", "region", "endpoint", "credentials"})
"""Fields that say where a server is; one that cannot be read is not filled in from options."""

PLACE_SHOWN_MAX: Final = 200
"""Characters of a place that a message names."""
GUESSES: Final[Mapping[str, tuple[str, ...]]] = {
    "server_id": (
        *("server_id", f"{DEFAULT_PROVIDER}_id", f"{DEFAULT_PROVIDER}_server_id"),
        *("physical_server_id", "server_uuid", "uuid"),
    ),
    "project_id": ("project_id", f"{DEFAULT_PROVIDER}_project_id"),
    "project_name": ("project_name", f"{DEFAULT_PROVIDER}_project_name"),
    "region": ("region", f"{DEFAULT_PROVIDER}_region"),
    "endpoint": (f"{DEFAULT_PROVIDER}_endpoint",),
}
"""Where a field is looked for unless `--map` says so, the first that is there.

`credentials` is not among them: what has such a name elsewhere is often a password.
"""


class ConversionError(CollectorError):
    """Nothing can be converted, for a reason that concerns the whole source."""


class Entry(NamedTuple):
    """What a source says of one server.

    Attributes:
        where: its place in the source, in words.
        values: texts by field; tags under `tag:KEY`.
    """

    where: str
    values: Mapping[str, str]


class LeftOut(NamedTuple):
    """Something that could not be converted.

    Attributes:
        where: its place in the source, in words.
        what: what was left out and why, and what to do about it.
    """

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options say.

    Attributes:
        columns: for a field, the column, variable or attribute that holds it.
        project, region, endpoint: for servers of which the source names none.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    project: str | None = None
    region: str | None = None
    endpoint: str | None = None

    def candidates(self, name: str) -> tuple[str, ...]:
        """Return where a field may be found, the best first."""
        if name in self.columns:
            return (self.columns[name],)
        return GUESSES.get(name, ())

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field that may be filled: the known ones, and mapped tags."""
        return (*FIELDS, *(name for name in self.columns if name.startswith(TAG)))


def place(name: str) -> str:
    """Return the name of a place as messages have it, which is not too long."""
    return name if len(name) <= PLACE_SHOWN_MAX else f"{name[: PLACE_SHOWN_MAX - 1]}…"


def read_columns(texts: Iterable[str]) -> dict[str, str]:
    """Read `FIELD=COLUMN`, several of them.

    Raises:
        ConversionError: one is not of this form, or a field is mapped twice.
    """
    columns: dict[str, str] = {}
    for text in texts:
        name, equals, column = text.partition("=")
        name, column = name.strip(), column.strip()
        if not (equals and name and column):
            raise ConversionError(
                f"invalid --map {quoted(text)}; use FIELD=COLUMN, e.g. --map server_id=uuid"
            )
        if name not in FIELDS and not (name.startswith(TAG) and name != TAG):
            instead = suggestion(name, FIELDS)
            raise ConversionError(
                f"--map {quoted(text)}: unknown field {quoted(name)}; {instead} (tags are {TAG}KEY)"
            )
        if name in columns:
            raise ConversionError(f"--map {name} is given twice; keep one of them")
        columns[name] = column
    return columns
