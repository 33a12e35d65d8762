"""Parsing YAML, and finding places in it, from the events of libyaml.

Building data from events takes a quarter of the time of `yaml.load`, allows limits along the way,
and needs no recursion, so that no file can exhaust the stack.

Two features of YAML are refused: tags, since every value of an inventory is text, a number, a list
or a mapping; and all anchors and aliases, since an inventory means the same in every format and
what projects share belongs under `defaults`. Keys and dates are always text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NoReturn

import yaml
from yaml.constructor import SafeConstructor
from yaml.reader import Reader

from collector.inventory.bounds import (
    ITEMS_MAX,
    KEYS_MAX,
    LONG_LISTS,
    VALUES_MAX,
    refuse,
)
from collector.inventory.findings import Finding, Parsed, Path, Place
from collector.inventory.mistakes import MISTAKES_MAX, InventoryError, Mistake, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# The one in C is many times faster, but missing if PyYAML was built without it.
LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DEPTH_MAX = 100
DIGITS_MAX = 300
"""Characters of a number; a longer one is treated as text, since it takes long to parse."""
HINT = "check the indentation (spaces, no tabs), the quotes and the brackets here"


def parse(text: str, name: str) -> Parsed:
    """Parse the one document of a YAML file.

    Raises:
        InventoryError: The text is not YAML, or has tags, anchors, aliases, several documents or
            more than 100 levels.
    """
    builder = _Builder(name)
    for event in _events(text, name):
        builder.add(event)
    if builder.refused:
        raise InventoryError(builder.refused + builder.repeated)
    return Parsed(
        None if builder.root is _NOTHING else builder.root,
        lambda findings: locate(text, findings, repeats=bool(builder.repeated)),
        tuple(builder.repeated),
    )


def repeated_keys(text: str, name: str) -> tuple[Mistake, ...]:
    """Return a mistake for each key that is listed twice in one mapping.

    Raises:
        InventoryError: As for `parse`.
    """
    return parse(text, name).mistakes


def locate(text: str, findings: Sequence[Finding], *, repeats: bool = False) -> list[Place]:
    """Return the place of each finding: its key or value, else whatever surrounds it most closely.

    Args:
        text: The document.
        findings: What to look for.
        repeats: Some key is listed twice; its path leads to the later one, as in the data.
    """
    wanted = {one.path[:length] for one in findings for length in range(len(one.path) + 1)}
    found: dict[Path, tuple[Place, Place]] = {}
    try:
        for path, key, value in _places(text):
            if path in wanted:
                found[path] = (key, value)
                if len(found) == len(wanted) and not repeats:
                    break
    except yaml.YAMLError:
        # JSON that YAML cannot read; everything before that place is found anyway.
        pass
    return [_nearest(one, found) for one in findings]


def _nearest(finding: Finding, found: dict[Path, tuple[Place, Place]]) -> Place:
    if finding.path in found:
        key, value = found[finding.path]
        return key if finding.at_key else value
    for length in range(len(finding.path) - 1, -1, -1):
        if finding.path[:length] in found:
            place = found[finding.path[:length]][1]
            return Place(place.line, place.column, exact=False)
    return Place(1, 1, exact=not finding.path)


def _events(text: str, name: str) -> Iterator[yaml.Event]:
    """Yield the events of a text; syntax errors become mistakes."""
    # Depending on its build, PyYAML gives this place in bytes or in characters.
    if bad := Reader.NON_PRINTABLE.search(text):
        before = text[: bad.start()]
        line, column = before.count("\n") + 1, bad.start() - before.rfind("\n")
        what = f"the control character U+{ord(bad[0]):04X} is not allowed in YAML"
        raise InventoryError([Mistake(name, line, column, what, "remove it")])
    try:
        yield from yaml.parse(text, Loader=LOADER)
    except yaml.YAMLError as error:
        place = _place(getattr(error, "problem_mark", None))
        what = f"this is not valid YAML: {getattr(error, 'problem', None) or 'it cannot be read'}"
        raise InventoryError([Mistake(name, place.line, place.column, what, HINT)]) from None


def _place(mark: Any) -> Place:  # noqa: ANN401 - yaml.Mark, or the one of the C extension
    return Place(1, 1) if mark is None else Place(mark.line + 1, mark.column + 1)


_NOTHING: Final = object()


@dataclass(slots=True)
class _Builder:
    """Builds data from events, one after the other.

    Attributes:
        name: The file's, for mistakes.
        root: The document, `_NOTHING` before it.
        refused: What makes the data unusable.
        repeated: Keys listed twice; the later one counts.
    """

    name: str
    root: Any = _NOTHING
    refused: list[Mistake] = field(default_factory=list)
    repeated: list[Mistake] = field(default_factory=list)
    _open: list[Any] = field(default_factory=list)
    _keys: list[Any] = field(default_factory=list)
    _most: list[int] = field(default_factory=list)  # the maximum size of each open mapping and list
    _values: int = 0

    def add(self, event: yaml.Event) -> None:
        self._values += 1
        if self._values > VALUES_MAX:
            self._stop(event, f"the inventory has more than {VALUES_MAX:,} values")
        if isinstance(event, yaml.ScalarEvent):
            if event.anchor is not None or event.tag is not None:
                self._refuse_properties(event)
            if self._expects_key():
                self._add_key(event)
            else:
                self._add_value(_scalar(event), event)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._refuse_properties(event)
            self._start(event)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._open.pop()
            self._keys.pop()
            self._most.pop()
        elif isinstance(event, yaml.AliasEvent):
            self._refuse(event, "an alias is not allowed", "write the value out")
            if self._expects_key():
                self._keys[-1] = event.anchor
            else:
                self._add_value(None, event)
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not _NOTHING:
            self._refuse(event, "this starts a second document", "write one inventory per file")
            raise InventoryError(self.refused + self.repeated)

    def _start(self, event: yaml.Event) -> None:
        if self._expects_key():
            self._refuse(event, "a key is not text", "write keys as plain words")
            raise InventoryError(self.refused + self.repeated)
        if len(self._open) == DEPTH_MAX:
            self._refuse(
                event,
                f"this is nested {DEPTH_MAX} levels deep",
                "an inventory has only six levels",
            )
            raise InventoryError(self.refused + self.repeated)
        opened: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        is_long = bool(self._keys) and self._keys[-1] in LONG_LISTS
        self._add_value(opened, event)
        self._open.append(opened)
        self._keys.append(_NOTHING)
        self._most.append(
            KEYS_MAX if isinstance(opened, dict) else VALUES_MAX if is_long else ITEMS_MAX
        )

    def _expects_key(self) -> bool:
        return bool(self._open) and type(self._open[-1]) is dict and self._keys[-1] is _NOTHING

    def _add_key(self, event: yaml.ScalarEvent) -> None:
        if len(self._open[-1]) >= self._most[-1]:
            self._stop(event, f"a mapping of more than {self._most[-1]:,} keys")
        if event.value in self._open[-1]:
            place = _place(event.start_mark)
            what, instead = f"the key {quoted(event.value)} is listed twice", "keep one of them"
            self.repeated.append(Mistake(self.name, place.line, place.column, what, instead))
            self._give_up_on_many()
        self._keys[-1] = event.value

    def _add_value(self, value: object, event: yaml.Event) -> None:
        if not self._open:
            self.root = value
        elif type(self._open[-1]) is dict:
            self._open[-1][self._keys[-1]] = value
            self._keys[-1] = _NOTHING
        elif len(self._open[-1]) >= self._most[-1]:
            self._stop(event, f"a list of more than {self._most[-1]:,} values")
        else:
            self._open[-1].append(value)

    def _refuse_properties(self, event: yaml.NodeEvent) -> None:
        if event.anchor is not None:
            self._refuse(event, "an anchor is not allowed", "write the value out where it is used")
        if getattr(event, "tag", None) is not None:
            self._refuse(event, "a YAML tag is not allowed", "write the plain value, in quotes")

    def _refuse(self, event: yaml.Event, what: str, instead: str) -> None:
        place = _place(event.start_mark)
        self.refused.append(Mistake(self.name, place.line, place.column, what, instead))
        self._give_up_on_many()

    def _give_up_on_many(self) -> None:
        if len(self.refused) + len(self.repeated) > MISTAKES_MAX:
            raise InventoryError(self.refused + self.repeated)

    def _stop(self, event: yaml.Event, what: str) -> NoReturn:
        place = _place(event.start_mark)
        refuse(self.name, place.line, place.column, what)


def _places(text: str) -> Iterator[tuple[Path, Place, Place]]:
    """Yield the path of each value in a document, with the places of its key and of itself.

    For the items of a list, both places are the item's own.
    """
    # For each open mapping or list: its path, and the next key or index.
    paths: list[Path] = []
    nexts: list[str | int | None] = []
    key_place = Place(1, 1)
    for event in yaml.parse(text, Loader=LOADER):
        if isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            paths.pop()
            nexts.pop()
        elif isinstance(event, yaml.NodeEvent):
            place = _place(event.start_mark)
            step = nexts[-1] if nexts else None
            if nexts and step is None:
                nexts[-1], key_place = getattr(event, "value", ""), place
                continue
            path = paths[-1] if paths else ()
            if isinstance(step, int):
                path, nexts[-1], key_place = (*path, step), step + 1, place
            elif step is not None:
                path, nexts[-1] = (*path, step), None
            yield path, key_place, place
            if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                paths.append(path)
                nexts.append(None if isinstance(event, yaml.MappingStartEvent) else 0)


def _scalar(event: yaml.ScalarEvent) -> object:
    """Return the value of a scalar: text if quoted or unusual."""
    text: str = event.value
    if event.implicit[0] and len(text) <= DIGITS_MAX:
        for tag, pattern in _RESOLVERS.get(text[:1], ()):
            if pattern.match(text):
                try:
                    return _CONSTRUCT[tag](yaml.ScalarNode(tag, text))
                except ValueError:
                    return text
    return text


# Dates, `<<` and `=` are left out, and so become text.
_CONSTRUCTOR = SafeConstructor()
_CONSTRUCT: Final[dict[str, Callable[[yaml.ScalarNode], object]]] = {
    "tag:yaml.org,2002:null": _CONSTRUCTOR.construct_yaml_null,
    "tag:yaml.org,2002:bool": _CONSTRUCTOR.construct_yaml_bool,
    "tag:yaml.org,2002:int": _CONSTRUCTOR.construct_yaml_int,
    "tag:yaml.org,2002:float": _CONSTRUCTOR.construct_yaml_float,
}
_RESOLVERS: Final = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _CONSTRUCT]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
