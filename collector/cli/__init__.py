"""The command line: a file a command, loaded when it is called."""

from __future__ import annotations

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="collector")
def main() -> None:
    """Bring home the logs of a fleet of CloudDC physical servers."""
