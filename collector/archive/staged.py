"""One archive on its way to its place: verified, hashed and written, piece by piece."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from collector.archive.format import ArchiveError, UnpackLimits
from collector.archive.listing import Listing
from collector.archive.names import REJECTED
from collector.archive.problems import not_whole, unwritable
from collector.model.answers import Problem, ProblemKind, Stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.archive.destination import Destination, StagedFile, Steps
    from collector.archive.format import ArchiveFormat
    from collector.model.answers import Checksum

_PROOF = "sha256"

_SPOILS = frozenset(
    {
        ProblemKind.CHANGED,
        ProblemKind.INVALID_ARCHIVE,
        ProblemKind.TOO_LARGE,
        ProblemKind.FILE_REFUSED,
        ProblemKind.DISK,
    }
)
"""After these, there is nothing to continue from."""


@dataclass(frozen=True, slots=True)
class ArchivePolicy:
    """How a person wants archives to be treated.

    Attributes:
        limits: what an archive may unpack to.
        durable: an archive outlasts a power cut before it counts as stored.
        keep_rejected: an archive that fails verification is kept as `FILE.rejected`.
    """

    limits: UnpackLimits = field(default_factory=UnpackLimits)
    durable: bool = True
    keep_rejected: bool = False


class StagedArchive:
    """The work of the threads on one archive. `verify` and `write` may go on at the same time.

    Args:
        destination: where it goes.
        directory: its server's, in the run.
        file_name: what it shall be called there: a safe name.
        archive_format: what it is packed as.
        policy: how it is treated.

    Attributes:
        file_name: what it shall be called.
        size: bytes that are staged.
        resumed: an earlier try may have staged some.
        members: the archive's, once it is whole, as lines of JSON, packed as one gzip member.
    """

    def __init__(
        self,
        destination: Destination,
        directory: str,
        file_name: str,
        archive_format: ArchiveFormat,
        policy: ArchivePolicy,
    ) -> None:
        self.resumed = False
        self.members = b""
        self._destination = destination
        self._directory = directory
        self._format = archive_format
        self._policy = policy
        self._expected: tuple[Checksum, ...] = ()
        self._length: int | None = None
        self._rejected: Problem | None = None
        self._all_written = False
        self._begin(file_name)

    @property
    def path(self) -> str:
        """Its path in the run."""
        return f"{self._directory}/{self.file_name}"

    def resume(self) -> int:
        """Read back what an earlier try has staged; return its bytes, 0 for none.

        It is hashed and verified like bytes that arrive: what lies in a store is not trusted.
        """
        self.resumed = True
        try:
            if self._file.resume():
                with contextlib.closing(self._file.read()) as pieces:
                    for piece in pieces:
                        self._reader.feed(piece)
                        self._hashes[_PROOF].update(piece)
                        self.size += len(piece)
        except (ArchiveError, OSError):
            self.restart(self.file_name)
        return self.size

    def restart(self, file_name: str) -> None:
        """Discard all that is staged; what comes may have another name."""
        self._file.discard()
        self._begin(file_name)

    def close(self) -> None:
        """Let go of what is open; what is staged stays. May be called twice."""
        self._file.close()

    def matches(self, offset: int, overlap: bytes) -> bool:
        """Whether the staged bytes from an offset on are these."""
        staged = bytearray()
        try:
            with contextlib.closing(self._file.read(offset)) as pieces:
                for piece in pieces:
                    staged += piece
        except OSError:
            return False  # nothing that can be continued
        return staged == overlap

    def expect(self, length: int | None, checksums: Sequence[Checksum]) -> None:
        """Remember what the service says of the whole archive, to be compared."""
        self._length = length
        self._expected = tuple(checksums)
        if not self.size:  # those of what is staged already are taken at the end
            for one in checksums:
                self._hashes.setdefault(one.algorithm, _hash(one.algorithm))

    def verify(self, pieces: Sequence[bytes]) -> Problem | None:
        """Verify pieces that are not the last."""
        if self._rejected is None:
            try:
                for piece in pieces:
                    self._reader.feed(piece)
            except ArchiveError as error:
                problem = not_whole(error, self._length)
                if not self._policy.keep_rejected or error.too_large:
                    return problem
                self._rejected = problem  # and all of it is to be kept
        return None

    def write(self, pieces: Sequence[bytes]) -> Problem | None:
        """Hash and append pieces."""
        try:
            self._write(pieces)
        except OSError as error:
            return self._unwritable(error)
        return None

    def verify_and_write(self, pieces: Sequence[bytes]) -> Problem | None:
        """Do both in one thread, where other archives keep the other threads busy."""
        return self.verify(pieces) or self.write(pieces)

    def finish(self, pieces: Sequence[bytes]) -> Steps[Stored | Problem]:
        """Verify and write the last pieces and commit, in steps that end where it would wait."""
        try:
            if self._rejected is not None:
                self._write(pieces)
                return self.clean_up(self._rejected)
            for piece in pieces:
                self._reader.feed(piece)
            # Before the write: of a small body that is no archive, nothing is written.
            contents = self._reader.finish()
            self._write(pieces)
            self._all_written = True
            self._compare()
            self.members = self._listing.finish()
            yield ()  # steps of one kind in a row, which let others at Python's lock, are quicker
            yield from self._file.commit(self.path, durable=self._policy.durable)
            if self._policy.keep_rejected:
                self._destination.remove(f"{self.path}{REJECTED}")
            self._file.close()
        except ArchiveError as error:
            return self._reject(pieces, error)
        except OSError as error:
            return self.clean_up(self._unwritable(error))
        return Stored(
            file_name=self.file_name,
            bytes=self.size,
            sha256=self._hashes[_PROOF].hexdigest(),
            members=contents.members,
            oldest_s=contents.oldest_s,
            newest_s=contents.newest_s,
        )

    def clean_up(self, problem: Problem) -> Problem:
        """Leave what a problem asks for: nothing, bytes to continue from, or a rejected archive."""
        if self.size and problem.kind not in _SPOILS:
            self.close()
        elif problem.kind is ProblemKind.INVALID_ARCHIVE and self._policy.keep_rejected:
            keep_rejected(self._file, self.path)
        else:
            self._file.discard()
        return problem

    def _begin(self, file_name: str) -> None:
        self.file_name = file_name
        self.size = 0
        self._file = self._destination.stage(self.path)
        self._listing = Listing(self.path)
        self._reader = self._format.reader(self._policy.limits, self._listing.add)
        self._hashes = {_PROOF: hashlib.sha256()}

    def _write(self, pieces: Sequence[bytes]) -> None:
        for running in self._hashes.values():
            for piece in pieces:
                running.update(piece)
        self._file.append(pieces)
        self.size += sum(map(len, pieces))

    def _compare(self) -> None:
        """Compare the checksums that the service gave with those of what arrived.

        Raises:
            ArchiveError: one of them differs.
        """
        for given in self._expected:
            running = self._hashes.get(given.algorithm)
            if running is None:
                running = self._hashes[given.algorithm] = _hash(given.algorithm)
                with contextlib.closing(self._file.read()) as pieces:
                    for piece in pieces:
                        running.update(piece)
            if running.hexdigest() != given.digest:
                raise ArchiveError(
                    f"the {given.algorithm} of what arrived is {running.hexdigest()}, and "
                    f"{given.source} says {given.digest}"
                )

    def _reject(self, pieces: Sequence[bytes], error: ArchiveError) -> Problem:
        problem = not_whole(error, self._length)
        wanted = problem.kind is ProblemKind.CUT or self._policy.keep_rejected
        if wanted and not self._all_written:
            try:
                self._write(pieces)
            except OSError as refused:
                return self.clean_up(self._unwritable(refused))
        return self.clean_up(problem)

    def _unwritable(self, error: OSError) -> Problem:
        return unwritable(error, self._destination, self.path)


def keep_rejected(file: StagedFile, path: str) -> None:
    """Keep what is staged for a path beside it, as `FILE.rejected`."""
    with contextlib.suppress(OSError):  # nothing is staged, or there is no room for a name
        for _ in file.commit(f"{path}{REJECTED}", durable=False):
            pass
    file.close()


def _hash(algorithm: str) -> hashlib._Hash:
    return hashlib.new(algorithm, usedforsecurity=False)
