"""What the machine can do at best: archives from nginx, proved and written by two processes.

Raw sockets, one write a piece, SHA-256 and ISA-L's inflating; no HTTP library, no tar, no event
loop, and nothing is shared. `full` syncs each file and its directory. Other benchmarks take this
as the floor that they stand on: `downloads.py` prints both side by side.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import socket
import sys
import tempfile
import time
from pathlib import Path

from isal import igzip_lib

from benchmarks.against.web import Nginx, archive, require

PROCESSES = 2
PIECE = 256 << 10
ARCHIVES = 60
ARCHIVE_BYTES = 3_300_000
DISTINCT = 6


def fetch(port: int, name: str, path: Path, *, durable: bool) -> None:
    """Fetch one archive over a connection of its own."""
    sha256 = hashlib.sha256()
    inflate = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    buffer = memoryview(bytearray(PIECE))
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(f"GET /{name} HTTP/1.0\r\n\r\n".encode())
        in_head = True
        while count := connection.recv_into(buffer):
            piece = buffer[:count]
            if in_head:
                in_head = False
                piece = piece[bytes(piece).index(b"\r\n\r\n") + 4 :]
            os.write(file, piece)
            sha256.update(piece)
            inflate.decompress(piece, PIECE)
            while not inflate.needs_input and not inflate.eof:
                inflate.decompress(b"", PIECE)
    assert inflate.eof, name  # noqa: S101
    sha256.hexdigest()
    if durable:
        os.fsync(file)
        directory = os.open(path.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
    os.close(file)


def _work(port: int, names: list[str], out: Path, durable: bool, barrier: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    for name in names:
        fetch(port, name, out / name, durable=durable)


def floor(port: int, names: list[str], out: Path, *, durable: bool) -> float:
    """Return how many seconds two processes take, from when both are there."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(PROCESSES + 1)
    workers = [
        context.Process(target=_work, args=(port, names[one::PROCESSES], out, durable, barrier))
        for one in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    barrier.wait()
    began_s = time.perf_counter()
    for worker in workers:
        worker.join()
    took_s = time.perf_counter() - began_s
    assert not any(worker.exitcode for worker in workers)  # noqa: S101
    return took_s


def lay_out(directory: Path) -> list[str]:
    """Lay out the archives that are fetched; return their names."""
    archives = directory / "archives"
    archives.mkdir()
    distinct = [archive(seed, ARCHIVE_BYTES) for seed in range(DISTINCT)]
    for number in range(100):
        (archives / f"{number:02}.tar.gz").write_bytes(distinct[number % DISTINCT])
    return [f"{number:02}.tar.gz" for number in range(ARCHIVES)]


def main() -> int:
    """Print the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, help="on the disk that is measured")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    require("nginx")
    with tempfile.TemporaryDirectory(dir=arguments.directory or Path.cwd()) as name:
        directory = Path(name)
        names = lay_out(directory)
        total = sum((directory / "archives" / one).stat().st_size for one in names)
        with Nginx(directory) as nginx:
            for durable in (False, True):
                rates = []
                for run in range(arguments.runs):
                    out = directory / f"{durable}-{run}"
                    out.mkdir()
                    rates.append(total / 1e6 / floor(nginx.port, names, out, durable=durable))
                word = "full" if durable else "relaxed"
                print(f"{word}: {sorted(rates)[len(rates) // 2]:.0f} MB/s, median of {len(rates)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
