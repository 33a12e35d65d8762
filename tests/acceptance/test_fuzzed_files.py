"""Mutated files around a run: the same at every run, and thousands of them where time allows.

Others: `python -m tests.support.fuzz.files`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("seed", "mutations"),
    [
        (20_260_102, 80),
        pytest.param(3_000_000, 5_000, marks=[pytest.mark.deep, pytest.mark.timeout(1800)]),
    ],
)
@pytest.mark.skipif(sys.platform == "darwin", reason="a copy cannot ask macOS for its proxies")
def test_mutated_files_lead_no_command_astray(seed: int, mutations: int) -> None:
    # In a process of its own: it is copied for each command, and this one has threads.
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "tests.support.fuzz.files"),
            *("--seed", f"{seed}", "--mutations", f"{mutations}"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
