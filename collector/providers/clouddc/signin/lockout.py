"""Keeps keys from being locked, as the service does after more than five wrong signatures in a row.

Not more than three leave, whichever run, process or project they are of: the count lies in a small
file of the user's. It is written before a call leaves whose keys are not proven, so that no kill
can lose it, and cleared when the service accepts them.
"""

from __future__ import annotations

import contextlib
import enum
import hmac
import json
import logging
import math
import os
import secrets
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from collector import files, threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FILE: Final = "signatures.json"
LOCK: Final = "signatures.lock"
MOST: Final = 3
"""Wrong signatures in a row; the service locks a key after five (API reference)."""
LOCKED_S: Final = 300.0
"""How long it does. After as long without a wrong one, the count begins anew."""
ANSWERED_S: Final = 60.0
"""A call that left longer ago is not waited for: its process was killed, or its answer is lost."""
_LARGEST: Final = 1 << 20
"""Bytes of the file: a few hundred for each key."""
_LOCKED_WITHIN_S: Final = 2.0
"""How long to wait for another process's writing; after that, the last writer wins."""
_VERSION: Final = 1
_log = logging.getLogger(__name__)
T = TypeVar("T")


class Held(NamedTuple):
    """A call that must not leave.

    Attributes:
        message: why, for a person.
        is_certain: all of the calls before it were refused. Else the answers of some are not known.
        is_soon_over: some of them may be answered yet.
    """

    message: str
    is_certain: bool
    is_soon_over: bool


class _State(enum.StrEnum):
    """What is known of a call that left with a key."""

    OUT = "out"
    LOST = "lost"
    REFUSED = "refused"


class _Count(NamedTuple):
    """A call that left with a key and was refused, or whose answer is not known."""

    ticket: str
    at_s: float
    state: _State


class Ticket(NamedTuple):
    """A call that is counted until its answer is known."""

    ak: str
    ticket: str


_Counts = dict[str, list[_Count]]


class KeyGuard:
    """Counts the calls of each AK that were refused, or may have been.

    Args:
        directory: the user's, where the count is kept for other processes; None: nowhere.
        instead: where it is kept if there is none, or it cannot be written.
        wall_s: the time in Unix seconds, as other processes know it too.
    """

    def __init__(
        self,
        directory: Path | None,
        wall_s: Callable[[], float] = time.time,
        *,
        instead: Path | None = None,
    ) -> None:
        self._directories = [one for one in (directory, instead) if one is not None]
        self._wall_s = wall_s
        self._salt = secrets.token_hex(16)
        self._counts: _Counts = {}

    async def leaves(self, ak: str) -> Ticket | Held:
        """Count a call that is about to leave with unproven keys, or hold it."""
        return await self._changed(ak, partial(self._leaves, ak))

    async def refused(self, ak: str, ticket: Ticket | None) -> None:
        """Take in that a call was refused, whether it had been counted before or not."""
        await self._changed(ak, partial(self._refused, ticket))

    async def cleared(self, ticket: Ticket) -> None:
        """Take in that a call was no wrong signature: it never left, or nobody looked at it."""
        await self._changed(ticket.ak, partial(_without, ticket.ticket))

    async def lost(self, ticket: Ticket) -> None:
        """Take in that the answer to a call is lost: it stays counted."""
        await self._changed(ticket.ak, partial(_lost, ticket.ticket))

    async def accepted(self, ak: str) -> None:
        """Take in that the service has accepted a signature: it counts from the start again."""
        await self._changed(ak, list.clear)

    def _leaves(self, ak: str, counts: list[_Count]) -> Ticket | Held:
        if len(counts) < MOST:
            ticket = Ticket(ak, secrets.token_hex(8))
            counts.append(_Count(ticket.ticket, self._wall_s(), _State.OUT))
            return ticket
        now_s = self._wall_s()
        wait_s = max(one.at_s for one in counts) + LOCKED_S - now_s
        if sum(one.state is _State.REFUSED for one in counts) >= MOST:
            until = datetime.fromtimestamp(now_s + wait_s, UTC).strftime("%H:%M:%S UTC")
            message = (
                f"the service has refused {MOST} signatures in a row with this access key, and "
                f"would lock it after five: no call is made with it for {math.ceil(wait_s)} s, "
                f"until {until}"
            )
            return Held(message, is_certain=True, is_soon_over=False)
        message = (
            f"the answers to {MOST} calls with this access key are not known: the next one waits "
            f"for {math.ceil(wait_s)} s, so that the service does not lock it"
        )
        is_soon_over = any(
            one.state is _State.OUT and now_s - one.at_s < ANSWERED_S for one in counts
        )
        return Held(message, is_certain=False, is_soon_over=is_soon_over)

    def _refused(self, ticket: Ticket | None, counts: list[_Count]) -> None:
        if ticket is not None:
            _without(ticket.ticket, counts)
        counts.append(_Count(secrets.token_hex(8), self._wall_s(), _State.REFUSED))
        del counts[: -2 * MOST]  # what is more says nothing more

    async def _changed(self, ak: str, change: Callable[[list[_Count]], T]) -> T:
        return await threads.run_sync(partial(self._change, ak, change))

    def _change(self, ak: str, change: Callable[[list[_Count]], T]) -> T:
        """Change the counts of a key, in the file where there is one."""
        while self._directories:
            directory = self._directories[0]
            before = {name: list(some) for name, some in self._counts.items()}
            try:
                files.make_directories(directory)
                with _locked(directory):
                    self._load(directory / FILE)
                    made = self._in_memory(ak, change)
                    self._save(directory / FILE)
                    return made
            except OSError as error:
                self._counts = before  # or what was changed would be changed twice
                self._give_up(directory, error)
        return self._in_memory(ak, change)

    def _give_up(self, directory: Path, error: OSError) -> None:
        """Count elsewhere from now on."""
        if directory not in self._directories:
            return  # another thread has
        self._directories.remove(directory)
        where = "in this process alone, and other runs do not know of them"
        if self._directories:
            where = f"in {self._directories[0]}, and runs elsewhere do not know of them"
        why = error.strerror or type(error).__name__
        _log.warning(
            f"cannot keep {directory / FILE} ({why}): refused signatures are counted {where}"
        )

    def _in_memory(self, ak: str, change: Callable[[list[_Count]], T]) -> T:
        # A salted hash: what is kept must not say which keys there are.
        name = hmac.new(bytes.fromhex(self._salt), ak.encode(), "sha256").hexdigest()
        self._counts = _fresh(self._counts, self._wall_s())
        counts = self._counts.setdefault(name, [])
        try:
            return change(counts)
        finally:
            if not counts:
                del self._counts[name]

    def _load(self, path: Path) -> None:
        try:
            content = files.read_within(path, _LARGEST)
        except FileNotFoundError:
            return
        except OSError as error:
            _log.warning(f"{path} cannot be read ({error.strerror}); it begins anew")
            with contextlib.suppress(OSError):
                files.remove(path)
            return
        try:
            self._salt, self._counts = _read(content)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            _log.warning(f"{path} was not written by a collector; it begins anew")

    def _save(self, path: Path) -> None:
        said = {"version": _VERSION, "salt": self._salt, "keys": self._counts}
        unfinished = path.with_name(f"{FILE}.part")
        with contextlib.suppress(FileNotFoundError):
            files.remove(unfinished)
        descriptor = files.open_to_write(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            files.write_all(descriptor, json.dumps(said).encode("ascii"))
            files.sync(descriptor)
        finally:
            os.close(descriptor)
        files.rename(unfinished, path)


def _lost(ticket: str, counts: list[_Count]) -> None:
    counts[:] = [one._replace(state=_State.LOST) if one.ticket == ticket else one for one in counts]


def _without(ticket: str, counts: list[_Count]) -> None:
    counts[:] = [one for one in counts if one.ticket != ticket]


def _fresh(counts: _Counts, now_s: float) -> _Counts:
    """Return the counts that still matter; a time that is yet to come is taken for now."""
    return {
        name: [one._replace(at_s=min(one.at_s, now_s)) for one in some]
        for name, some in counts.items()
        if some and now_s - max(one.at_s for one in some) < LOCKED_S
    }


def _read(content: bytes) -> tuple[str, _Counts]:
    """Read the file.

    Raises:
        ValueError, TypeError, KeyError, AttributeError, RecursionError: it is none of ours.
    """
    said: Any = json.loads(content)
    bytes.fromhex(said["salt"])
    if said["version"] != _VERSION:
        raise ValueError("another version")
    return said["salt"], {
        str(name): [_count(*one) for one in some] for name, some in said["keys"].items()
    }


def _count(ticket: object, at_s: object, state: str) -> _Count:
    if not isinstance(at_s, int | float) or not math.isfinite(at_s):
        raise TypeError("no time")
    return _Count(str(ticket), float(at_s), _State(state))


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Keep other processes from changing the file, if the file system has locks."""
    descriptor = files.open_to_lock(directory / LOCK)
    try:
        with contextlib.suppress(OSError):
            files.lock(descriptor, _LOCKED_WITHIN_S)
        yield
    finally:
        os.close(descriptor)
