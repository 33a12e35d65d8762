"""Discovering 100,000 servers in 20 projects, and merging 20,000 into a file.

The command lists them from a service in a process of its own, whose pages are ready. One 429 and
one 500 are among the answers. Ends with 1 where it makes more list calls than allowed, or needs
more memory.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

PROJECTS = 20
PAGE = 1000
CALLS = 120
PEAK_MIB = 300.0
COLLECTOR = str(Path(sys.executable).with_name("collector"))


def main() -> int:
    """Measure, print a table, and tell whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=100_000)
    parser.add_argument("--merged", type=int, default=20_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        print(f"{'what':44}  {'seconds':>7}  {'peak MiB':>8}  {'list calls':>10}")
        good = _written(home, arguments.servers)
        return int(not (_merged(home, arguments.merged) and good))


def _written(home: Path, servers: int) -> bool:
    """Discover into a new file."""
    each = servers // PROJECTS
    with Lister(each, faults=True) as lister:
        projects = [word for n in range(PROJECTS) for word in ("--project", f"p{n}")]
        took_s, peak_mib = _run(
            home, "--endpoint", lister.url, *projects, "--output", str(home / "all.yaml")
        )
        calls = lister.calls()
    faults = 2
    print(f"{f'{servers:,} servers, {PROJECTS} projects, a new file':44}  "
          f"{took_s:7.1f}  {peak_mib:8.0f}  {calls:10}")  # fmt: skip
    written = (home / "all.yaml").read_text(encoding="utf-8").count("{id:")
    return written == servers and calls <= CALLS + faults and peak_mib <= PEAK_MIB


def _merged(home: Path, servers: int) -> bool:
    """Discover into a file of which a tenth has changed, a tenth is gone and a tenth is new."""
    path = home / "one.yaml"
    with Lister(servers) as lister:
        _run(home, "--endpoint", lister.url, "--project", "p0", "--output", str(path))
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    head, rows = lines[:-servers], lines[-servers:]
    tenth = servers // 10
    for number in range(tenth):
        rows[number] = (
            rows[number].replace("health: OK", "health: Warning   ").rstrip() + "  # old\n"
        )
    gone = [row.replace("{id: ", "{id: gone-") for row in rows[-tenth:]]
    path.write_text("".join([*head, *rows[:-tenth], *gone]), encoding="utf-8")
    with Lister(servers) as lister:
        text = path.read_text(encoding="utf-8")
        start, end = text.index("endpoint: ") + 10, text.index("\n", text.index("endpoint: "))
        path.write_text(f'{text[:start]}"{lister.url}"{text[end:]}', encoding="utf-8")
        took_s, peak_mib = _run(home, "--merge", "--output", str(path))
        calls = lister.calls()
    print(f"{f'{servers:,} servers, --merge':44}  {took_s:7.1f}  {peak_mib:8.0f}  {calls:10}")
    after = path.read_text(encoding="utf-8")
    return after.count("gone: ") == tenth and after.count("  # old\n") == tenth


def _run(home: Path, *arguments: str) -> tuple[float, float]:
    """Run `inventory discover`; return its seconds and its peak of memory."""
    environ = os.environ | {"CLOUDDC_TOKEN": "benchmark-token", "XDG_STATE_HOME": str(home)}
    command = [COLLECTOR, "inventory", "discover", *arguments]
    began_s = time.perf_counter()
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
        told = "" if process.stderr is None else process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(told)
    unit = 1 if sys.platform == "darwin" else 1024
    return time.perf_counter() - began_s, used.ru_maxrss * unit / 2**20


class Lister:
    """A service in a process of its own, which lists so many servers of any project."""

    def __init__(self, servers: int, *, faults: bool = False) -> None:
        self._ours, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(
            target=_serve, args=(servers, theirs, faults), daemon=True
        )
        self.url = ""

    def __enter__(self) -> Self:
        self._process.start()
        self.url = f"http://127.0.0.1:{self._ours.recv()}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    def calls(self) -> int:
        """Return how many calls it had."""
        self._ours.send("calls")
        count: int = self._ours.recv()
        return count


def _serve(servers: int, theirs: Connection, faults: bool) -> None:
    pages = {
        begin: json.dumps(_page(begin, min(PAGE, servers - begin), servers)).encode()
        for begin in range(0, servers, PAGE)
    }
    heard = [0]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            heard[0] += 1
            query = parse_qs(urlsplit(self.path).query)
            begin = int(query.get("marker", ["-1"])[0][:8]) + 1
            status, body = 200, pages[begin]
            if faults and heard[0] in (20, 40):
                status, body = (429, b"slow down") if heard[0] == 20 else (500, b"{}")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    theirs.send(server.server_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while theirs.recv():
        theirs.send(heard[0])


def _page(begin: int, size: int, total: int) -> dict[str, object]:
    entries = [_entry(number) for number in range(begin, begin + size)]
    last = begin + size >= total
    marker = None if last else entries[-1]["id"]
    return {"servers": entries, "page_info": {"next_marker": marker}, "count": total}


def _entry(number: int) -> dict[str, object]:
    return {
        "id": f"{number:08d}-0000-4000-8000-00000000000a",
        "name": f"bms-{number}",
        "domain_id": "0f5181caba0024e72f89c0045e707b91",
        "manage_state": "in-use",
        "frozen_state": None,
        "power_state": "on",
        "operation_state": "power-on-succeed",
        "health_state": "OK",
        "onboard_time": "2024-07-01T11:32:49Z",
        "location": {"dc": "dc1", "rack": f"r{number % 97}", "unit": "12"},
        "hardware_attributes": {
            "sn": f"2102{number:016d}",
            "manufacturer": "Huawei",
            "model": "2288H V5",
            "main_board_manufacturer": "Huawei",
            "main_board_serial_number": f"0{number:016d}",
        },
        "tags": [{"key": "role", "value": "db"}, {"key": "team", "value": f"t{number % 20}"}],
        "error": None,
    }


if __name__ == "__main__":
    sys.exit(main())
