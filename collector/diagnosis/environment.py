"""The environment: locale, and which variables with credentials are set. Never their values."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from collector import providers
from collector.diagnosis.items import SECRET_NAMES, Item, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.diagnosis.items import Around

_SHOWN_MAX: Final = 30
_SHOWN_CHARS: Final = 60
_LOCALE: Final = ("LC_ALL", "LC_CTYPE", "LANG")


def locale(around: Around) -> Iterator[Item]:
    """Yield the locale, and the encodings that follow from it."""
    found = next(
        (f"{name}={value}" for name in _LOCALE if (value := around.environ.get(name))),
        "none (C)",
    )
    names = sys.getfilesystemencoding()
    value = f"{found}; file names {names}, output {around.printed_as}"
    if around.printed_as.lower().replace("-", "") == "utf8":
        yield Item("locale", value)
    else:
        advice = "what it lacks is printed as \\u00e9; for more set LC_ALL=C.UTF-8"
        yield Item("locale", value, Verdict.NOTE, advice)


def credentials(around: Around) -> Iterator[Item]:
    """Yield the names of variables with credentials."""
    default = providers.find(providers.DEFAULT_PROVIDER).rules.variable
    value = around.environ.get(default)
    if value is None:
        yield Item(default, "not set; it is used where an inventory names no credentials")
    elif not value.strip():
        yield Item(default, "set, but empty", Verdict.PROBLEM, "set it to a token, or unset it")
    elif value != value.strip() or not value.isascii() or not value.isprintable():
        advice = "set it anew, without quotes, spaces and line breaks"
        found = "set, with characters that no token has"
        yield Item(default, found, Verdict.PROBLEM, advice)
    else:
        yield Item(default, "set")
    others = sorted(
        name[:_SHOWN_CHARS]
        for name in around.environ
        if name != default and SECRET_NAMES.search(name)
    )
    shown = others[:_SHOWN_MAX]
    if len(others) > len(shown):
        shown.append(f"and {len(others) - len(shown)} more")
    yield Item("other secrets", f"set: {', '.join(shown)}" if shown else "none by name")
