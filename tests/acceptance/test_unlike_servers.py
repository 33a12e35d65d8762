"""One server's trouble is that server's: however many there are, the others are home.

What has had its tries fails with its own reason, and is never pending. Only where nobody is
answered is it the endpoint, which is waited for.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

from collector.emulator import Fault, fleet
from tests.support.answers import page, reply, sane
from tests.support.command import serving
from tests.support.trial import (
    Failed,
    assert_became,
    assert_in_order,
    assert_printable,
    assert_the_others_are_home,
    collected,
)
from tests.support.wire import End, Wire, always, while_young

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.trial import Plan, Trial, Trials
    from tests.support.wire import Answer, Kind, Script

ALL: Final = tuple(f"bms-{number:02}" for number in range(24))
BAD: Final = ALL[::3]
GOOD: Final = tuple(server for server in ALL if server not in BAD)

WAYS: Final[dict[str, tuple[Kind, Answer, Failed]]] = {
    "posts-reset": ("export", (End.RESET,), Failed("export", "cut", posts=2)),
    "posts-closed": ("export", (End.CLOSED,), Failed("export", "cut", posts=2)),
    "posts-get-a-page": ("export", (page(502),), Failed("export", "unreadable", posts=2)),
    "posts-get-no-http": ("export", (b"+OK ready\r\n\r\n", End.CLOSED),
                          Failed("export", "unreadable|cut", posts=2)),
    "statuses-reset": ("status", (End.RESET,), Failed("status", "cut")),
    "statuses-get-a-page": ("status", (page(200),), Failed("status", "unreadable")),
    "statuses-get-nothing": ("status", (reply(204, length=False),),
                             Failed("status", "unreadable")),
    "downloads-reset": ("download", (End.RESET,), Failed("download", "cut")),
    "downloads-get-a-page": ("download", (page(200),), Failed("download", "unreadable")),
    "downloads-are-refused-by-a-page": ("download", (page(403),),
                                        Failed("download", "unreadable")),
    "downloads-are-cut": ("download", (reply(200, b"\x1f\x8b", b"Content-Length: 99",
                                             length=False), End.CLOSED),
                          Failed("download", "cut")),
}  # fmt: skip


def third(way: str, home: Path) -> Trial:
    """Collect a fleet of which a third misbehaves in one way."""
    kind, answer, _ = WAYS[way]
    script: Script = {kind: always(*answer)}
    return collected(Wire(ALL, sane, dict.fromkeys(BAD, script)), home, "--max-attempts", "2")


PLANS: dict[str, Plan] = {way: partial(third, way) for way in WAYS}


@pytest.mark.parametrize("way", WAYS)
def test_third_of_a_fleet_fails_with_its_own_reason(trials: Trials, way: str) -> None:
    trial = trials[way]
    assert_in_order(trial)
    assert_the_others_are_home(trial, GOOD)
    for server in BAD:
        assert_became(trial, server, WAYS[way][2])


def test_servers_that_fail_in_different_ways_do_not_add_up(tmp_path: Path) -> None:
    ways = list(WAYS.values())
    scripts: dict[str, Script] = {
        server: {ways[at % len(ways)][0]: always(*ways[at % len(ways)][1])}
        for at, server in enumerate(BAD)
    }
    trial = collected(Wire(ALL, sane, scripts), tmp_path, "--max-attempts", "2")
    assert_in_order(trial)
    assert_the_others_are_home(trial, GOOD)
    for at, server in enumerate(BAD):
        assert_became(trial, server, ways[at % len(ways)][2])


def test_servers_left_alone_with_their_trouble_fail_all_the_same(tmp_path: Path) -> None:
    """When the healthy ones are home, only those are left whose calls come to nothing."""
    bad = ALL[:5]
    script: Script = {"download": lambda call: (End.RESET,) if call.nth > 1 else (page(200),)}
    trial = collected(Wire(ALL, sane, dict.fromkeys(bad, script)), tmp_path, "--max-attempts", "4")
    assert_in_order(trial)
    assert_the_others_are_home(trial, ALL[5:])
    for server in bad:
        assert_became(trial, server, Failed("download", "cut|unreadable", attempts=4))


def test_single_server_that_is_reset_fails_and_the_run_ends(tmp_path: Path) -> None:
    trial = collected(Wire(["one"], sane, {"one": {"export": always(End.RESET)}}), tmp_path)
    assert_in_order(trial)
    assert trial.code == 4
    assert_became(trial, "one", Failed("export", "cut", posts=2))


def test_few_of_400_servers_that_are_reset_hold_nobody_up(tmp_path: Path) -> None:
    servers = tuple(f"bms-{number:03}" for number in range(400))
    bad = servers[::57]
    script: Script = {"export": always(End.RESET)}
    trial = collected(Wire(servers, sane, dict.fromkeys(bad, script)), tmp_path)
    assert_in_order(trial)
    assert_the_others_are_home(trial, [server for server in servers if server not in bad])
    for server in bad:
        assert_became(trial, server, Failed("export", "cut", posts=2))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_fleet_with_every_kind_of_bad_download_ends(tmp_path: Path, seed: int) -> None:
    faults = (
        Fault("corrupt", probability=0.3),
        Fault("html_archive", probability=0.2),
        Fault("plain_tar", probability=0.2),
    )
    scenario = fleet(servers=30, projects=1, seed=seed, export_duration_s=0.0, faults=faults)
    with serving(scenario, tmp_path) as service:
        ended = service.run("collect", "fleet.json", "--max-attempts", "2")
        rows = service.manifest()["projects"][0]["servers"]
    assert ended.returncode == 3, ended.stderr
    assert_printable(ended.stdout + ended.stderr)
    assert {row["state"] for row in rows} == {"collected", "failed"}
    for row in rows:
        if row["state"] == "failed":
            assert row["error"]["stage"] in ("download", "verify")
            # A try is not counted while it is asked whether the endpoint answers anybody.
            assert row["error"]["attempts"] in (2, 3)


@pytest.mark.parametrize("answer", [(End.RESET,), (page(502),), (page(403),), (b"\0\0\r\n\r\n",)])
def test_endpoint_that_answers_nobody_for_a_while_is_waited_for(
    tmp_path: Path, answer: Answer
) -> None:
    down = while_young(3.0, *answer)
    everywhere: Script = {"export": down, "status": down, "download": down}
    trial = collected(Wire(ALL, sane, everywhere=everywhere), tmp_path)
    assert_in_order(trial)
    assert trial.code == 0
    assert "permission" not in trial.out + trial.err
