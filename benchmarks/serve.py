"""What does a live page cost the run? CPU a call with `--serve`, looked at or not, against without.

Unthrottled, with exports of half a second and archives of 4 KiB: the real command against the
emulator in another process, each time a fresh one. Rounds go through all cases in turn. One looker
fetches the data and follows the events as a browser does. Fifty slow ones ask for data or events
and read a kilobyte a second. Ends with 1 over a limit.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.against.processes import AT_ONCE, Emulator, collect

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Look: TypeAlias = Callable[[int, threading.Event], None]

LIMIT: Final = 1.03
SLOW_LIMIT: Final = 1.10
SLOW_MIB: Final = 60
SLOW: Final = 50
CASES: Final = ("without", "nobody", "one looker", "50 slow")
_AGAIN_S: Final = 3.0
"""How soon a browser fetches all data again, at most."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a collect has used."""

    us_a_call: float
    peak_mib: float
    took_s: float


def main() -> int:
    """Measure, print a line a case, and tell whether the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    costs: dict[str, list[Cost]] = {case: [] for case in CASES}
    for number in range(arguments.rounds):
        for case in CASES if number % 2 == 0 else reversed(CASES):
            costs[case].append(measure(case, arguments.servers))
    print(f"serve: {arguments.servers:,} servers, medians of {arguments.rounds} rounds")
    print(f"{'case':12}  {'CPU a call':>10}  {'of without':>10}  {'peak':>8}  {'took':>7}")
    ratios, peaks = {}, {}
    for case, all_costs in costs.items():
        cpu = statistics.median(cost.us_a_call for cost in all_costs)
        pairs = zip(all_costs, costs["without"], strict=True)
        ratios[case] = statistics.median(one.us_a_call / other.us_a_call for one, other in pairs)
        peaks[case] = statistics.median(cost.peak_mib for cost in all_costs)
        took_s = statistics.median(cost.took_s for cost in all_costs)
        memory = f"{peaks[case]:4.0f} MiB"
        print(f"{case:12}  {cpu:7.1f} us  {ratios[case]:9.3f}x  {memory}  {took_s:5.1f} s")
    over = ratios["one looker"] > LIMIT or ratios["50 slow"] > SLOW_LIMIT
    return int(over or peaks["50 slow"] > peaks["without"] + SLOW_MIB)


def measure(case: str, servers: int) -> Cost:
    """Collect a fleet once, looked at as the case says."""
    over = threading.Event()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        directory = Path(name)
        emulator = stack.enter_context(Emulator(directory, servers, downloads=AT_ONCE))
        options: tuple[str, ...] = ()
        if case != "without":
            port = _free_port()
            options = ("--serve", f"127.0.0.1:{port}")
            for look in _lookers(case):
                thread = threading.Thread(target=look, args=(port, over), daemon=True)
                thread.start()
                stack.callback(thread.join)
        began_s = time.monotonic()
        used = collect(emulator, directory / "out", options=options)
        took_s = time.monotonic() - began_s
        over.set()
        calls = emulator.calls()["total"]
    return Cost(used.cpu_s / calls * 1e6, used.peak_bytes / 2**20, took_s)


def _lookers(case: str) -> list[Look]:
    if case == "one looker":
        return [_look]
    slow: list[Look] = [
        partial(_look_slowly, path) for path in ("/data", "/events?after=0badcafe.1")
    ]
    return slow * (SLOW // 2) if case == "50 slow" else []


def _look(port: int, over: threading.Event) -> None:
    """Do as a browser does: fetch the data, follow the events, and fetch anew if told so."""
    while not over.is_set():
        with contextlib.suppress(OSError):
            began_s = time.monotonic()
            with _asked(port, "/data") as client:
                head = b""
                while data := client.recv(1 << 16):
                    head = head or data
            revision = head.partition(b'ETag: "')[2].partition(b'"')[0].decode()
            with _asked(port, f"/events?after={revision}") as client:
                while (data := client.recv(1 << 16)) and b"event: reset" not in data:
                    pass
            over.wait(max(0.0, _AGAIN_S - (time.monotonic() - began_s)))
        over.wait(0.1)


def _look_slowly(path: str, port: int, over: threading.Event) -> None:
    """Ask for all data, or for events, and read a kilobyte a second."""
    while not over.is_set():
        with contextlib.suppress(OSError), _asked(port, path) as client:
            while client.recv(1024) and not over.wait(1.0):
                pass
        over.wait(0.1)


def _asked(port: int, path: str) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(60)
    client.connect(("127.0.0.1", port))
    client.sendall(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n"
        "Connection: close\r\n\r\n".encode()
    )
    return client


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
