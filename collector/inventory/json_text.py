"""Parsing JSON, and finding places in it."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from collector.inventory.bounds import KEYS_MAX, VALUES_MAX, refuse
from collector.inventory.findings import Parsed
from collector.inventory.mistakes import MISTAKES_MAX, InventoryError, Mistake, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.inventory.findings import Finding, Place

# Characters that JSON allows in text and YAML does not, or takes for line ends; lone surrogates.
_ODD = re.compile("[\t\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_HALF = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
DIGITS_MAX = 300


def parse(text: str, name: str) -> Parsed:
    """The value of a JSON file.

    Raises:
        InventoryError: The text is not JSON.
    """
    repeated: list[str] = []
    if sum(map(text.count, "[{,")) > VALUES_MAX:
        refuse(name, 1, 1, f"the inventory has more than {VALUES_MAX:,} values")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(pairs) > KEYS_MAX:
            at = max(0, text.find(json.dumps(pairs[0][0], ensure_ascii=False)))
            line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
            refuse(name, line, column, f"a mapping of more than {KEYS_MAX:,} keys")
        found = dict(pairs)
        if len(found) != len(pairs) and len(repeated) <= MISTAKES_MAX:
            counts = Counter(key for key, _ in pairs)
            repeated.extend(key for key in found if counts[key] > 1)
        return found

    try:
        data = json.loads(text, object_pairs_hook=unique, parse_int=_integer)
    except json.JSONDecodeError as error:
        what = f"this is not valid JSON: {error.msg}"
        instead = "check the quotes, commas and brackets here"
        raise InventoryError([Mistake(name, error.lineno, error.colno, what, instead)]) from None
    except RecursionError:
        what, instead = "this is nested too deeply", "an inventory has only six levels"
        raise InventoryError([Mistake(name, 1, 1, what, instead)]) from None
    mistakes = _repeated(text, name, repeated) if repeated else ()
    return Parsed(data, lambda findings: _locate(text, findings, repeats=bool(repeated)), mistakes)


def _integer(digits: str) -> int | float:
    """Replace very long integers, which Python refuses to parse and no field accepts."""
    return int(digits) if len(digits) < DIGITS_MAX else float(digits)


def _locate(text: str, findings: Sequence[Finding], *, repeats: bool) -> list[Place]:
    from collector.inventory import yaml_events  # noqa: PLC0415  # where something is wrong, only

    return yaml_events.locate(_as_yaml(text), findings, repeats=repeats)


def _repeated(text: str, name: str, keys: list[str]) -> tuple[Mistake, ...]:
    from collector.inventory import yaml_events  # noqa: PLC0415  # as above

    instead = "keep one of them"
    try:
        found = yaml_events.repeated_keys(_as_yaml(text), name)
    except InventoryError:
        found = ()
    # YAML cannot read every JSON text; the keys are then reported without their places.
    return found or tuple(
        Mistake(name, 1, 1, f"the key {quoted(key)} is listed twice in one object", instead)
        for key in keys
    )


def _as_yaml(text: str) -> str:
    """Return a text in which YAML finds the same keys at the same places."""
    return _HALF.sub(r"\\u003f", _ODD.sub(" ", text))
