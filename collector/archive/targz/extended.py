"""Extended headers, which come before a member of a tar: pax records and GNU's long names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from collector.archive.format import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable

NAME_LIMIT = 4096
"""The most bytes of a name that a member is listed with; no system has longer ones."""

_PATH, _SPARSE_NAME = b"path", b"GNU.sparse.name"
_SIZE, _MTIME = b"size", b"mtime"
_REAL_SIZES = frozenset({b"GNU.sparse.size", b"GNU.sparse.realsize"})
_KEPT = frozenset({_PATH, _SPARSE_NAME, _SIZE, _MTIME}) | _REAL_SIZES
_RECORD_LENGTH = re.compile(rb"([0-9]{1,20}) ")
_KEPT_OF_GLOBAL = frozenset({_PATH, _MTIME})


class Overrides(NamedTuple):
    """What extended headers say of one member, in place of its own header; None: nothing.

    Attributes:
        name: without slashes at its end, where it was a path.
        size: digits: bytes in the tar.
        real_size: digits: bytes once it is unpacked.
        mtime: digits, most often.
    """

    name: bytes | None = None
    size: bytes | None = None
    real_size: bytes | None = None
    mtime: bytes | None = None


NO_OVERRIDES = Overrides()


class ExtendedHeaders:
    """Gathers what they say, and keeps a name and three numbers of it, however many headers come.

    Conflicts are resolved as `tarfile` does it: of several headers for one member the first holds,
    within one the last record; what a global header says holds for every later member.

    Attributes:
        say_anything: whether something is said of the next member.
    """

    def __init__(self) -> None:
        self.say_anything = False
        self._global: dict[bytes, bytes] = {}
        self._next = NO_OVERRIDES

    def add_records(self, records: dict[bytes, bytes], *, is_global: bool) -> None:
        """Add a pax header's records, in their order."""
        if is_global:
            kept = {key: records[key] for key in records if key in _KEPT_OF_GLOBAL}
            self._global.update(kept)
            self.say_anything = self.say_anything or bool(self._global)
        else:
            self._add(_read(self._global | records))

    def add_long_name(self, name: bytes) -> None:
        """Add GNU's long name."""
        self._add(Overrides(name=name.partition(b"\0")[0]))

    def take(self, *, with_global: bool) -> Overrides:
        """Return what is said of the member that has come, and forget it.

        Args:
            with_global: whether global headers apply to this member, too.
        """
        if with_global and self._global:
            self._add(_read(self._global))
        found, self._next = self._next, NO_OVERRIDES
        self.say_anything = bool(self._global)
        return found

    def _add(self, later: Overrides) -> None:
        self.say_anything = True
        pairs = zip(self._next, later, strict=True)
        self._next = Overrides(*[b if a is None else a for a, b in pairs])


def pax_records(pax: bytes, where: Callable[[], str]) -> dict[bytes, bytes]:
    """Split a pax header's records, `LENGTH KEY=VALUE` and a newline each.

    Args:
        pax: the header's content.
        where: says where in the archive that is, for an error's text.

    Returns:
        Those that tell a name, a size or a time.

    Raises:
        ArchiveError: they are malformed.
    """
    records = {}
    position = 0
    while position < len(pax) and pax[position]:
        found = _RECORD_LENGTH.match(pax, position)
        end = position + int(found[1]) if found else 0
        if not found or not found.end() < end <= len(pax) or pax[end - 1] != ord("\n"):
            raise ArchiveError(f"a malformed pax header{where()}")
        key, equals, value = pax[found.end() : end - 1].partition(b"=")
        if not key or not equals:
            raise ArchiveError(f"a malformed pax header{where()}")
        if key in _KEPT:
            records[key] = value[: NAME_LIMIT + 1]
        position = end
    return records


def _read(records: dict[bytes, bytes]) -> Overrides:
    name = real_size = None
    for key, value in records.items():
        if key == _PATH:
            name = value.rstrip(b"/")
        elif key == _SPARSE_NAME:
            name = value
        elif key == _SIZE or key in _REAL_SIZES:
            real_size = value
    return Overrides(name, records.get(_SIZE), real_size, records.get(_MTIME))
