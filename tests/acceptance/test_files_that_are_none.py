"""Pipes, devices, holes and links in place of a run's files: said and passed over, or refused."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.command import Service, fleet_of, servers, serving
from tests.support.odd_files import KINDS, SECRET, beyond, ended, lines_of, put, second_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service, and a run called `base` that is complete."""
    with serving(fleet_of(servers(2)), tmp_path_factory.mktemp("none")) as found:
        assert found.run("collect", "fleet.json", "--run-id", "base").returncode == 0
        shutil.move(found.out, found.home / "kept")
        yield found


@pytest.fixture
def out(service: Service) -> Iterator[Path]:
    """An output directory of one run, `base`, as it was collected."""
    shutil.copytree(service.home / "kept", service.out, symlinks=True)
    yield service.out
    shutil.rmtree(service.out)
    shutil.rmtree(service.state, ignore_errors=True)
    service.state.unlink(missing_ok=True)
    shutil.rmtree(service.home / "outside", ignore_errors=True)


def archive_in(run: Path) -> str:
    (archive,) = (run / "fleet" / "bms-0").iterdir()
    return str(archive.relative_to(run))


def place_in(run: Path, name: str) -> Path:
    return run / name.replace("ARCHIVE", archive_in(run))


RECORDS = ("journal.jsonl", "manifest.json", "SHA256SUMS", "members.jsonl.gz")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_a_mismatch_wherever_it_stands_in_a_run(
    service: Service, out: Path, kind: str
) -> None:
    """Each record in a run of its own, and an archive, a server's and a project's directory."""
    names = (*RECORDS, "ARCHIVE", "fleet/bms-0", "fleet")
    for name in names if kind in ("pipe", "link to a secret") else names[1::3]:
        run = out / "run"
        shutil.copytree(out / "base", run)
        put(place_in(run, name), kind)
        done = ended(service, "verify", "collected/run", "--json")
        assert done.returncode == 6, (name, done.stdout)
        shutil.rmtree(run)


@pytest.mark.parametrize("kind", ["pipe", "device", "hole", "link to a secret"])
def test_status_reads_a_run_without_what_is_no_file(service: Service, out: Path, kind: str) -> None:
    for name in ("manifest.json", "journal.jsonl"):
        run = out / name
        shutil.copytree(out / "base", run)
        put(run / name, kind)
        done = ended(service, "status", f"collected/{name}", "--json")
        assert done.returncode == (0 if name == "manifest.json" else 2)
        assert len(lines_of(done)) == 1
        assert name in done.stderr
        if name == "manifest.json":
            assert json.loads(done.stdout)["manifest_sha256"] is None


def test_runs_are_listed_whatever_stands_in_place_of_their_files(
    service: Service, out: Path
) -> None:
    for number, kind in enumerate(KINDS):
        for name in ("manifest.json", "journal.jsonl"):
            run = out / f"run-{number}-{name[0]}"
            shutil.copytree(out / "base", run)
            put(run / name, kind)
    done = ended(service, "runs", "collected", "--json")
    assert done.returncode == 0
    rows = json.loads(done.stdout)
    assert len(rows) == 1 + 2 * len(KINDS)
    assert {row["id"] for row in rows if row["totals"]} == {"base"}


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        *(("journal.jsonl", kind, 2) for kind in ("pipe", "directory", "device", "hole")),
        ("journal.jsonl", "link to a secret", 2),
        ("manifest.json", "pipe", 0),
        ("SHA256SUMS", "link to a secret", 0),
        ("members.jsonl.gz", "directory", 0),
        ("members.jsonl.gz", "hole", 0),
        ("ARCHIVE", "pipe", 0),
        ("ARCHIVE", "link to a secret", 0),
        ("ARCHIVE.part", "pipe", 0),
        ("ARCHIVE.part", "hole", 0),
        ("fleet/bms-0", "pipe", 3),
        ("fleet/bms-0", "link to itself", 3),
        ("fleet", "socket", 4),
        ("journal.damaged-1.jsonl", "hole", 0),
    ],
)
def test_a_resume_goes_on_without_what_is_no_file_or_refuses_it(
    service: Service, out: Path, name: str, kind: str, code: int
) -> None:
    run = out / "base"
    place = place_in(run, name)
    if name == "ARCHIVE.part":
        place.with_suffix("").unlink()
    put(place, kind)
    done = ended(service, "collect", "--resume", "collected/base", "--trust-journal")
    assert done.returncode == code, done.stderr
    if code == 2:
        assert len(lines_of(done)) == 1
    if code == 0 and kind != "directory" and "damaged" not in name:
        assert service.run("verify", "collected/base").returncode == 0


def test_a_damaged_end_of_many_gigabytes_is_not_copied(service: Service, out: Path) -> None:
    journal = out / "base" / "journal.jsonl"
    os.truncate(journal, 20 << 30)
    done = ended(service, "collect", "--resume", "collected/base", "--trust-journal")
    assert done.returncode == 2
    assert "it is not copied" in lines_of(done)[0]
    assert not list(journal.parent.glob("journal.damaged-*"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (".collector", "pipe"),
        (".collector", "link to a directory"),
        *((".collector/exports.jsonl", kind) for kind in ("pipe", "directory", "device", "hole")),
        (".collector/exports.jsonl", "link to a secret"),
        (".collector/exports.lock", "pipe"),
        (".collector/exports.lock", "link to a secret"),
        ("latest", "pipe"),
        ("../state/collector", "pipe"),
        ("../state/collector/learned.json", "pipe"),
        ("../state/collector/learned.json", "hole"),
        ("../state/collector/learned.json", "link to a secret"),
    ],
)
def test_a_collect_brings_the_logs_and_says_in_a_line_what_it_cannot_use(
    service: Service, out: Path, name: str, kind: str
) -> None:
    put(out / name, kind)
    done = ended(service, "collect", "fleet.json", "--progress", "none")
    assert done.returncode == 0, done.stderr
    told = lines_of(done)
    assert len(told) == 1, told
    assert name.rpartition("../")[2] in told[0]
    if kind == "link to a secret":
        assert (service.home / "outside" / "secret").read_text() == f"{SECRET}\n"


def test_manifests_of_earlier_runs_that_are_no_files_are_passed_over(
    service: Service, out: Path
) -> None:
    for kind in ("pipe", "hole", "link to a device"):
        shutil.copytree(out / "base", out / kind)
        put(out / kind / "manifest.json", kind)
        os.utime(out / kind / "manifest.json", (2e9, 2e9), follow_symlinks=False)
    for arguments in (("plan", "fleet.json"), ("collect", "fleet.json")):
        done = ended(service, *arguments)
        assert done.returncode == 0
        assert sum("manifest cannot be read" in line for line in lines_of(done)) == 3


# Second names


def test_a_journal_with_a_second_name_is_not_gone_on_with(service: Service, out: Path) -> None:
    place = place_in(out / "base", "ARCHIVE")
    place.unlink()  # there is something to do
    journal = out / "base" / "journal.jsonl"
    beyond(journal)
    second_name(journal)
    before = (journal.read_bytes(), journal.stat().st_mode)
    done = ended(service, "collect", "--resume", "collected/base", "--trust-journal")
    assert done.returncode == 2
    assert "second name" in lines_of(done)[0]
    assert "copy" in lines_of(done)[0]
    assert (journal.read_bytes(), journal.stat().st_mode) == before


@pytest.mark.parametrize(
    "name",
    ["base/members.jsonl.gz", "base/manifest.json", "base/SHA256SUMS", "base/ARCHIVE.part",
     ".collector/exports.jsonl", ".collector/exports.lock"],
)  # fmt: skip
def test_what_has_a_second_name_elsewhere_stays_as_it_is_there(
    service: Service, out: Path, name: str
) -> None:
    archive = place_in(out / "base", "ARCHIVE")
    place = out / name.replace("ARCHIVE", archive_in(out / "base"))
    if name.endswith(".part"):
        archive.rename(place)
    archive.unlink(missing_ok=True)
    place.chmod(0o640)
    second = beyond(place) / "second"
    second_name(place)
    before = (second.read_bytes(), second.stat().st_mode)
    done = ended(service, "collect", "--resume", "collected/base", "--trust-journal")
    assert done.returncode == 0, done.stderr
    assert (second.read_bytes(), second.stat().st_mode) == before
    assert service.run("verify", "collected/base").returncode == 0


# What the files say


def claims(out: Path) -> bytes:
    """Lines of `exports.jsonl` that no run writes, all about a server of this fleet."""
    first = json.loads((out / ".collector" / "exports.jsonl").read_text().splitlines()[0])
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    good = first | {
        "at": now, "run": "other", "what": "started", "export_id": "e", "requested_at": now
    }  # fmt: skip
    texts: list[object] = ["e" * 10_000, "\0", "\ud800", " ", [], {}]
    odd: list[dict[str, Any]] = [
        *(good | {"run": run} for run in
          ("a\0b", "\ud800", "../x", "x" * 10_000, "..", "", "a\nb", "\x1b[2J", 5, None)),
        *(good | {"at": at, "what": "requested"} for at in ("9999-12-31T23:59:59.999Z", "now", 5)),
        *(good | {"requested_at": at} for at in
          ("9999-99-99T99:99:99Z", "soon", "2026-11-29T12:00:00", 5, None, "٢٠٢٦-11-29T12:00:00Z")),
        *(good | {"export_id": text} for text in texts),
        *(good | {name: [[]]} for name in good),
        *({name: good[name] for name in good if name != missing} for missing in first),
    ]  # fmt: skip
    begun = f'{{"at":"{now}"'.encode()
    lines = [
        *(json.dumps(line).encode() for line in odd),
        *(b"[]", b"null", b"NaN", b"", b"\xff\xfe", b"[" * 100_000, begun + b',"a":' * 100_000),
        begun + b',"run":' + b"1" * 5000 + b"}",
        begun + b" " * 5_000_000,
    ]
    return b"\n".join(lines)


def test_claims_that_cannot_be_true_are_passed_over(service: Service, out: Path) -> None:
    exports = out / ".collector" / "exports.jsonl"
    exports.write_bytes(claims(out))
    done = ended(service, "collect", "fleet.json", "--json")
    assert done.returncode == 0
    assert lines_of(done) == []
    assert json.loads(done.stdout)["reused_exports"]["count"] == 0


def test_a_claim_of_a_run_whose_journal_is_a_pipe_is_not_waited_for(
    service: Service, out: Path
) -> None:
    put(out / "base" / "journal.jsonl", "pipe")
    assert ended(service, "collect", "fleet.json").returncode == 0


def manifests(base: Path) -> Iterator[bytes]:
    values: tuple[object, ...] = (None, "\ud800", -1, 10**4000, [[]], True)
    whole = json.loads((base / "manifest.json").read_bytes())
    for path in (
        ("run",), ("totals",), ("projects",), ("run", "id"), ("run", "started_at"),
        ("totals", "bytes"), ("run", "journal", "lines"), ("projects", 0, "servers", 0),
        ("projects", 0, "servers", 0, "id"), ("projects", 0, "servers", 0, "archive", "path"),
    ):  # fmt: skip
        for value in values:
            document = json.loads(json.dumps(whole))
            here = document
            for step in path[:-1]:
                here = here[step]
            here[path[-1]] = value
            yield json.dumps(document).encode()
    deep = b'{"run":%s%s}' % (b"[" * 900, b"]" * 900)
    yield from (b"", b"[]", b"5", b"NaN", b"{", b"\xff", b"[" * 100_000, deep)
    yield json.dumps(whole).encode("utf-16")


def test_manifests_that_say_anything_are_listed_and_verified(service: Service, out: Path) -> None:
    written = list(manifests(out / "base"))
    for number, manifest in enumerate(written):
        run = out / f"run-{number}"
        shutil.copytree(out / "base", run)
        (run / "manifest.json").write_bytes(manifest)
        if number % 2:
            (run / "journal.jsonl").unlink()
    for form in ((), ("--json",)):
        done = ended(service, "runs", "collected", *form)
        assert done.returncode == 0
        assert lines_of(done) == []
    assert len(json.loads(done.stdout)) == len(written) + 1
    assert ended(service, "plan", "fleet.json").returncode == 0
    for number in range(0, len(written), 7):
        assert ended(service, "verify", f"collected/run-{number}").returncode == 6


BOMBS: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    "lines": ("members.jsonl.gz", lambda: gzip.compress(b'{"archive":"a"}\n' * 3_000_000, 1)),
    "zeros": ("members.jsonl.gz", lambda: gzip.compress(bytes(300_000_000), 1)),
    "empty members": ("members.jsonl.gz", lambda: gzip.compress(b"") * 100_000),
    "ends": ("SHA256SUMS", lambda: b"\n" * 1_000_000),
    "one line": ("SHA256SUMS", lambda: b"a" * 30_000_000),
    "any bytes": ("SHA256SUMS", lambda: bytes(range(256)) * 1000),
    "a text": ("manifest.json", lambda: b'{"run":"%s"}' % (b"a" * 30_000_000)),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_record_that_is_a_bomb_is_a_mismatch(service: Service, out: Path, bomb: str) -> None:
    name, content = BOMBS[bomb]
    (out / "base" / name).write_bytes(content())
    done = ended(service, "verify", "collected/base")
    assert done.returncode == 6
    assert len(done.stdout) < 100_000
    listed = ended(service, "verify", "collected/base", "--json")
    assert len(listed.stdout) < 1_000_000


def test_a_list_of_members_padded_with_a_hole_is_no_list(service: Service, out: Path) -> None:
    os.truncate(out / "base" / "members.jsonl.gz", 20 << 30)
    assert ended(service, "verify", "collected/base").returncode == 6


@pytest.mark.parametrize("name", ["manifest.json", "SHA256SUMS"])
def test_a_record_larger_than_its_run_could_make_it_is_not_read(
    service: Service, out: Path, name: str
) -> None:
    os.truncate(out / "base" / name, 200_000_000)
    done = ended(service, "verify", "collected/base")
    assert done.returncode == 6
    assert "larger than" in done.stdout


def test_a_tree_of_thousands_of_levels_is_walked_as_far_as_it_can_be(
    service: Service, out: Path
) -> None:
    deep = out / "base" / "deep"
    deep.mkdir()
    here = os.open(deep, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        above, here = here, os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(above)
    os.close(here)
    try:
        assert ended(service, "verify", "collected/base").returncode == 6
        assert ended(service, "runs", "collected").returncode == 0
    finally:
        subprocess.run(["/bin/rm", "-rf", deep], check=True)  # shutil takes no such paths


def test_runs_of_any_name_are_listed_and_read(service: Service, out: Path) -> None:
    names = (b"\xff\xfe", b"new\nline", b"\x1b[31m", b"r" * 255, b"[prod]", "\u202e".encode())
    for name in names:
        shutil.copytree(out / "base", out / os.fsdecode(name))
    done = ended(service, "runs", "collected", "--json")
    assert len(json.loads(done.stdout)) == len(names) + 1
    for name in names[:2]:
        assert ended(service, "verify", os.fsdecode(b"collected/" + name)).returncode == 0


@pytest.mark.parametrize("command", ["verify", "status"])
def test_a_place_that_no_system_has_is_refused(service: Service, command: str) -> None:
    for place in ("x" * 5000, "fleet.json/run", "/" + "y/" * 3000):
        done = ended(service, command, place)
        assert done.returncode == 2
        assert len(lines_of(done)) == 1
