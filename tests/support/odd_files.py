"""What may have a file's name and is no file: put in place of one, and what a command does then."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.support.command import Command

PATIENCE_S: Final = 60.0
"""A command that has not ended by then waits for what never comes."""
SECRET: Final = "swordfish-beyond-the-run"  # a word to look for
HOLE_BYTES: Final = 20 << 30


def hole(place: Path) -> None:
    """A file of 20 GB that takes no room."""
    with place.open("wb") as file:
        file.truncate(HOLE_BYTES)


def listening(place: Path) -> None:
    """A socket's name; it is short, wherever it lies."""
    here = os.open(place.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{here}/{place.name}")
    finally:
        os.close(here)


def device(place: Path) -> None:
    """`/dev/zero` by another name; only root makes one, and others link to it."""
    if os.geteuid() == 0:
        os.mknod(place, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    else:
        place.symlink_to("/dev/zero")


def second_name(place: Path) -> None:
    """The file stays, and has a name elsewhere as well."""
    os.link(place, beyond(place) / "second")


def beyond(place: Path) -> Path:
    """A directory that lies in no run: a secret, a pipe and a hole are there."""
    home = next(above for above in place.parents if (above / "fleet.json").exists())
    outside = home / "outside"
    if not outside.exists():
        outside.mkdir()
        (outside / "secret").write_text(f"{SECRET}\n")
        os.mkfifo(outside / "pipe")
        hole(outside / "hole")
    return outside


KINDS: Mapping[str, Callable[[Path], None]] = {
    "pipe": os.mkfifo,
    "directory": lambda place: place.mkdir(),
    "device": device,
    "socket": listening,
    "hole": hole,
    "link to a secret": lambda place: place.symlink_to(beyond(place) / "secret"),
    "link to a pipe": lambda place: place.symlink_to(beyond(place) / "pipe"),
    "link to a device": lambda place: place.symlink_to("/dev/zero"),
    "link to a directory": lambda place: place.symlink_to("/etc"),
    "link to a hole": lambda place: place.symlink_to(beyond(place) / "hole"),
    "link to itself": lambda place: place.symlink_to(place.name),
}


def put(place: Path, kind: str) -> None:
    """Put something in place of whatever is there."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    KINDS[kind](place)


def ended(
    command: Command, *arguments: str, patience_s: float = PATIENCE_S
) -> subprocess.CompletedProcess[str]:
    """Run the command, which ends, has no bug and tells nothing of the secret."""
    done = command.run(*arguments, errors="surrogateescape", timeout=patience_s)
    assert done.returncode != 1, done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stdout + done.stderr
    return done


def lines_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What it said on stderr, progress aside."""
    lines = done.stderr.splitlines()
    return [one for one in lines if " collected" not in one and "Ctrl-C is safe" not in one]
