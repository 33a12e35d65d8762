"""A few hundred mutated files around a run: the same at every run.

Thousands of others: `python -m tests.support.fuzz.files`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEED = 20_260_102
MUTATIONS = 200


@pytest.mark.timeout(180)
@pytest.mark.skipif(sys.platform == "darwin", reason="a copy cannot ask macOS for its proxies")
def test_mutated_files_lead_no_command_astray() -> None:
    # In a process of its own: it is copied for each command, and this one has threads.
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "tests.support.fuzz.files"),
            *("--seed", f"{SEED}", "--mutations", f"{MUTATIONS}"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
