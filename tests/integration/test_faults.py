"""Every fault of the service, one server each, in one run: what becomes of the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import collector
from collector.emulator import Fault, TokenSpec
from collector.rundir.verification import verify
from tests.support.drill import Told, collected, scenario_of, server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("impatient")

MAX_ATTEMPTS = 3
"""Not two: that is how often a doubtful POST is made, whatever is allowed."""


@dataclass(frozen=True)
class Fate:
    """What is to become of a server with these faults.

    Attributes:
        exports: how many the service starts.
        posts: `export.attempts` of the manifest; None where no export got an id.
        error: the manifest's `error` without message and request id; None where it is collected.
        hint: a part of the error's hint.
    """

    faults: tuple[Fault, ...]
    exports: int
    posts: int | None
    error: tuple[str, str | None, int | None, int] | None = None
    hint: str = ""


def once(name: Any, *calls: Any, exports: int = 1, posts: int = 1) -> Fate:  # noqa: ANN401  # Literals
    return Fate((Fault(name, calls=calls, times=1),), exports, posts)


def always(
    name: Any,  # noqa: ANN401  # Literals
    *calls: Any,  # noqa: ANN401  # as above
    exports: int,
    posts: int | None,
    error: tuple[str, str | None, int | None, int],
    hint: str,
) -> Fate:
    return Fate((Fault(name, calls=calls),), exports, posts, error, hint)


SUPPORT = "give the vendor's support the request id"
NETWORK = "check the network"
PROXY = "see whether a proxy answers"
IDS = "check the server's and the project's id"

FATES = {
    # The POST: one that the service itself failed is repeated ...
    "post-failed-once": once("error_500", "export", posts=2),
    "post-failed": always(
        "error_500", "export",
        exports=0, posts=None, error=("export", "iMetal.0099", 500, MAX_ATTEMPTS), hint=SUPPORT,
    ),
    # ... a doubtful one once, and no more ...
    "post-answered-by-a-gateway-once": once("bad_gateway", "export", posts=2),
    "post-answered-by-a-gateway": always(
        "bad_gateway", "export",
        exports=0, posts=None, error=("export", None, 502, 2), hint=PROXY,
    ),
    "post-timed-out-once": once("timeout_408", "export", posts=2),
    "post-timed-out": always(
        "timeout_408", "export",
        exports=0, posts=None, error=("export", None, 408, 2), hint=PROXY,
    ),
    "post-answered-by-a-page": always(
        "html", "export",
        exports=0, posts=None, error=("export", None, 200, 2), hint=PROXY,
    ),
    "post-reset-before-it-acted-once": once("reset_before", "export", posts=2),
    "post-reset-before-it-acted": always(
        "reset_before", "export",
        exports=0, posts=None, error=("export", None, None, 2), hint=NETWORK,
    ),
    "post-reset-after-it-acted-once": once("reset_after", exports=2, posts=2),
    "post-reset-after-it-acted": always(
        "reset_after", exports=2, posts=None, error=("export", None, None, 2), hint=NETWORK
    ),
    "post-without-an-id-once": once("no_export_id", exports=2, posts=2),
    "post-without-an-id": always(
        "no_export_id", exports=2, posts=None, error=("export", None, 202, 2), hint=PROXY
    ),
    # ... one that was refused, not at all, unless the server was merely not ready.
    "post-of-an-unknown-server": always(
        "unknown_id", "export",
        exports=0, posts=None, error=("export", "iMetal.0100", 404, 1), hint=IDS,
    ),
    "post-not-permitted": always(
        "no_permission", "export",
        exports=0, posts=None, error=("export", "iMetal.0004", 403, 1),
        hint="clouddc:imetal:createDumpLog",
    ),
    "post-with-a-bad-parameter": always(
        "bad_parameter",
        exports=0, posts=None, error=("export", "iMetal.0001", 400, 1), hint="in the inventory",
    ),
    "post-to-a-server-not-ready-once": once("not_ready"),
    # The status: whatever is wrong with an answer, the export goes on.
    "status-failed-once": once("error_500", "status"),
    "status-answered-by-a-gateway-once": once("bad_gateway", "status"),
    "status-answered-by-a-page-once": once("html", "status"),
    "status-reset-once": once("reset_before", "status"),
    "status-reset-after-once": once("reset_after", "status"),
    "status-timed-out-once": once("timeout_408", "status"),
    "status-not-ready-once": once("not_ready", "status"),
    "status-failed": always(
        "error_500", "status",
        exports=1, posts=1, error=("status", "iMetal.0099", 500, MAX_ATTEMPTS), hint=SUPPORT,
    ),
    "status-reset": always(
        "reset_before", "status",
        exports=1, posts=1, error=("status", None, None, MAX_ATTEMPTS), hint=NETWORK,
    ),
    "status-not-permitted": always(
        "no_permission", "status",
        exports=1, posts=1, error=("status", "iMetal.0004", 403, 1),
        hint="clouddc:imetal:getDumpLogProgress",
    ),
    "status-of-an-unknown-server": always(
        "unknown_id", "status",
        exports=2, posts=2, error=("status", "iMetal.0100", 404, 1),
        hint="lost two exports",
    ),
    # The export itself: a new one, once.
    "export-failed-once": once("failed_export", exports=2, posts=2),
    "export-failed": always(
        "failed_export", exports=2, posts=2, error=("export", None, None, 1),
        hint="look at the server's health",
    ),
    "export-forgotten-once": once("forgotten_export", exports=2, posts=2),
    "export-forgotten": always(
        "forgotten_export", exports=2, posts=2, error=("status", "iMetal.0120", 404, 1),
        hint="lost two exports",
    ),
    # The archive: fetched again, from the same export.
    "download-failed-once": once("error_500", "download"),
    "download-answered-by-a-gateway-once": once("bad_gateway", "download"),
    "download-answered-by-a-page-once": once("html", "download"),
    "download-reset-once": once("reset_before", "download"),
    "download-not-ready-once": once("not_ready", "download"),
    "download-failed": always(
        "error_500", "download",
        exports=1, posts=1, error=("download", "iMetal.0099", 500, MAX_ATTEMPTS), hint=SUPPORT,
    ),
    "download-not-permitted": always(
        "no_permission", "download",
        exports=1, posts=1, error=("download", "iMetal.0004", 403, 1),
        hint="clouddc:imetal:createDownloadLog",
    ),
    "archive-cut-once": once("truncated"),
    "archive-cut": always(
        "truncated",
        exports=1, posts=1, error=("download", None, None, MAX_ATTEMPTS), hint=NETWORK,
    ),
    "archive-cut-without-a-length-once": once("truncated_chunked"),
    "archive-cut-without-a-length": always(
        "truncated_chunked",
        exports=1, posts=1, error=("download", None, None, MAX_ATTEMPTS), hint=NETWORK,
    ),
    "archive-corrupt-once": once("corrupt"),
    "archive-corrupt": always(
        "corrupt",
        exports=1, posts=1, error=("verify", None, None, MAX_ATTEMPTS), hint="tell the vendor",
    ),
    "archive-that-is-a-page-once": once("html_archive"),
    "archive-that-is-a-page": always(
        "html_archive",
        exports=1, posts=1, error=("download", None, 200, MAX_ATTEMPTS), hint=PROXY,
    ),
    "archive-that-is-a-zip": always(
        "zip_archive",
        exports=1, posts=1, error=("verify", None, None, MAX_ATTEMPTS), hint="tell the vendor",
    ),
    "archive-that-comes-slowly": Fate((Fault("slow", bytes_per_s=4000),), 1, 1),
}  # fmt: skip

FAILING = [name for name, fate in FATES.items() if fate.error is not None]


@pytest.fixture(scope="module")
def unsuspecting() -> Iterator[None]:
    """Each server is judged alone: nothing but faults is here, one after the other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("collector.engine.admission.endpoint_breaker.SUSPECTS", 1_000)
        yield


@pytest.fixture(scope="module")
def told(impatient: None, unsuspecting: None, tmp_path_factory: pytest.TempPathFactory) -> Told:
    scenario = scenario_of(server(name, *fate.faults) for name, fate in FATES.items())
    out = tmp_path_factory.mktemp("faults")
    terms = collector.Terms(max_attempts=MAX_ATTEMPTS)
    return anyio.run(lambda: collected(scenario, out, terms=terms))


@pytest.mark.parametrize("name", FATES)
def test_each_fault_has_its_outcome(told: Told, name: str) -> None:
    row, fate = told.rows[f"id-{name}"], FATES[name]
    error = row["error"] and tuple(
        row["error"][field] for field in ("stage", "code", "http_status", "attempts")
    )
    assert error == fate.error
    assert row["state"] == ("failed" if fate.error else "collected")
    assert (row["export"] and row["export"]["attempts"]) == fate.posts


@pytest.mark.parametrize("name", FATES)
def test_no_fault_starts_an_export_more_than_is_due(told: Told, name: str) -> None:
    assert told.statistics["exports"]["by_server"].get(f"id-{name}", 0) == FATES[name].exports


@pytest.mark.parametrize("name", FAILING)
def test_each_failure_says_what_happened_and_what_to_do(told: Told, name: str) -> None:
    error = told.rows[f"id-{name}"]["error"]
    assert FATES[name].hint in error["hint"]
    assert error["message"]
    assert error["message"].isprintable()


def test_every_fault_struck(told: Told) -> None:
    assert set(told.statistics["faults"]) == {
        fault.name for fate in FATES.values() for fault in fate.faults
    }


def test_a_refusal_names_the_request_for_the_vendors_support(told: Told) -> None:
    assert told.rows["id-post-failed"]["error"]["request_id"]


def test_what_came_of_it_all_is_whole_and_agrees_with_itself(told: Told) -> None:
    assert told.verdict == 3
    assert told.summary.run.state == "partial"
    assert told.summary.totals.failed == len(FAILING) == len(told.summary.not_collected)
    found = verify(told.directory)
    assert found.ok, found.mismatches
    assert found.notes == ()


def test_export_that_never_ends_is_pending_at_the_deadline(tmp_path: Path) -> None:
    scenario = scenario_of([server("stuck", Fault("stuck_export")), server("well")])
    terms = collector.Terms(deadline_s=1.5)
    told = anyio.run(lambda: collected(scenario, tmp_path, terms=terms))
    assert told.rows["id-well"]["state"] == "collected"
    row = told.rows["id-stuck"]
    assert (row["state"], row["error"]) == ("pending", None)
    assert (row["waiting"]["phase"], row["waiting"]["reason"]) == ("exporting", "deadline")
    assert told.summary.run.state == "deadline"
    assert told.verdict == 3


def test_download_that_stalls_is_cut_and_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.providers.http.wire.STALL_S", 0.2)
    scenario = scenario_of(
        [server("once", Fault("stalled", times=1)), server("always", Fault("stalled"))],
        archive_bytes=20_000,
    )
    terms = collector.Terms(max_attempts=MAX_ATTEMPTS)
    told = anyio.run(lambda: collected(scenario, tmp_path, terms=terms))
    assert told.rows["id-once"]["state"] == "collected"
    error = told.rows["id-always"]["error"]
    assert (error["stage"], error["attempts"]) == ("download", MAX_ATTEMPTS)
    assert "nothing arrived" in error["message"]


def test_token_that_is_refused_from_the_start_costs_one_call(tmp_path: Path) -> None:
    expired = TokenSpec(expires_after_s=0.0)
    scenario = scenario_of((server(n) for n in range(20)), tokens=(expired,))
    told = anyio.run(lambda: collected(scenario, tmp_path))
    assert told.statistics["calls"]["total"] == 1
    assert told.verdict == 5
    for row in told.rows.values():
        assert (row["error"]["code"], row["error"]["http_status"]) == ("APIGW.0301", 401)
        assert "token" in row["error"]["hint"]


def test_one_refusal_of_a_good_token_fails_nobody(tmp_path: Path) -> None:
    scenario = scenario_of(
        [server("unlucky", Fault("expired_token", calls=("status",), times=1)), server("well")]
    )
    told = anyio.run(lambda: collected(scenario, tmp_path))
    assert told.verdict == 0
    assert told.statistics["exports"]["started"] == 2
