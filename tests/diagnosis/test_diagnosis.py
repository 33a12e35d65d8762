from __future__ import annotations

import errno
import importlib
import inspect
import os
import resource
from typing import TYPE_CHECKING, NoReturn

import pytest

from collector import diagnosis
from collector.diagnosis import CHECKS, Item, Verdict, clock, diagnose, worst
from collector.diagnosis.items import SECRET_NAMES, Around

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "canary-0123456789"


def found(tmp_path: Path, **environ: str) -> dict[str, Item]:
    items = diagnose(tmp_path / "collected", tmp_path / "state", environ)
    return {item.name: item for item in items}


def test_every_check_is_made(tmp_path: Path) -> None:
    around = Around(tmp_path, tmp_path, {})
    public = {
        f"{module}.{name}"
        for module in {check.partition(".")[0] for check in CHECKS}
        for name, function in inspect.getmembers(
            importlib.import_module(f"{diagnosis.__name__}.{module}"), inspect.isgeneratorfunction
        )
        if not name.startswith("_")
    }
    assert public == set(CHECKS)
    for check in CHECKS:
        module, _, name = check.partition(".")
        function = getattr(importlib.import_module(f"{diagnosis.__name__}.{module}"), name)
        list(function(around))


def test_a_usual_machine_has_no_problem(tmp_path: Path) -> None:
    items = found(tmp_path, LANG="C.UTF-8", HOME="/root")
    assert [item for item in items.values() if item.verdict == Verdict.PROBLEM] == []
    assert items["locks"].value == "work"
    assert items["uvloop"].value == "present and used: the event loop"
    assert items["ISA-L"].value.startswith("present and used")
    assert items["learned"].value == "nothing yet"
    assert "aiohttp " in items["packages"].value


def test_it_leaves_nothing_behind(tmp_path: Path) -> None:
    found(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyError("x")])
def test_a_check_that_fails_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_: object) -> NoReturn:
        raise error

    monkeypatch.setattr("collector.diagnosis.machine.memory", fail)
    monkeypatch.setattr("collector.diagnosis.places.output", fail)
    items = found(tmp_path)
    assert items["memory"].verdict == Verdict.NOTE
    assert items["memory"].value.startswith("cannot be found out (")
    assert items["threads"].verdict == Verdict.OK


@pytest.mark.parametrize(
    ("name", "value", "shown", "verdict"),
    [
        ("https_proxy", "http://proxy:3128", "http://proxy:3128", Verdict.OK),
        ("HTTPS_PROXY", f"http://u:{SECRET}@proxy:3128/", "http://***@proxy:3128", Verdict.OK),
        ("http_proxy", f"u:{SECRET}@proxy:3128", "http://***@proxy:3128", Verdict.OK),
        ("http_proxy", f"http://u:{SECRET[:4]}/@@[::1]:8", "http://***@[::1]:8", Verdict.OK),
        ("http_proxy", "http://u:p@proxy:1", "http://***@proxy:1", Verdict.OK),
        ("http_proxy", f"http://u:{SECRET}", "not the address", Verdict.PROBLEM),
        ("http_proxy", f"http://h/?{SECRET}", "not the address", Verdict.PROBLEM),
        ("https_proxy", "socks5://h:1080", "socks5://h:1080", Verdict.PROBLEM),
        ("all_proxy", f"socks5://u:{SECRET}@h:1080", "socks5://***@h:1080", Verdict.NOTE),
        ("no_proxy", "10.0.0.0/8,.example.com", "10.0.0.0/8,.example.com", Verdict.OK),
    ],
)
def test_a_proxy_is_shown_without_who_signs_in(
    tmp_path: Path, name: str, value: str, shown: str, verdict: Verdict
) -> None:
    item = found(tmp_path, **{name: value})[name]
    assert shown in item.value
    assert item.verdict == verdict
    assert "canary" not in item.value


@pytest.mark.parametrize(
    ("value", "shown", "verdict"),
    [
        (SECRET, "set", Verdict.OK),
        ("", "set, but empty", Verdict.PROBLEM),
        (f"{SECRET}\n", "set, with characters that no token has", Verdict.PROBLEM),
        (f" {SECRET}", "set, with characters that no token has", Verdict.PROBLEM),
        ("\udcff" * 10, "set, with characters that no token has", Verdict.PROBLEM),
    ],
)
def test_of_a_token_only_whether_it_may_be_one_is_told(
    tmp_path: Path, value: str, shown: str, verdict: Verdict
) -> None:
    item = found(tmp_path, CLOUDDC_TOKEN=value)["CLOUDDC_TOKEN"]
    assert (item.value, item.verdict) == (shown, verdict)


def test_of_other_secrets_only_the_names_are_told(tmp_path: Path) -> None:
    environ = {
        "HUAWEICLOUD_SDK_AK": SECRET, "HUAWEICLOUD_SDK_SK": SECRET, "OPS_PASSWORD": SECRET,
        "HUAWEICLOUD_SDK_SECURITY_TOKEN": SECRET, "EDITOR": "vi", "SKIP": "1",
    }  # fmt: skip
    assert found(tmp_path, **environ)["other secrets"].value == (
        "set: HUAWEICLOUD_SDK_AK, HUAWEICLOUD_SDK_SECURITY_TOKEN, HUAWEICLOUD_SDK_SK, OPS_PASSWORD"
    )


@pytest.mark.parametrize("name", ["HOME", "TZ", "LANG", "SSL_CERT_FILE", "NO_PROXY", "container"])
def test_a_secret_that_stands_elsewhere_too_is_taken_out(tmp_path: Path, name: str) -> None:
    place = tmp_path / SECRET
    items = diagnose(place, place, {"OPS_TOKEN": SECRET, name: f"/x/{SECRET}/y"})
    assert SECRET not in str(items)


@pytest.mark.parametrize("name", ["API_KEY", "DB_PASSWD", "my_secret", "X_AK", "GH_PAT", "TOKEN"])
def test_names_of_secrets_are_known(name: str) -> None:
    assert SECRET_NAMES.search(name)


def test_authorities_that_cannot_be_read_are_a_problem(tmp_path: Path) -> None:
    items = found(tmp_path, SSL_CERT_FILE=str(tmp_path / "missing"), SSLKEYLOGFILE="/tmp/keys")  # noqa: S108  # a name
    assert items["SSL_CERT_FILE"].verdict == Verdict.PROBLEM
    assert items["SSLKEYLOGFILE"].verdict == Verdict.PROBLEM


def test_what_was_learned_is_told_by_account(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "learned.json").write_text("{")
    assert found(tmp_path)["learned"].value == "cannot be understood"
    (state / "learned.json").unlink()
    (state / "learned.json").mkdir()
    assert found(tmp_path)["learned"].value.startswith("cannot be read")


def test_without_a_place_for_what_is_learned_that_is_noted(tmp_path: Path) -> None:
    items = {item.name: item for item in diagnose(tmp_path, None, {})}
    assert items["learned"].value == "no place to keep it"


def test_a_home_directory_is_not_named(tmp_path: Path) -> None:
    items = found(tmp_path, HOME=str(tmp_path))
    assert items["state directory"].value == "~/state"


def test_few_open_files_are_noted_with_what_they_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = len(os.listdir("/dev/fd"))  # noqa: PTH208  # names alone
    monkeypatch.setattr("collector.descriptors.raise_limit", lambda: None)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files + 30, limits[1]))
        assert "up to 1 downloads at once" in found(tmp_path)["open files"].value
        resource.setrlimit(resource.RLIMIT_NOFILE, (files + 10, limits[1]))
        assert found(tmp_path)["open files"].verdict == Verdict.PROBLEM
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_limits_of_a_container_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "memory.max").write_text(f"{256 << 20}\n")
    (tmp_path / "pids.max").write_text("100\n")
    for module in ("machine", "limits"):
        monkeypatch.setattr(f"collector.diagnosis.{module}.CGROUP", tmp_path)
    items = found(tmp_path)
    assert "limited to 1.5 by the container" in items["processors"].value
    assert "limited to 256 MiB by the container" in items["memory"].value
    assert items["memory"].verdict == Verdict.NOTE
    assert "pids.max 100" in items["threads"].value


@pytest.mark.parametrize(
    ("known", "value"), [(True, "yes"), (False, "no"), (None, "not known here")]
)
def test_a_clock_that_is_not_kept_right_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool | None, value: str
) -> None:
    monkeypatch.setattr(clock, "_kept_right", lambda: known)
    item = found(tmp_path)["clock synchronised"]
    assert item.value == value
    assert (item.verdict == Verdict.OK) == bool(known)


def test_the_worst_verdict_counts() -> None:
    assert worst([]) == Verdict.OK
    items = [Item("a", "b"), Item("a", "b", Verdict.PROBLEM), Item("a", "b", Verdict.NOTE)]
    assert worst(items) == Verdict.PROBLEM


def test_odd_bytes_in_the_environment_are_survived(tmp_path: Path) -> None:
    odd = {
        "X_TOKEN\udcff": "\udcfe" * 9,
        "LANG": "\udcff",
        "http_proxy": "\udcff@\0",
        "TZ": "\x1b[",
    }
    items = diagnose(tmp_path, tmp_path, odd)
    assert all(item.value.isprintable() for item in items)
