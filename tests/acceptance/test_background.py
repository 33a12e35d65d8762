"""A run in the background of a terminal, as `collector collect &` starts it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import subprocess
import termios
from typing import TYPE_CHECKING

import pytest

from collector.emulator import Fault
from tests.support.command import COLLECTOR, fleet_of, server, serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command import Service


def at_a_shell(service: Service, script: str) -> bytes:
    """Run a script in a shell with job control; return what it leaves on its terminal."""
    ours, theirs = pty.openpty()
    env = service.environment(TERM="xterm")
    with subprocess.Popen(
        ["/bin/sh", "-c", f"set -m; {script}"], cwd=service.home, env=env,
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  # it has none
    ):  # fmt: skip
        os.close(theirs)
        written = b""
        with contextlib.suppress(OSError):  # how Linux ends a terminal that nobody writes to
            while piece := os.read(ours, 65536):
                written += piece
    os.close(ours)
    return written


@pytest.mark.parametrize("background", [True, False])
def test_a_run_in_the_background_writes_lines_and_does_not_draw(
    background: bool, tmp_path: Path
) -> None:
    fleet = [server(1, Fault("unknown_id")), server(2, export_duration_s=2.5)]
    with serving(fleet_of(fleet), tmp_path) as service:
        written = at_a_shell(service, f"{COLLECTOR} collect fleet.json{' & wait' * background}")
    assert b"failed at export" in written
    assert b"1 of 2 collected, 1 failed" in written
    assert (b"time left" in written) == (not background)
    assert (b"\x1b[J" in written) == (not background)
