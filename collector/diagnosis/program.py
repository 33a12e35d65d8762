"""The program and what it consists of: versions, and the parts in C."""

from __future__ import annotations

import platform
import ssl
import sys
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Final

from collector.diagnosis.items import Item, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.diagnosis.items import Around

_PACKAGES: Final = (
    *("aiohttp", "aiolimiter", "anyio", "click", "isal", "msgspec", "platformdirs", "pyyaml"),
    *("rich", "structlog", "uvloop", "yarl"),
)
_OLDEST: Final = (3, 11)
_IN_C: Final = (
    ("uvloop", "uvloop", "the event loop", "the command does not start"),
    ("ISA-L", "isal.isal_zlib", "unpacks and checks archives", "no archive can be verified"),
    ("libyaml", "yaml._yaml", "reads YAML", "large YAML inventories load slowly"),
)
"""What it is called, its module, what it is for, and what happens without it."""


def versions(_: Around) -> Iterator[Item]:
    """Yield versions of the program, of Python and of packages."""
    version = _version("collector")
    if version is None:
        yield Item(
            "collector", "not installed as a package", Verdict.NOTE, "install it: pipx install ."
        )
    else:
        yield Item("collector", version)
    python = f"{platform.python_version()} ({platform.python_implementation()})"
    if sys.version_info >= _OLDEST:
        yield Item("Python", python)
    else:
        yield Item("Python", python, Verdict.PROBLEM, "use Python 3.11 or newer")
    yield Item("OpenSSL", ssl.OPENSSL_VERSION)
    found = {name: _version(name) for name in _PACKAGES}
    yield Item("packages", ", ".join(f"{name} {one}" for name, one in found.items() if one))
    missing = [name for name, one in found.items() if one is None]
    if missing:
        yield Item("missing", ", ".join(missing), Verdict.PROBLEM, "install collector anew")


def parts(_: Around) -> Iterator[Item]:
    """Yield whether the parts in C are there: they are used wherever they are."""
    for name, module, purpose, without in _IN_C:
        try:
            import_module(module)
        except (ImportError, OSError) as error:
            verdict = Verdict.NOTE if module.startswith("yaml") else Verdict.PROBLEM
            advice = f"{without}; install it anew"
            yield Item(name, f"cannot be loaded ({type(error).__name__})", verdict, advice)
        else:
            yield Item(name, f"present and used: {purpose}")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
