"""The headers in which a service may give an archive's hash."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.emulator.archives import Archive
    from collector.emulator.scenario import ChecksumHeader


def checksum_headers(
    archive: Archive, names: Iterable[ChecksumHeader], *, wrong: bool = False
) -> dict[str, str]:
    """The headers of those names, by name.

    Args:
        archive: What is hashed, which takes some 100 ms for 100 MB.
        names: Which headers.
        wrong: Whether to give the hashes of other bytes.
    """
    hashes = archive.hashed("md5", "sha256")
    if wrong:
        hashes = [bytes([digest[0] ^ 1]) + digest[1:] for digest in hashes]
    md5, sha256 = hashes
    words = {
        "content-md5": ("Content-MD5", _base64(md5)),
        "x-obs-meta-sha256": ("x-obs-meta-sha256", sha256.hex()),
        "digest": ("Digest", f"SHA-256={_base64(sha256)}"),
        "repr-digest": ("Repr-Digest", f"sha-256=:{_base64(sha256)}:"),
    }
    return dict(words[name] for name in names)


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
