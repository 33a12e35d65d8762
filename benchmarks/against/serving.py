"""Archives on disk, nginx in front of them, and a list of what to download."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.against.archives import Archives
from benchmarks.against.downloaders import Downloads
from benchmarks.against.nginx import Nginx

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Served:
    """What is served.

    Attributes:
        downloads: the ways to it.
        directory: on the disk to be measured.
        megabytes: of all archives of the list.
    """

    downloads: Downloads
    directory: Path
    megabytes: float


@contextlib.contextmanager
def serving(directory: Path, archives: int, size: int, files: int) -> Iterator[Served]:
    """Serve so many archives of a size; only so many files are different."""
    with tempfile.TemporaryDirectory(dir=directory.absolute(), prefix="downloads-") as name:
        base = Path(name)
        base.chmod(0o755)  # nginx's workers may be somebody else
        (base / "served").mkdir()
        kept = {} if size > 1 << 20 else {"texts": 32, "text_bytes": size}
        source = Archives(seed=1, **kept)
        for number in range(files):
            source.write(base / "served" / f"e{number}", size)
        listed = [(f"{number:05}-e{number % files}", f"e{number % files}")
                  for number in range(archives)]  # fmt: skip
        megabytes = sum((base / "served" / export).stat().st_size for _, export in listed) / 1e6
        with Nginx(base, base / "served") as nginx:
            yield Served(Downloads(nginx, listed), base, megabytes)
