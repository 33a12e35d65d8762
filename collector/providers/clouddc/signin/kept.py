"""`KeptSource`: a secret that somebody keeps in a variable, or in a file that is read again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from collector import clock, threads
from collector.providers.clouddc.signin.reading import UnusableSecretError, of_file
from collector.providers.clouddc.signin.source import Offer, Source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from collector.providers.clouddc.signin.secret import Secret
    from collector.providers.clouddc.signin.source import Means
    from collector.providers.protocol import ProjectAddress
    from collector.redaction import Secrets

LOOKED_AT_EVERY_S: Final = 1.0
LOOK_S: Final = 5.0
"""How long a call waits for a file system that does not answer; then it carries what it has."""
_Seen = tuple[int, ...] | None


class KeptSource(Source):
    """A secret from variables, or from a file.

    A file is looked at once a second, and read when it has changed or the service has refused what
    it held. Variables do not change while a process runs.

    Args:
        secret: what was found.
        source: where, for a person.
        help_: what to do where the service refuses it.
    """

    def __init__(self, secret: Secret, source: str, help_: str) -> None:
        self._current = secret
        self._source = source
        self._help = help_
        self._file: Path | None = None
        self._what = ""
        self._made_of: Callable[[bytes], Secret] | None = None
        self._earlier: Secret | None = None
        self._refused_parts: tuple[str, ...] | None = None
        self._seen: _Seen = None
        self._next_look_s = 0.0
        self._reading = anyio.Lock()
        self._secrets: Secrets | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._source!r})"

    def follow(
        self, what: str, file: Path, made_of: Callable[[bytes], Secret], seen: _Seen
    ) -> None:
        """Read a file again from now on.

        Args:
            what: which secret it holds, for a person.
            file: the file.
            made_of: makes a secret of its content, or raises `UnusableSecretError`.
            seen: what `look` had found before it was read: later changes are changes.
        """
        self._what, self._file, self._made_of, self._seen = what, file, made_of, seen

    @property
    def hint(self) -> str:
        """What to do where the service refuses it."""
        return f"{self._help}, then --resume the run with --retry-failed"

    def make_known(self, secrets: Secrets) -> None:
        """Make the secret known, and whichever comes in its place."""
        self._secrets = secrets
        for part in self._current.parts():
            secrets.add(part)

    def enter(self, means: Means) -> None:
        """Begin."""

    async def offer(self, project: ProjectAddress) -> Offer:
        """Return the secret, which is another one where the file has changed."""
        del project  # the same for all
        if self._file is not None and clock.now_s() >= self._next_look_s:
            self._next_look_s = clock.now_s() + LOOKED_AT_EVERY_S
            with anyio.move_on_after(LOOK_S):
                seen = await threads.run_sync(partial(look, self._file), abandon_on_cancel=True)
                if seen != self._seen:
                    await self._read(self._current)
        return Offer(self._current, self._earlier)

    async def refused(self, secret: Secret, project: ProjectAddress) -> bool:
        """Tell whether a call would carry another secret now.

        Of several calls that were refused at once the first finds the new one in the file, and the
        others find that it is there already.
        """
        del project
        if secret is self._earlier:
            self._earlier = None
        elif secret is self._current:
            await self._read(secret)
            if secret is self._current and self._earlier is not None:
                # The file was read while it was written: what it held before was never refused.
                self._refused_parts = tuple(secret.parts())
                self._current, self._earlier = self._earlier, None
        return secret is not self._current

    def accepted(self, secret: Secret, project: ProjectAddress) -> None:
        """Forget the secret before."""
        del project
        if secret is self._current:
            self._earlier = None

    async def _read(self, known: Secret) -> None:
        """Read the file anew, unless somebody has since `known` was read."""
        async with self._reading:
            if self._file is None or self._current is not known:
                return
            try:
                seen, fresh = await threads.run_sync(self._read_now)
            except UnusableSecretError:
                return  # half-written, or gone: what we have stays
            if fresh is None:
                return
            self._seen = seen
            parts = tuple(fresh.parts())
            if parts in (tuple(known.parts()), self._refused_parts):
                return
            if self._secrets is not None:
                for part in parts:
                    self._secrets.add_issued(part)
            self._earlier = known if known.is_accepted else None
            self._current = fresh

    def _read_now(self) -> tuple[_Seen, Secret | None]:
        assert self._file is not None  # noqa: S101  # `_read` has looked
        assert self._made_of is not None  # noqa: S101  # as above
        seen = look(self._file)
        if seen is None:
            return None, None  # a pipe in its place would be waited for at each call
        return seen, self._made_of(of_file(self._what, self._file))


def look(path: Path) -> _Seen:
    """Return what changes with a file; None where it is none, or a pipe, which is read once."""
    try:
        if not path.is_file():
            return None
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
