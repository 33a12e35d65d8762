"""Archives of realistic logs, and nginx to serve them under the API's own paths."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import random
import shutil
import socket
import subprocess
import sys
import tarfile
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CONFIGURATION = """
worker_processes 1;
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off;
  sendfile on;
  keepalive_requests 1000000;
  default_type application/octet-stream;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location ~ "^/v1/p/physicalservers/s[0-9]*([0-9][0-9])/" {{
      alias {directory}/archives/$1.tar.gz;
    }}
    location / {{ root {directory}/archives; }}
  }}
}}
"""
_WORDS = (
    "error",
    "kernel:",
    "bmc",
    "sensor",
    "temp",
    "fan",
    "disk",
    "ok",
    "warning",
    "link",
    "mce",
)


def require(*programs: str) -> None:
    """End with a word on what to install, where one of these programs is missing."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        sys.exit(
            f"this needs {', '.join(missing)}: on Debian, apt-get install nginx-light curl aria2"
        )


def log_lines(rng: random.Random) -> Iterator[str]:
    """Yield lines that gzip makes about 2.5 times as small, as it does those of real servers."""
    while True:
        clock = f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}"
        yield (
            f"2026-11-24T{clock}.{rng.randrange(10**6):06} bms-{rng.randrange(100):03} "
            f"{rng.choice(_WORDS)}[{rng.randrange(99999)}]: {rng.choice(_WORDS)} "
            f"{rng.choice(_WORDS)} state={rng.choice(_WORDS)} id={rng.getrandbits(64):016x} "
            f"trace={rng.getrandbits(48):012x} took {rng.randrange(1000)} ms\n"
        )


def archive(seed: int, packed_bytes: int) -> bytes:
    """Return an archive of about so many bytes, with some 17 members."""
    rng = random.Random(seed)  # noqa: S311  # text for a benchmark
    lines = log_lines(rng)
    member_bytes = int(packed_bytes * 2.5 / 17)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for number in range(17):
            text = io.StringIO()
            while text.tell() < member_bytes:
                text.write(next(lines))
            content = text.getvalue().encode()
            info = tarfile.TarInfo(f"var/log/messages.{number}")
            info.size, info.mtime = len(content), 1_790_000_000 + number
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(out.getvalue(), 6, mtime=0)


def large_archive(path: Path, packed_bytes: int) -> None:
    """Write an archive of about so many bytes, of gzip members of some MiB each."""
    plain = b"".join(line.encode() for line, _ in zip(log_lines(random.Random(1)), range(100_000)))  # noqa: B905, S311
    plain = plain[: len(plain) // 512 * 512]
    packed = gzip.compress(plain, 6, mtime=0)
    times = max(1, packed_bytes // len(packed))
    info = tarfile.TarInfo("var/log/everything")
    info.size, info.mtime = len(plain) * times, 1_790_000_000
    with path.open("wb") as file:
        file.write(gzip.compress(info.tobuf(tarfile.PAX_FORMAT), mtime=0))
        for _ in range(times):
            file.write(packed)
        file.write(gzip.compress(bytes(1024), mtime=0))


class Nginx:
    """Serves `directory/archives` until its context is left.

    `NN.tar.gz` in it is the archive of every server whose number ends in NN, and can be had under
    its own name too.
    """

    def __init__(self, directory: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        configuration = directory / "nginx.conf"
        configuration.write_text(_CONFIGURATION.format(directory=directory, port=self.port))
        self._command = ["nginx", "-p", str(directory), "-c", str(configuration)]
        if os.geteuid() == 0:
            self._command += ["-g", "user root;"]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return self
            time.sleep(0.05)
        raise RuntimeError("nginx did not begin to listen")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
