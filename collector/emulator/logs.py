"""Text that looks like the logs of a physical server, from a seed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

# A fixed time, so that archives are the same whenever they are built.
LOGS_END = datetime(2026, 11, 23, 8, 0, 0, tzinfo=UTC)

_UNITS = ("systemd", "sshd", "kernel", "chronyd", "NetworkManager", "multipathd", "smartd", "rasd")
_EVENTS = (
    "Started Session {n} of user root.",
    "EDAC MC{d}: {n} CE memory read error on CPU_SrcID#0_MC#{d}_Chan#1_DIMM#0",
    "sd {d}:0:{d}:0: [sd{c}] tag#{n} FAILED Result: hostbyte=DID_OK driverbyte=DRIVER_SENSE",
    "mlx5_core 0000:{x}:00.0: Port module event: module {d}, Cable plugged",
    "nvme nvme{d}: I/O {n} QID {d} timeout, completion polled",
    "Accepted publickey for ops from 10.{d}.{d}.{n} port {n} ssh2",
    "TCP: request_sock_TCP: Possible SYN flooding on port {n}. Sending cookies.",
    "Device: /dev/sd{c}, SMART Usage Attribute: 194 Temperature_Celsius changed to {n}",
)
_SENSORS = ("CPU1 Temp", "CPU2 Temp", "DIMM A1", "PSU1 Status", "PSU2 Status", "FAN3 Speed")
_STATES = ("Upper Non-critical going high", "Presence detected", "Asserted", "Deasserted")


def _event(random: Random) -> str:
    return random.choice(_EVENTS).format(
        n=random.randrange(10000), d=random.randrange(8), c="abcdefgh"[random.randrange(8)],
        x=f"{random.getrandbits(8):02x}",
    )  # fmt: skip


def _syslog(random: Random, at: datetime) -> str:
    unit = random.choice(_UNITS)
    return f"{at:%b %d %H:%M:%S} bms {unit}[{random.randrange(400, 90000)}]: {_event(random)}"


def _dmesg(random: Random, at: datetime) -> str:
    return f"[{at.timestamp() % 1e6:12.6f}] {_event(random)} ({random.getrandbits(64):016x})"


def _sel(random: Random, at: datetime) -> str:
    sensor = random.choice(_SENSORS)
    number = random.getrandbits(16)
    return f"{number:4x} | {at:%m/%d/%Y | %H:%M:%S} | {sensor} | {random.choice(_STATES)}"


def _bmc(random: Random, at: datetime) -> str:
    sensor = random.choice(_SENSORS)
    value = random.uniform(0, 100)
    return f"{at:%Y-%m-%dT%H:%M:%SZ} sensor_monitor: {sensor:<12} reading={value:.3f} state=ok"


LOG_KINDS: Mapping[str, Callable[[Random, datetime], str]] = {
    "var/log/messages": _syslog,
    "var/log/dmesg": _dmesg,
    "bmc/sel.log": _sel,
    "bmc/sensors.log": _bmc,
}
"""The path of each kind of log in an archive, and the function that makes its lines."""


def log_text(kind: str, random: Random, size: int) -> bytes:
    """Return `size` bytes of lines of one kind, in order of time; the last one may be cut."""
    at = LOGS_END - timedelta(days=2)
    lines = []
    length = 0
    while length < size:
        at += timedelta(milliseconds=random.randrange(60_000))
        lines.append(LOG_KINDS[kind](random, at))
        length += len(lines[-1]) + 1
    return "\n".join(lines).encode()[: size - 1].ljust(size - 1) + b"\n"
