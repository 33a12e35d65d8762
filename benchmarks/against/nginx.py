"""nginx on loopback, which serves files as the archives of exports; and what is not installed."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = {
    "nginx": "nginx-light",
    "curl": "curl",
    "aria2c": "aria2",
    "gzip": "gzip",
    "sha256sum": "coreutils",
    "bash": "bash",
    "xargs": "findutils",
}
PROJECT = "benchmark"
_SYSTEM = "/usr/sbin:/usr/local/sbin:/sbin"  # not on everybody's path
_CONFIGURATION = """\
daemon off;
worker_processes 2;
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    open_file_cache max=1000 inactive=600s;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location ~ ^/v1/{project}/physicalservers/[^/]+/logs/exports/([^/]+)/content$ {{
            default_type application/octet-stream;
            add_header Content-Disposition 'attachment; filename="bms-logs.tar.gz"';
            alias {served}/$1;
        }}
        location ~ ^/v1/{project}/physicalservers/[^/]+-([^/-]+)/logs/exports$ {{
            default_type application/json;
            return 202 '{{"export_id": "$1"}}';
        }}
        location ~ ^/v1/{project}/physicalservers/[^/]+/logs/exports/([^/]+)$ {{
            default_type application/json;
            return 200 '{{"export_id": "$1", "status": "COMPLETED"}}';
        }}
    }}
}}
"""


def demand(*programs: str) -> None:
    """End the process with a message where a program is missing."""
    missing = [name for name in programs if program(name) is None]
    if missing:
        packages = " ".join(PACKAGES[name] for name in missing)
        sys.exit(f"this needs {', '.join(missing)}: install the Debian packages {packages}")


def program(name: str) -> str | None:
    """Return where a program is."""
    return shutil.which(name) or shutil.which(name, path=_SYSTEM)


class Nginx:
    """A server of its own, which ends with the context.

    Args:
        directory: for its own files; it is there.
        served: the directory whose files are the archives, by the ids of their exports.
    """

    def __init__(self, directory: Path, served: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        configuration = directory / "nginx.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                directory=directory, served=served, port=self.port, project=PROJECT
            )
        )
        self._command = [
            program("nginx") or "nginx",
            *("-e", str(directory / "error.log"), "-p", str(directory), "-c", str(configuration)),
        ]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command)
        for _ in range(200):
            with socket.socket() as knocking:
                if not knocking.connect_ex(("127.0.0.1", self.port)):
                    return self
            time.sleep(0.05)
        self._process.terminate()
        raise RuntimeError("nginx does not listen")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


def content_path(server: str, export_id: str) -> str:
    """Return the path of an export's archive."""
    return f"/v1/{PROJECT}/physicalservers/{server}/logs/exports/{export_id}/content"
