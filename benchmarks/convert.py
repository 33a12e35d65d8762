"""How long `inventory convert` takes for 20,000 hosts of a saved `ansible-inventory --list`.

The installed command, from its start to its end, five times; the median counts. Each host has 25
variables, one of them vaulted, and is in a group of a group. Ends with 1 over the limit.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

HOSTS, GROUPS, VARIABLES, PROJECTS = 20_000, 20, 25, 20
ROUNDS = 5
LIMIT_S = 2.0
COLLECTOR = str(Path(sys.executable).with_name("collector"))


def main() -> int:
    """Measure, print one line, and tell whether the limit holds."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "hosts.json")
        source.write_text(json.dumps(listing(), indent=4), encoding="utf-8")
        taken_s = [_seconds(source) for _ in range(ROUNDS)]
        megabytes = source.stat().st_size / 1e6
    median_s = statistics.median(taken_s)
    cpu_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime / ROUNDS
    print(
        f"convert: {HOSTS:,} hosts of Ansible, {megabytes:.0f} MB: {median_s:.2f} s "
        f"({min(taken_s):.2f} to {max(taken_s):.2f}), at most {LIMIT_S:g} s; "
        f"{cpu_s:.2f} s of CPU"
    )
    return 0 if median_s <= LIMIT_S else 1


def listing() -> dict[str, object]:
    """Return what `ansible-inventory --list` prints of such hosts."""
    names = [f"host{number:05}.example.com" for number in range(HOSTS)]
    groups = {f"rack{number}": {"hosts": names[number::GROUPS]} for number in range(GROUPS)}
    return {
        "_meta": {"hostvars": {name: _variables(number) for number, name in enumerate(names)}},
        "all": {"children": ["ungrouped", "production"]},
        "production": {"children": list(groups)},
        **groups,
    }


def _variables(number: int) -> dict[str, object]:
    return {
        "server_id": str(uuid.UUID(int=number)),
        "project_id": f"{number % PROJECTS:032x}",
        "region": "cn-east-3",
        "ansible_password": {"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\n6638"},
        **{f"variable_{one}": f"value {one} of host {number}" for one in range(VARIABLES - 4)},
    }


def _seconds(source: Path) -> float:
    began_s = time.perf_counter()
    subprocess.run(
        [COLLECTOR, "inventory", "convert", str(source), "--from", "ansible"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - began_s


if __name__ == "__main__":
    sys.exit(main())
