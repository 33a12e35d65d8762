"""What headers before a member of a tar say of it: pax records and GNU's long names."""

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


class Told(NamedTuple):
    """What was said of one member; None: nothing.

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


NOTHING = Told()


class Announced:
    """Gathers it, and keeps a name and three numbers of it, however many headers come.

    It is settled as `tarfile` does it: of several headers for one member the first holds, within
    one the last record; what a global header says holds for every later member.

    Attributes:
        anything: whether something is said of the next member.
    """

    def __init__(self) -> None:
        self.anything = False
        self._global: dict[bytes, bytes] = {}
        self._told = NOTHING

    def take_records(self, records: dict[bytes, bytes], *, is_global: bool) -> None:
        """Take a pax header's records, in their order."""
        if is_global:
            kept = {key: records[key] for key in records if key in _KEPT_OF_GLOBAL}
            self._global.update(kept)
            self.anything = self.anything or bool(self._global)
        else:
            self._take(_read(self._global | records))

    def take_long_name(self, name: bytes) -> None:
        """Take GNU's long name."""
        self._take(Told(name=name.partition(b"\0")[0]))

    def settle(self, *, hears_global: bool) -> Told:
        """Return what was said of the member that has come, and forget it.

        Args:
            hears_global: whether global headers mean this member, too.
        """
        if hears_global and self._global:
            self._take(_read(self._global))
        told, self._told = self._told, NOTHING
        self.anything = bool(self._global)
        return told

    def _take(self, later: Told) -> None:
        self.anything = True
        self._told = Told(*[b if a is None else a for a, b in zip(self._told, later, strict=True)])


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


def _read(records: dict[bytes, bytes]) -> Told:
    name = real_size = None
    for key, value in records.items():
        if key == _PATH:
            name = value.rstrip(b"/")
        elif key == _SPARSE_NAME:
            name = value
        elif key == _SIZE or key in _REAL_SIZES:
            real_size = value
    return Told(name, records.get(_SIZE), real_size, records.get(_MTIME))
