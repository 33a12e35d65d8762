"""Running `ansible-inventory`, which alone understands Ansible's INI, YAML and directories."""

from __future__ import annotations

import os
import re
import selectors
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from collector.conversion.fields import ConversionError, LeftOut
from collector.inventory.bounds import BYTES_MAX
from collector.redaction import hide

PROGRAM: Final = "ansible-inventory"
WITHIN_S: Final = 120.0
"""How long it may take: inventories may ask clouds."""
_ENVIRONMENT: Final = {
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_FORCE_COLOR": "0",
    "ANSIBLE_INVENTORY_UNPARSED_FAILED": "1",  # nothing understood is an error, not an empty list
}
_BLOCK: Final = 1 << 16
_TOLD_MAX: Final = 300
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
_UNPARSED: Final = re.compile(r"Unable to parse (.+) as an inventory source")


def listed(file: Path) -> tuple[bytes, list[LeftOut]]:
    """Return what `ansible-inventory -i FILE --list` prints, and the files that it cannot parse.

    Like Ansible itself, it runs inventories that are programs, and uses the plugins and the vault's
    password that its configuration names.

    Raises:
        ConversionError: it is not installed, fails, or takes too long.
    """
    path = os.path.abspath(file)  # noqa: PTH100  # without looking at it
    if "," in path:
        raise ConversionError(
            f"{file}: {PROGRAM} takes a name with a comma for a list of hosts; rename the file"
        )
    command = [_program(file), "-i", path, "--list"]
    try:
        process = subprocess.Popen(  # noqa: S603  # no shell; the file is what the user named
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **_ENVIRONMENT},
        )
    except OSError as error:
        raise ConversionError(f"cannot start {command[0]}: {error.strerror}") from None
    with process:
        try:
            out, err = _read(process, file)
        except BaseException:
            process.kill()
            raise
    told = _COLOURS.sub("", err.decode("utf-8", "replace"))
    if process.returncode:
        raise ConversionError(
            f"{file}: {PROGRAM} failed: {_reason(told)}; to see more, run {PROGRAM} -i {file} "
            "--list"
        )
    what = f"the file: {PROGRAM} cannot parse it, and says why if you run it yourself"
    return out, [LeftOut(one, what) for one in dict.fromkeys(_UNPARSED.findall(told))]


def _program(file: Path) -> str:
    beside = Path(sys.executable).with_name(PROGRAM)
    found = shutil.which(PROGRAM) or (str(beside) if os.access(beside, os.X_OK) else None)
    if found is None:
        raise ConversionError(
            f"{file}: INI, YAML and directories are read by {PROGRAM}, which is not installed "
            f"here; where it is, save its output ({PROGRAM} -i FILE --list > hosts.json) and "
            "convert that"
        )
    return found


def _read(process: subprocess.Popen[bytes], file: Path) -> tuple[bytes, bytes]:
    """Read what a program prints until it ends, within limits.

    Raises:
        ConversionError: it takes too long, or prints too much.
    """
    assert process.stdout is not None  # noqa: S101  # pipes, both of them
    assert process.stderr is not None  # noqa: S101  # as above
    pieces: dict[str, list[bytes]] = {"out": [], "err": []}
    amount, until_s = 0, time.monotonic() + WITHIN_S
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ, "out")
        waiting.register(process.stderr, selectors.EVENT_READ, "err")
        while waiting.get_map():
            ready = waiting.select(max(0.0, until_s - time.monotonic()))
            if not ready:
                raise ConversionError(f"{file}: {PROGRAM} did not end within {WITHIN_S:g} s")
            for key, _ in ready:
                piece = os.read(key.fd, _BLOCK)
                if not piece:
                    waiting.unregister(key.fileobj)
                amount += len(piece)
                pieces[key.data].append(piece)
            if amount > BYTES_MAX:
                raise ConversionError(
                    f"{file}: {PROGRAM} printed more than 64 MB; save "
                    "ansible-inventory --list --export and convert that"
                )
    return b"".join(pieces["out"]), b"".join(pieces["err"])


def _reason(told: str) -> str:
    """Return why the program failed: the line with the error, since others quote the inventory."""
    errors = (line for line in told.splitlines() if line.lstrip("[").startswith("ERROR"))
    return hide(next(errors, "it did not say why").strip())[:_TOLD_MAX]
