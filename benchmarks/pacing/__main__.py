"""Run the scenarios and print the table; see `--help`."""

from __future__ import annotations

import sys

from benchmarks.pacing.run import main

sys.exit(main(sys.argv[1:]))
