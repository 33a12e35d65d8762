"""Whether a journal may say where secrets are found, and where they are sent.

The chain of a journal has no key: whoever can write a run's directory can write its journal. So
what it says of endpoints and credentials is believed only with a mark that a key of this user has
made, which is kept in the user's state directory and never in a run. Else an inventory has to say
the same, or a person has to allow it.
"""

from __future__ import annotations

import contextlib
import errno
import hmac
import json
import logging
import os
import re
import secrets
import shlex
import stat
from typing import TYPE_CHECKING, NamedTuple

from collector import files, providers
from collector.errors import CollectorError
from collector.model import events as e
from collector.model.fields import DEFAULT_PROVIDER
from collector.providers.rules import words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from collector.model.state import RunState

KEY = "journal.key"
WANTS_SHOWN = 5
"""Endpoints that are named to a person; all are counted."""
_KEY_BYTES = 32
_TEXT = re.compile(rb"[0-9a-f]{64}\n")
_TEXT_BYTES = 2 * _KEY_BYTES + 1
_SHOWN = 120
_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)

_log = logging.getLogger(__name__)


class Want(NamedTuple):
    """What a project of a journal wants: a secret, as its credential names it, sent to a place.

    Attributes:
        endpoint: the place.
        credential: the credential's name.
        secret: where the secret is found.
        runs: it is what a program prints: that is run.
    """

    endpoint: str
    credential: str
    secret: str
    runs: bool = False


class _Project(NamedTuple):
    """What a mark says of a project."""

    id: str
    endpoint: str
    credential: str
    provider: str

    @property
    def marked(self) -> tuple[str, ...]:
        """What is marked; marks made before there were others do not name the provider."""
        return self[:3] if self.provider == DEFAULT_PROVIDER else self


class UntrustedJournal(CollectorError):  # noqa: N818  # a state of affairs, not a mishap of ours
    """A journal says where secrets are and where to send them, and nobody vouches for it.

    Attributes:
        directory: the run's.
        wants: what it says, each once; programs that would be run come first.
    """

    def __init__(self, directory: Path, wants: Iterable[Want], *, beside: bool) -> None:
        self.directory = directory
        self.wants = tuple(sorted(dict.fromkeys(wants), key=lambda want: not want.runs))
        also = ", and the inventory does not name all its projects" if beside else ""
        what = f"cannot tell that you started this run on this machine{also}"
        lines = [f"{directory}: {what}. Resuming it would send"]
        lines += [
            f"  {_shown(secret)} (credential {_shown(name)}) to {_shown(endpoint)}"
            for endpoint, name, secret, _ in self.wants[:WANTS_SHOWN]
        ]
        if len(self.wants) > WANTS_SHOWN:
            lines.append(f"  and {len(self.wants) - WANTS_SHOWN} more")
        inventory = "an INVENTORY that names them" if beside else "the INVENTORY"
        if any(want.runs for want in self.wants):
            lines.append(f"Name {inventory} beside --resume: --trust-journal runs no programs.")
        else:
            lines.append(f"Name {inventory} beside --resume, or allow it with --trust-journal.")
        super().__init__(*lines)


class Named:
    """The projects of a run with their endpoints and credentials.

    Args:
        state: of the run.
        events: which are about to be added to it.
    """

    def __init__(self, state: RunState, events: Iterable[e.Event] = ()) -> None:
        self._credentials = dict(state.credentials)
        self._projects = {
            row.project: _Project(row.id, row.endpoint, row.credential, row.provider)
            for row in state.projects
        }
        for event in events:
            self.add(event)

    def add(self, event: e.Event) -> None:
        """Take in what an event names."""
        if isinstance(event, e.CredentialNamed):
            self._credentials[event.name] = event
        elif isinstance(event, e.ProjectSelected):
            self._projects[event.project] = _Project(
                event.id, event.endpoint, event.credential, event.provider
            )

    def mark(self, key: bytes) -> str:
        """Return the mark of all this, made with a user's key."""
        used = {project.credential for project in self._projects.values()}
        said = {
            "credentials": [
                [one.name, one.kind, one.account, sorted(one.options.items())]
                for name, one in sorted(self._credentials.items())
                if name in used
            ],
            "projects": sorted(
                [number, *project.marked] for number, project in self._projects.items()
            ),
        }
        text = json.dumps(said, separators=(",", ":")).encode("ascii")
        return hmac.new(key, text, "sha256").hexdigest()

    def wants_but(self, given: Iterable[e.Event]) -> list[Want]:
        """Return what is wanted by other projects than those that these events name."""
        named = {event.project for event in given if isinstance(event, e.ProjectSelected)}
        return [
            _want(one, self._credentials.get(one.credential))
            for number, one in self._projects.items()
            if number not in named
        ]


def is_vouched(state: RunState, key: bytes | None) -> bool:
    """Whether this user has vouched for what a journal says, and it says the same still."""
    if key is None or state.mark is None:
        return False
    return hmac.compare_digest(Named(state).mark(key), state.mark)


def vouched(
    first: Iterable[e.Event], state: RunState, key: bytes | None, at: str
) -> Iterator[e.Event]:
    """Yield `first`, and an event that vouches for what the run then names, where there is a key.

    Args:
        first: what a run begins with, or goes on with.
        state: of the run before that.
        key: the user's.
        at: the time now, as a journal writes it.
    """
    named, last = Named(state), state.mark

    def marked() -> Iterator[e.Event]:
        nonlocal last
        if key is not None and (mark := named.mark(key)) != last:
            last = mark
            yield e.EndpointsVouched(at=at, mark=mark)

    for event in first:
        named.add(event)
        if isinstance(event, e.SelectionEnded):
            yield from marked()  # a run that a kill leaves selected is never without it
        yield event
    yield from marked()


def key_of(directory: Path | None, *, make: bool) -> bytes | None:
    """Return the user's key, or None: what is wrong with it is said.

    Args:
        directory: where what is kept for the user lies; None where there is no such place.
        make: where there is none, one is made.
    """
    if directory is None:
        return None
    path = directory / KEY
    try:
        return _read(path)
    except FileNotFoundError:
        if not make:
            return None
    except OSError as error:
        # A place that is closed to this user was never theirs; a file that is there was.
        log = _log.warning if os.path.lexists(path) else _log.info
        log(f"cannot use {path}: {error.strerror}; journals cannot be marked as yours")
        return None
    try:
        _make(path)
        return _read(path)
    except OSError as error:
        _log.info(f"cannot make {path}: {error.strerror}; journals cannot be marked as yours")
        return None


def _read(path: Path) -> bytes:
    """Read the key.

    Raises:
        OSError: it is not there, is no key, or others can read it or have put it there.
    """
    content = files.read_within(path, _TEXT_BYTES)
    found = path.lstat()
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError(errno.EACCES, "others may know it; remove it", str(path))
    if not _TEXT.fullmatch(content):
        raise OSError(errno.EINVAL, "no key of ours; remove it", str(path))
    return bytes.fromhex(content.decode("ascii"))


def _make(path: Path) -> None:
    """Make a key, as a whole: of two processes that do, both use the key of the first."""
    files.make_directories(path.parent)
    fresh = path.with_name(f"{KEY}.{secrets.token_hex(8)}")
    descriptor = files.open_to_write(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        files.write_all(descriptor, f"{secrets.token_hex(_KEY_BYTES)}\n".encode("ascii"))
        files.sync(descriptor)
    finally:
        os.close(descriptor)
    try:
        files.make_hard_link(fresh, path)
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        files.rename(fresh, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            files.remove(fresh)


def _want(project: _Project, named: e.CredentialNamed | None) -> Want:
    if named is None:
        secret, runs = "a secret that it does not name", False
    elif programs := _programs(project.provider, named):
        secret, runs = f"what this program prints: {programs}", True
    else:
        secret, runs = _secret(named), False
    return Want(project.endpoint, project.credential, secret, runs)


def _programs(provider: str, named: e.CredentialNamed) -> str:
    """Return the programs that credentials name, with their arguments; "" where they name none."""
    try:
        kind = providers.find(provider).rules.kinds.get(named.kind)
    except CollectorError:
        return ""  # without its provider nothing is done
    if kind is None:
        return ""
    written = [named.options[field] for field in sorted(kind.programs & named.options.keys())]
    return ", ".join(_line(one) for one in written)


def _line(text: str) -> str:
    """Return a program as it would be typed."""
    try:
        return shlex.join(words_of(text))
    except ValueError:
        return text


def _secret(named: e.CredentialNamed) -> str:
    return ", ".join(f"{key} {value}" for key, value in named.options.items()) or named.kind


def _shown(text: str) -> str:
    shown = text if text.isprintable() else ascii(text)[1:-1]
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
