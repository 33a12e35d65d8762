"""Objects that form no cycles, worked on without looking for any.

A state of 100,000 servers is millions of objects. Whenever some more are made, Python looks at all
of them for cycles: that can take as long as the work itself, and finds nothing.
"""

from __future__ import annotations

import contextlib
import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def not_looked_for() -> Iterator[None]:
    """Look for no cycles meanwhile, in the whole process: for work of some seconds."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
