"""Where few files may be open: fewer downloads and calls at once, and all is collected."""

from __future__ import annotations

import json
import resource
from typing import TYPE_CHECKING

import pytest

from tests.support.command import Service, fleet_of, servers, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

WARNING = "connections may be open at once"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    # So slow, and with a storage of its own, that as much is under way at once as may be.
    fleet = fleet_of(servers(40), archive_bytes=600_000, latency_s=0.05, redirect_downloads=True)
    with serving(fleet, tmp_path_factory.mktemp("descriptors")) as found:
        yield found


def collected(service: Service, soft: int, hard: int) -> tuple[int, int, str]:
    """Collect with a limit on open files; return the exit code, how many are here, and stderr."""
    limits = {resource.RLIMIT_NOFILE: (soft, hard)}
    ended = service.run("collect", "fleet.json", "--json", limits=limits)
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.returncode, json.loads(ended.stdout)["totals"]["collected"], ended.stderr


@pytest.mark.parametrize("limit", [64, 32, 24])
def test_few_open_files_slow_a_run_down_and_it_says_so_once(service: Service, limit: int) -> None:
    code, here, told = collected(service, limit, limit)
    assert (code, here) == (0, 40), told
    assert told.count(WARNING) == told.count("warning") == 1, told
    assert f"at most {limit} files" in told


def test_a_limit_that_may_be_raised_is_raised(service: Service) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    code, here, told = collected(service, 32, hard)
    assert (code, here) == (0, 40), told
    assert WARNING not in told
