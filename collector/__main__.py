"""`python -m collector` is the console script `collector`."""

from collector.cli import main

main(prog_name="collector")
