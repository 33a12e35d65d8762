"""Limits on this process: open files and threads, and what they mean for a run."""

from __future__ import annotations

import math
import resource
import threading
from typing import TYPE_CHECKING, Final

from collector import descriptors
from collector.diagnosis.items import Item, Verdict
from collector.diagnosis.machine import CGROUP, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.diagnosis.items import Around

_DEFAULT_DOWNLOADS: Final = 8
"""As an inventory has them that names no other number."""
_MANY: Final = descriptors.AtOnce(1_000_000, 64, 64)


def open_files(_: Around) -> Iterator[Item]:
    """Yield how many files may be open, and how many downloads that allows at once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    value = f"soft {_number(soft)}, hard {_number(hard)}"
    descriptors.raise_limit()  # as each command that downloads does
    few = descriptors.too_few()
    if few is not None:
        yield Item("open files", value, Verdict.PROBLEM, few)
        return
    room = descriptors.left()
    if math.isinf(room):
        yield Item("open files", value)
        return
    downloads = descriptors.fitting(_MANY, room, 1).downloads
    value += f": up to {downloads} downloads at once"
    if downloads < _DEFAULT_DOWNLOADS:
        advice = f"raise the limit (ulimit -n) for {_DEFAULT_DOWNLOADS} downloads and more"
        yield Item("open files", value, Verdict.NOTE, advice)
    else:
        yield Item("open files", value)


def threads(_: Around) -> Iterator[Item]:
    """Yield whether a thread can be started, and the limits on them."""
    most = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    parts = [f"ulimit -u {_number(most)}"]
    limit = (text_of(CGROUP / "pids.max") or "").strip()
    if limit.isdecimal():
        running = (text_of(CGROUP / "pids.current") or "").strip()
        parts.append(f"the container's pids.max {limit}" + (f", {running} used" if running else ""))
    value = "; ".join(parts)
    try:
        one = threading.Thread(target=int, name="a try", daemon=True)
        one.start()
        one.join()
    except RuntimeError:
        advice = "runs go on without threads, but slowly; raise ulimit -u or pids.max"
        yield Item("threads", f"none can be started; {value}", Verdict.PROBLEM, advice)
    else:
        yield Item("threads", value)


def _number(limit: int) -> str:
    return "unlimited" if limit == resource.RLIM_INFINITY else str(limit)
