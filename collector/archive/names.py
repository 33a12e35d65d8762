"""Names made safe: what a service or a person calls a thing becomes a file or directory name."""

from __future__ import annotations

import hashlib
import re
import unicodedata

RUN_NAMES = frozenset(
    {
        "manifest.json",
        "journal.jsonl",
        "sha256sums",
        "members.jsonl.gz",
        "report.html",
        "latest",
    }
)
"""What a run calls its own files; nothing else may have these names, in any letter case."""

LIMIT_BYTES = 200
"""File systems stop at 255; the rest is room for `.part`, `.rejected` and a collision's suffix."""

PART = ".part"
"""What the names of unfinished files end in."""

REJECTED = ".rejected"
"""What the names of files end in that were to be archives, and are none."""

_DAMAGED_JOURNAL = "journal.damaged-"
_UNFINISHED = (PART, REJECTED)

# Windows finds a device under these names whatever their extension, also on a share served to it.
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"]
    + [f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"]
)

# Separators here and on Windows, and what Windows forbids or a shell would expand.
_FORBIDDEN = frozenset('/\\<>:"|?*')

# Control and invisible characters, lone surrogates (no UTF-8), line and paragraph separators.
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})

_EXTENSION = re.compile(r"(?:\.tar)?\.[A-Za-z0-9]{1,10}\Z", re.IGNORECASE)

# Most names: nothing in one of these is replaced, whatever stands around it.
_PLAIN = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?")

# Most of these, in turn, are not one of the run's own, no device and not what ends as unfinished.
_SURELY_SAFE = (
    rf"(?!(?:{'|'.join(map(re.escape, sorted(RUN_NAMES)))})(?:/|\Z))"
    r"(?!journal\.damaged-|(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:[./]|\Z))"
    rf"{_PLAIN.pattern}(?<!\.part)(?<!\.rejected)"
)
_is_surely_safe = re.compile(_SURELY_SAFE, re.IGNORECASE | re.ASCII).fullmatch
_are_surely_safe = re.compile(
    rf"{_SURELY_SAFE}(?:/{_SURELY_SAFE})*", re.IGNORECASE | re.ASCII
).fullmatch


def is_safe_name(name: str, limit_bytes: int) -> bool:
    """Whether `safe_name` may have made a name, or gives it back as it is.

    Args:
        name: whatever it is.
        limit_bytes: the most that it may have in UTF-8.
    """
    if _is_surely_safe(name) is not None:
        return len(name) <= limit_bytes
    if _PLAIN.fullmatch(name) is None:
        return safe_name(name, fallback="unnamed", limit_bytes=limit_bytes) == name
    return len(name) <= limit_bytes and name.lower() not in RUN_NAMES and _avoiding(name) == name


def are_safe_names(path: str, limit_bytes: int) -> bool:
    """Whether each part of a path is safe, as `is_safe_name` says."""
    if len(path) <= limit_bytes and _are_surely_safe(path) is not None:
        return True
    return all(is_safe_name(part, limit_bytes) for part in path.split("/"))


def safe_name(
    raw: str | None,
    *,
    fallback: str,
    reserved: frozenset[str] = RUN_NAMES,
    limit_bytes: int = LIMIT_BYTES,
) -> str:
    """Make a name that is safe for a file or directory on any system; the same one every time.

    The answer is NFC-normalised, holds no separator, control or invisible character, does not
    begin with a dot, end in a dot or space, or end in `.part` or `.rejected`, and is neither a
    device of Windows nor reserved. What is safe comes back as it is, so the function is idempotent.

    Every change but normalisation could make one name of two, and so brings a short hash of the
    raw name, before the extension: `a/b.tar.gz` becomes `a_b-9a1c60d3.tar.gz`. Names that differ
    only in letter case or normalisation stay alike: whoever puts several into one directory
    judges that.

    Args:
        raw: the name as it was given, however hostile; None where there was none.
        fallback: what stands for a name of which nothing is left. It is made safe like any other.
        reserved: names that the answer must not have, in any letter case.
        limit_bytes: the most the answer may have in UTF-8, at least 32. The extension is kept.
    """
    source = raw or ""
    name = _cleaned(source)
    if not name:
        source = fallback
        name = _cleaned(source) or "unnamed"
    taken = name.casefold() in {word.casefold() for word in reserved}
    if name == _normal(source) and not taken and len(name.encode()) <= limit_bytes:
        return name
    return _marked(name, source, limit_bytes)


def _normal(raw: str) -> str:
    return unicodedata.normalize("NFC", raw)


def _cleaned(raw: str) -> str:
    """Replace what no name may hold, and strip what none may begin or end with."""
    name = "".join(
        "_" if char in _FORBIDDEN or unicodedata.category(char) in _UNSEEN else char
        for char in _normal(raw)
    )
    return _avoiding(name.lstrip(". ").rstrip(". "))


def _avoiding(name: str) -> str:
    """Change what would be taken for something else: an unfinished file, a device, a journal."""
    for ending in _UNFINISHED:
        if name.lower().endswith(ending):
            name = f"{name[: -len(ending)]}_{name[1 - len(ending) :]}"
    device = name.partition(".")[0].strip().casefold() in _DEVICES
    if device or name.casefold().startswith(_DAMAGED_JOURNAL):
        name = f"_{name}"
    return name


def _marked(name: str, source: str, limit_bytes: int) -> str:
    """Put a hash of the source before the extension, and cut what is before that to the limit."""
    found = _EXTENSION.search(name)
    extension = found.group() if found else ""
    digest = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    ending = f"-{digest}{extension}"
    stem = name[: len(name) - len(extension)]
    cut = stem.encode()[: limit_bytes - len(ending)].decode("utf-8", "ignore")
    return f"{cut}{ending}"
