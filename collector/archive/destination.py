"""`Destination`: the port through which archives are kept, wherever that is.

An archive's way is always the same: it is *staged*, bytes are *appended* as they arrive and are
verified meanwhile, and once every byte has proved right, it is *committed* under its final path.
Until then it counts for nothing, and can be *discarded*. A download that was cut is continued after
the bytes that are staged, in this process or a later one: these are *read back* first, through the
same hash and the same reader as bytes from the wire, because what lies in a store is not trusted.

`collector.archive.local.LocalDirectory` is the first destination: the run's own directory.
`docs/how-to/new-destination.md` says how to write another one, and which tests it must pass.

**Paths.** An archive is known by its path relative to the run, `PROJECT/SERVER/FILE`, with slashes;
the journal and the manifest record no more. Where that lies is the destination's business. What is
staged and committed has names that are safe on any file system (`names.safe_name`). A damaged or
planted record may name other paths, which `size` and `read` are then asked for; none of them is
absolute or leads out of the run by `..`. The journal, the manifest, SHA256SUMS and the list of
members stay in the run's directory, whatever the destination.

**Bytes.** Sizes, offsets and content are those of the archive, as it was appended. A destination
that stores something else (encrypted, say) translates.

**Threads.** Every method blocks, and is called in a worker thread; only `describe` and the `close`
of a staged archive may be called in the event loop too, so they do not wait. The port blocks
because the work around it (hashing, inflating) must be in threads anyway, because a cancellation
then waits for the end of the step under way, so that no two steps overlap, and because files,
databases and most clients of object stores block too. Methods of a `Destination` may be called by
several threads at once. Methods of a `StagedFile` are called one after the other, but not always
by the same thread.

**Errors.** What cannot be done raises OSError with an `errno`; a client's own exceptions become
one. The number decides what follows. Those in `OF_ONE_ARCHIVE` fail this archive and no other.
Any other pauses all downloads and lets one of them try now and then, so it suits a full disk, lost
permission and an unreachable store. `problems.unwritable` is the one place that makes answers of
errors.

**Crashes.** A process may be killed between any two instructions, and the power may fail. What may
be left is: nothing; or some of the bytes that were appended, staged; or the whole archive,
committed. Bytes that are staged may be wrong, and are checked. A committed archive is whole: it
appears under its path at once, never in part. When `commit` has ended with `durable`, it outlasts a
power cut.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

OF_ONE_ARCHIVE = frozenset(
    {
        errno.EFBIG, errno.ENAMETOOLONG, errno.EILSEQ, errno.EISDIR, errno.ENOTDIR, errno.ELOOP,
        errno.ENOTEMPTY, errno.EEXIST, errno.EINVAL,
    }
)  # fmt: skip
"""What keeps one archive from being written, where another one could be."""


class Sync(Hashable, Protocol):
    """Something that must be on stable storage. Equal ones are synced once for all who wait."""

    def __call__(self) -> None:
        """Wait until it is.

        Raises:
            OSError: it cannot be made durable.
        """


Steps: TypeAlias = Generator[Sequence[Sync], None, T]
"""Work in steps: where it yields, what it names is synced before the next step.

Steps of several small archives are taken together: the first of several syncs in a row does most of
the work of all. An error of a sync is raised at the `yield`. A bare `yield ()` marks a place where
the disk would be waited for.
"""

Pieces: TypeAlias = Generator[bytes | memoryview, None, None]
"""Bytes in order, each piece valid until the next is asked for. Whoever stops early closes it."""


class StagedFile(Protocol):
    """One archive that is not committed yet. Making the object does nothing: `append` begins."""

    def resume(self) -> int:
        """Find what an earlier try has left; `append` then continues after it.

        Called before anything else, or not at all: then the first `append` replaces what is there.

        Returns:
            How many bytes can be read back: a beginning of what was appended. 0 if there is
            nothing, nothing that can be read back, or nothing that is safe to write to.
        """

    def read(self, offset: int = 0) -> Pieces:
        """Read back what is staged, from an offset to its end; that moves nothing for `append`.

        Raises:
            OSError: it cannot be read.
        """

    def append(self, pieces: Sequence[bytes]) -> None:
        """Append all of the pieces. Memory stays bounded: what is appended is not all kept in it.

        Raises:
            OSError: not all were appended. The archive is then discarded.
        """

    def commit(self, path: str, *, durable: bool) -> Steps[None]:
        """Make what is staged the archive at this path, in place of what is there.

        Args:
            path: the one it was staged for; or another one beside it, for a rejected archive.
            durable: it outlasts a power cut once the last step has been taken.

        Raises:
            OSError: in any step. `discard` then removes it, whatever its path is by now.
        """

    def discard(self) -> None:
        """Remove what is staged, whoever left it there; or what a failed `commit` has made of it.

        It never raises: what cannot be removed is left for the next try to replace.
        """

    def close(self) -> None:
        """Let go of what is held open; what is staged stays for `resume`. May be called twice."""


class Destination(Protocol):
    """Where the archives of one run are kept. Making the object touches nothing yet."""

    def stage(self, path: str) -> StagedFile:
        """Return a place for an archive that is about to come. Nothing is written yet."""

    def size(self, path: str) -> int | None:
        """Return how many bytes the archive committed at a path has; None if there is none.

        A resume asks this for every archive of the run, so it should be quick.

        Raises:
            OSError: the destination cannot be asked. None would have the archive collected again.
        """

    def read(self, path: str) -> Pieces:
        """Read a committed archive.

        Raises:
            OSError: it cannot be read; FileNotFoundError if there is none. Either may be raised
                when the first piece is asked for.
        """

    def remove(self, path: str) -> None:
        """Remove what is committed at a path, if anything is.

        Raises:
            OSError: it cannot be removed.
        """

    def entries(self) -> Iterator[str]:
        """List the paths of what is kept for this run outside of the run's directory, for `verify`.

        Committed archives have their paths; what is staged for a path ends in `names.PART`.
        `verify` lists the run's directory itself.

        Raises:
            OSError: it cannot be listed.
        """

    def room(self) -> int | None:
        """Return how many bytes there is room for; None where there is no limit, or none is known.

        Raises:
            OSError: it cannot be asked; then archives are tried, as if there was room.
        """

    def describe(self, path: str) -> str:
        """Say where an archive lies, for a message: `/data/run/p/s/a.tgz on the disk at /data`."""

    def close(self) -> None:
        """Let go of connections; called once, at the end.

        A `read` that a stop has given up may be under way in a thread, and may fail by this.
        """


OpenDestination: TypeAlias = "Callable[[Path], Destination]"
"""Given a run's directory, returns where that run's archives are kept. Its name is the run's id."""
