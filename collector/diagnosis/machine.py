"""The machine: its system, and how much of it this process may use."""

from __future__ import annotations

import os
import platform
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Final

from collector.diagnosis.items import Item, Verdict
from collector.sizes import size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.diagnosis.items import Around

CGROUP: Final = Path("/sys/fs/cgroup")
_LITTLE_MEMORY: Final = 512 << 20
"""Bytes; a run of 10,000 servers takes 100 MiB."""
_MARKS: Final = {"/.dockerenv": "Docker", "/run/.containerenv": "Podman"}
_CGROUP_WORDS: Final = ("docker", "kubepods", "containerd", "lxc", "libpod")


def system(_: Around) -> Iterator[Item]:
    """Yield the platform."""
    known = platform.system() in ("Linux", "Darwin")
    text = f"{platform.system()} {platform.release()} ({platform.machine()})"
    libc = " ".join(platform.libc_ver()).strip()
    text = f"{text}, {libc}" if libc else text
    yield (
        Item("system", text)
        if known
        else Item("system", text, Verdict.NOTE, "collector is tested on Linux and macOS")
    )


def container(around: Around) -> Iterator[Item]:
    """Yield whether this is a container, as far as one can tell from inside."""
    found = [name for mark, name in _MARKS.items() if Path(mark).exists()]
    if around.environ.get("KUBERNETES_SERVICE_HOST"):
        found.append("Kubernetes")
    if kind := around.environ.get("container"):
        found.append(kind[:40])
    if "microsoft" in platform.release().lower():
        found.append("WSL")
    groups = text_of(Path("/proc/1/cgroup")) or ""
    found += [word for word in _CGROUP_WORDS if word in groups]
    yield Item("container", ", ".join(dict.fromkeys(found)) or "no")


def processors(_: Around) -> Iterator[Item]:
    """Yield how many processors may be used."""
    there = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else there
    text = f"{usable} of {there}" if usable != there else f"{there}"
    quota, _space, period = (text_of(CGROUP / "cpu.max") or "").strip().partition(" ")
    if quota.isdecimal() and period.isdecimal() and int(period):
        text += f", limited to {int(quota) / int(period):g} by the container"
    yield Item("processors", text)


def memory(_: Around) -> Iterator[Item]:
    """Yield how much memory there is, and the limits on it."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    parts, least = [size(there)], there
    free = _available()
    if free is not None:
        parts.append(f"{size(free)} available")
        least = min(least, free)
    limit = (text_of(CGROUP / "memory.max") or "").strip()
    if limit.isdecimal():
        parts.append(f"limited to {size(int(limit))} by the container")
        least = min(least, int(limit))
    addresses = resource.getrlimit(resource.RLIMIT_AS)[0]
    if addresses != resource.RLIM_INFINITY:
        parts.append(f"ulimit -v {size(addresses)}")
        least = min(least, addresses)
    if least < _LITTLE_MEMORY:
        advice = "a run of 100,000 servers takes some 300 MiB"
        yield Item("memory", ", ".join(parts), Verdict.NOTE, advice)
    else:
        yield Item("memory", ", ".join(parts))


def text_of(path: Path) -> str | None:
    """Return the beginning of a file of the system's; None if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(1 << 16).decode("utf-8", "replace")
    except (OSError, ValueError):
        return None


def _available() -> int | None:
    for line in (text_of(Path("/proc/meminfo")) or "").splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if name == "MemAvailable" and words and words[0].isdecimal():
            return int(words[0]) << 10
    return None
