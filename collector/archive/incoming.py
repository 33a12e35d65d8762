"""One archive on its way to its file: what is here of it, verified, hashed and written."""

from __future__ import annotations

import errno
import hashlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from collector import descriptors
from collector.archive.errors import ArchiveError
from collector.archive.limits import UnpackLimits
from collector.archive.listing import Listing
from collector.archive.part import PartFile
from collector.archive.space import mount_point
from collector.archive.targz.reader import ArchiveReader
from collector.model.answers import Problem, ProblemKind, Stored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from collector.archive.workers import Steps
    from collector.model.answers import Checksum

_PROOF = "sha256"
_OF_THIS_FILE = frozenset(
    {
        errno.EFBIG, errno.ENAMETOOLONG, errno.EILSEQ, errno.EISDIR, errno.ENOTDIR, errno.ELOOP,
        errno.ENOTEMPTY, errno.EEXIST, errno.EINVAL,
    }
)  # fmt: skip
"""What the system says of one file, where another one could be written."""

_SPOILS = frozenset(
    {
        ProblemKind.CHANGED,
        ProblemKind.INVALID_ARCHIVE,
        ProblemKind.TOO_LARGE,
        ProblemKind.FILE_REFUSED,
        ProblemKind.DISK,
    }
)
"""After these, nothing can be gone on from."""


@dataclass(frozen=True, slots=True)
class ArchivePolicy:
    """How a person wants archives to be treated.

    Attributes:
        limits: what an archive may unpack to.
        durable: a file and its name are on disk before it counts as stored.
        keep_rejected: what is no whole archive is kept as `FILE.rejected`.
    """

    limits: UnpackLimits = field(default_factory=UnpackLimits)
    durable: bool = True
    keep_rejected: bool = False


class StagedArchive:
    """The work of the threads on one archive. `read` and `keep` may go on at the same time.

    Args:
        directory: where the file belongs; it is made where it is missing.
        file_name: what it shall be called: a safe name.
        label: what the list of its members calls its directory: its path in the run.
        care: how it is treated.

    Attributes:
        size: bytes that are here.
        tried: an earlier try may have left some.
        members: the archive's, once it is whole, as lines of JSON, packed as one gzip member.
    """

    def __init__(self, directory: Path, file_name: str, label: str, care: ArchivePolicy) -> None:
        self.tried = False
        self.members = b""
        self._directory = directory
        self._label = label
        self._care = care
        self._expected: tuple[Checksum, ...] = ()
        self._length: int | None = None
        self._spoilt: Problem | None = None
        self._all_kept = False
        self._begin(file_name)

    @property
    def file_name(self) -> str:
        """What the file shall be called."""
        return self._part.name

    @property
    def path(self) -> Path:
        """Where the file belongs."""
        return self._part.path

    def take_up(self) -> int:
        """Read what an earlier try has left from its start; return its bytes, 0 for none.

        It is hashed and verified anew: what lies on a disk is not what came, until it is shown.
        """
        self.tried = True
        try:
            if self._part.take_up():
                for piece in self._part.read():
                    self._reader.feed(piece)
                    self._hashes[_PROOF].update(piece)
                    self.size += len(piece)
        except (ArchiveError, OSError):
            self.begin_anew(self.file_name)
        return self.size

    def begin_anew(self, file_name: str) -> None:
        """Let go of all that is here; what comes may have another name."""
        self._part.discard()
        self._begin(file_name)

    def close(self) -> None:
        """Close what is open; the file stays as it is. May be called twice."""
        self._part.close()

    def continues(self, offset: int, overlap: bytes) -> bool:
        """Whether what came is what lies there already."""
        return self._part.at(offset, len(overlap)) == overlap

    def expect(self, length: int | None, checksums: Sequence[Checksum]) -> None:
        """Take note of what the service says that the whole archive has."""
        self._length = length
        self._expected = tuple(checksums)
        if not self.size:  # of what is here already, they are taken at the end
            for one in checksums:
                self._hashes.setdefault(one.algorithm, _hash(one.algorithm))

    def read(self, pieces: Sequence[bytes]) -> Problem | None:
        """Verify pieces that are not the last."""
        if self._spoilt is None:
            try:
                for piece in pieces:
                    self._reader.feed(piece)
            except ArchiveError as error:
                problem = self._invalid(error)
                if not self._care.keep_rejected or error.too_large:
                    return problem
                self._spoilt = problem  # and all of it is to be had
        return None

    def take(self, pieces: Sequence[bytes]) -> Problem | None:
        """Verify, hash and write: where other archives keep the other threads busy."""
        return self.read(pieces) or self.keep(pieces)

    def keep(self, pieces: Sequence[bytes]) -> Problem | None:
        """Hash and write pieces."""
        try:
            self._keep(pieces)
        except OSError as error:
            return self._unwritable(error)
        return None

    def finish(self, pieces: Sequence[bytes]) -> Steps[Stored | Problem]:
        """Take the last pieces, in steps that end where the disk would be waited for."""
        try:
            if self._spoilt is not None:
                self._keep(pieces)
                return self.settle(self._spoilt)
            for piece in pieces:
                self._reader.feed(piece)
            # Before the write: of a small body that is no archive, nothing touches the disk.
            contents = self._reader.finish()
            self._keep(pieces)
            self._all_kept = True
            self._compare()
            self.members = self._listing.finish()
            yield from self._name()
        except ArchiveError as error:
            return self._reject(pieces, error)
        except OSError as error:
            return self.settle(self._unwritable(error))
        return Stored(
            file_name=self.file_name,
            bytes=self.size,
            sha256=self._hashes[_PROOF].hexdigest(),
            members=contents.members,
            oldest_s=contents.oldest_s,
            newest_s=contents.newest_s,
        )

    def give_up(self) -> None:
        """Keep no part of an archive that is not tried again, but as a reject where asked for."""
        if self._care.keep_rejected and self._part.take_up():
            self._part.reject()
        else:
            self._part.discard()

    def settle(self, problem: Problem) -> Problem:
        """Leave behind what the problem asks for: nothing, a part to go on from, or a reject."""
        if self.size and problem.kind not in _SPOILS:
            self.close()
        elif problem.kind is ProblemKind.INVALID_ARCHIVE and self._care.keep_rejected:
            self._part.reject()
        else:
            self._part.discard()
        return problem

    def _begin(self, file_name: str) -> None:
        self.size = 0
        self._part = PartFile(self._directory, file_name)
        self._listing = Listing(f"{self._label}/{file_name}")
        self._reader = ArchiveReader(self._care.limits, self._listing.add)
        self._hashes = {_PROOF: hashlib.sha256()}

    def _keep(self, pieces: Sequence[bytes]) -> None:
        for running in self._hashes.values():
            for piece in pieces:
                running.update(piece)
        self._part.write(pieces)
        self.size += sum(map(len, pieces))

    def _name(self) -> Steps[None]:
        """Give the file its name, on disk where that was asked for."""
        yield []  # steps of one kind in a row, which let others at Python's lock, take less time
        if self._care.durable:
            self._part.sync()
            yield []
        self._part.give_name()
        if self._care.durable:
            yield []
            yield self._part.sync_name()
        if self._care.keep_rejected:
            self._part.forget_rejected()
        self._part.close()

    def _compare(self) -> None:
        for given in self._expected:
            running = self._hashes.get(given.algorithm)
            if running is None:
                running = self._hashes[given.algorithm] = _hash(given.algorithm)
                for piece in self._part.read():
                    running.update(piece)
            if running.hexdigest() != given.digest:
                raise ArchiveError(
                    f"the {given.algorithm} of what arrived is {running.hexdigest()}, and "
                    f"{given.source} says {given.digest}"
                )

    def _reject(self, pieces: Sequence[bytes], error: ArchiveError) -> Problem:
        problem = self._invalid(error)
        wanted = problem.kind is ProblemKind.CUT or self._care.keep_rejected
        if wanted and not self._all_kept:
            try:
                self._keep(pieces)
            except OSError as unwritable:
                return self.settle(self._unwritable(unwritable))
        return self.settle(problem)

    def _invalid(self, error: ArchiveError) -> Problem:
        if error.too_large:
            return Problem(ProblemKind.TOO_LARGE, str(error))
        if not error.unfinished:
            return Problem(ProblemKind.INVALID_ARCHIVE, str(error))
        if self._length is None:
            return Problem(ProblemKind.CUT, f"{error}; the service had not said how long it is")
        return Problem(
            ProblemKind.INVALID_ARCHIVE,
            f"{error}, though all {self._length} bytes promised arrived",
        )

    def _unwritable(self, error: OSError) -> Problem:
        number = error.errno or errno.EIO
        path = self._part.path
        if refused := descriptors.refusal(number):
            return Problem(ProblemKind.DISK, f"cannot write {path}: {refused[0]}", hint=refused[1])
        return Problem(
            ProblemKind.FILE_REFUSED if number in _OF_THIS_FILE else ProblemKind.DISK,
            f"cannot write {path} on the disk at {mount_point(path.parent)}: "
            f"{os.strerror(number)} ({errno.errorcode.get(number, number)})",
        )


def _hash(algorithm: str) -> hashlib._Hash:
    return hashlib.new(algorithm, usedforsecurity=False)
