"""The command as another user: `python tests/support/nobody.py UID ARGUMENTS`, run by root.

The interpreter may lie where that user cannot read, so that everything is imported before.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys

import collector
from collector.cli import main


def become(user: int) -> None:
    for module in pkgutil.walk_packages(collector.__path__, "collector."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


if __name__ == "__main__":
    become(int(sys.argv.pop(1)))
    main()
