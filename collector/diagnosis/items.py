"""What a diagnosis consists of: items, each with a verdict and what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from collector.printable import one_line
from collector.redaction import Secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

SECRET_NAMES: Final = re.compile(
    r"(?i)(token|passw(or)?d|passphrase|secret|credential|(^|_)(ak|sk|pat|pin|api_?key|access_?key"
    r"(_?id)?|private_?key)$)"
)
"""What variables are called that hold secrets."""
_VALUE_MAX: Final = 2_000
"""Characters of a value that are shown."""
_SECRET_MAX: Final = 64 * 1024
"""Characters of a variable that may be a secret: no token is longer."""


class Verdict(StrEnum):
    """How good something is."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; it may be as it should."""
    PROBLEM = "problem"
    """A run is going to suffer from it."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was looked at.

    Attributes:
        name: what it is.
        value: what was found.
        verdict: how good that is.
        advice: what to do about it; empty for nothing.
    """

    name: str
    value: str
    verdict: Verdict = Verdict.OK
    advice: str = ""

    def without(self, secrets: Secrets) -> Item:
        """Return it as text that may leave: without secrets, on one line, not too long."""
        value = one_line(secrets.hide(self.value))
        if len(value) > _VALUE_MAX:
            value = f"{value[:_VALUE_MAX]}..."
        return replace(self, value=value, advice=one_line(secrets.hide(self.advice)))


@dataclass(frozen=True, slots=True)
class Around:
    """What is looked at.

    Attributes:
        out: where runs are kept.
        state: where what is learned is kept; None where there is no such place.
        environ: the environment.
        printed_as: the encoding of what is printed.
    """

    out: Path
    state: Path | None
    environ: Mapping[str, str]
    printed_as: str = "utf-8"


def worst(items: Iterable[Item]) -> Verdict:
    """Return the worst verdict."""
    order = list(Verdict)
    return max((item.verdict for item in items), key=order.index, default=Verdict.OK)


def secrets_of(environ: Mapping[str, str]) -> Secrets:
    """Return the values of variables that hold secrets, as far as names tell, and of proxies."""
    secrets = Secrets()
    for name, value in environ.items():
        if len(value) > _SECRET_MAX or not _is_whole(value):
            continue
        if SECRET_NAMES.search(name):
            secrets.add(value)
            secrets.add(value.strip())
        elif name.lower().endswith("_proxy") and "@" in value:
            user = value.rpartition("@")[0].rpartition("//")[2]
            secrets.add(user)
            secrets.add(user.partition(":")[2])
    return secrets


def _is_whole(value: str) -> bool:
    """Whether it is text; a variable may hold any bytes."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
