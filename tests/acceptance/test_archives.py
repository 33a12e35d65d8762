"""What a person may ask of how archives are treated, at the command line."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import tarfile
from typing import TYPE_CHECKING

from collector.emulator import Fault
from tests.support.command import fleet_of, server, servers, serving

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_inside_every_archive_is_listed(tmp_path: Path) -> None:
    with serving(fleet_of(servers(3), archive_bytes=30_000), tmp_path) as service:
        assert service.run("collect", "fleet.json").returncode == 0
        text = gzip.decompress((service.latest / "members.jsonl.gz").read_bytes())
        listed: dict[str, list[tuple[str, int]]] = {}
        for line in map(json.loads, text.splitlines()):
            listed.setdefault(line["archive"], []).append((line["name"], line["size"]))
        paths = [row["archive"]["path"] for row in service.manifest()["projects"][0]["servers"]]
        assert sorted(listed) == sorted(paths)
        for path in paths:
            content = (service.latest / path).read_bytes()
            with tarfile.open(fileobj=io.BytesIO(gzip.decompress(content))) as tar:
                assert listed[path] == [(member.name, member.size) for member in tar]
        assert service.verify()["ok"]


def test_a_list_of_members_that_was_changed_is_a_mismatch(tmp_path: Path) -> None:
    with serving(fleet_of(servers(2)), tmp_path) as service:
        assert service.run("collect", "fleet.json").returncode == 0
        path = service.latest / "members.jsonl.gz"
        lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
        path.write_bytes(gzip.compress(b"".join(lines[1:])))
        mismatches = service.verify()["mismatches"]
        assert [mismatch["path"] for mismatch in mismatches] == ["members.jsonl.gz"]


def test_what_is_no_whole_archive_is_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    fleet = fleet_of([server("odd", Fault("corrupt"))], archive_bytes=600_000)
    with serving(fleet, tmp_path) as service:
        ended = service.run("collect", "fleet.json", "--keep-rejected", "--max-attempts", "1")
        assert ended.returncode == 4
        rejected = list(service.latest.rglob("*.rejected"))
        assert len(rejected) == 1
        assert rejected[0].stat().st_size > 500_000
        assert not list(service.latest.rglob("*.part"))
        assert service.verify()["ok"]


def test_a_bomb_is_one_line_for_whoever_watches(tmp_path: Path) -> None:
    with serving(fleet_of([server("bomb", Fault("bomb"))]), tmp_path) as service:
        ended = service.run(
            "collect", "fleet.json", "--progress", "none",
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert ended.returncode == 4
        assert ended.stderr.count("--max-ratio") == 1
        row = service.manifest()["projects"][0]["servers"][0]
        assert (row["error"]["stage"], row["error"]["attempts"]) == ("verify", 1)
