"""Every way in which the service says "too many": the fleet comes home, few calls are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from collector.emulator import ProjectSpec, Scenario, Throttle
from collector.model.events import ArchiveStored, HintDisbelieved, LimitLearned
from tests.support.drill import Told, collected, scenario_of, server, servers

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.alone

LIMIT = 14
SERVERS = 16
OTHERS = 16
"""Servers of a project that is not throttled, beside one that is."""
FLEET = 24
"""Servers of several projects that share a limit which nobody names."""
FEW = 6
FORMS = ("gateway", "gateway_apig", "gateway_status", "service", "text", "empty", "mixed")
SCOPES = ("api", "user", "app", "ip", "api-allenv")
WINDOWS = ("fixed", "sliding", "bucket")


def throttled(*throttles: Throttle, debug_headers: bool = False) -> Scenario:
    return scenario_of(servers(SERVERS), throttles=throttles, debug_headers=debug_headers)


def project(number: int, count: int, *, exports_in_flight: int | None = None) -> ProjectSpec:
    return ProjectSpec(
        f"p{number}",
        servers=tuple(server(f"{number}-{each}") for each in range(count)),
        exports_in_flight=exports_in_flight,
    )


SCENARIOS: Mapping[str, Scenario] = {
    **{form: throttled(Throttle("user", LIMIT, window="sliding", refusal=form)) for form in FORMS},  # type: ignore[arg-type]  # Literals
    **{scope: throttled(Throttle(scope, LIMIT, window="sliding")) for scope in SCOPES},  # type: ignore[arg-type]  # as above
    **{window: throttled(Throttle("user", LIMIT, window=window)) for window in WINDOWS},  # type: ignore[arg-type]  # as above
    "Retry-After in seconds": throttled(
        Throttle("user", LIMIT, refusal="text", retry_after="seconds")
    ),
    "Retry-After as a date": throttled(
        Throttle("user", LIMIT, refusal="empty", retry_after="date")
    ),
    "debug headers": throttled(Throttle("user", LIMIT, refusal="empty"), debug_headers=True),
    "several at once": throttled(
        Throttle("user", LIMIT), Throttle("api", LIMIT // 2), Throttle("ip", 2 * LIMIT)
    ),
    "the service's own": throttled(Throttle("project", LIMIT)),
    "exports in flight": scenario_of(servers(5), exports_in_flight=3),
    "one project of two": Scenario(
        projects=(project(1, 3, exports_in_flight=1), project(2, OTHERS)),
        export_duration_s=0.2,
        archive_bytes=1000,
    ),
}
SHARED: Mapping[str, Scenario] = {
    f"{projects} projects of one account": Scenario(
        projects=tuple(project(number, FLEET // projects) for number in range(projects)),
        throttles=(Throttle("user", FEW, window="sliding", refusal=form),),  # type: ignore[arg-type]  # Literals
        export_duration_s=0.2,
        archive_bytes=1000,
    )
    for projects, form in ((2, "service"), (6, "empty"))
}
"""A limit that nobody names, and that several projects share."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Told]:
    """All of them, at once: most of their time is waiting."""
    found: dict[str, Told] = {}

    async def one(name: str, scenario: Scenario) -> None:
        found[name] = await collected(scenario, tmp_path_factory.mktemp("run"))

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for name, scenario in {**SCENARIOS, **SHARED}.items():
                tasks.start_soon(one, name, scenario)

    anyio.run(main)
    return found


@pytest.mark.parametrize("name", SCENARIOS)
def test_throttled_fleet_comes_home_with_one_export_each(
    runs: Mapping[str, Told], name: str
) -> None:
    told = runs[name]
    assert told.summary.run.state == "complete"
    assert told.statistics["exports"]["by_server"] == dict.fromkeys(told.truth, 1)
    assert told.summary.totals.throttled == told.statistics["throttled"]["total"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_few_calls_are_refused(runs: Mapping[str, Told], name: str) -> None:
    statistics = runs[name].statistics
    assert statistics["throttled"]["total"] <= statistics["calls"]["total"] / 5


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_a_429_is_taken_for_one(runs: Mapping[str, Told], name: str) -> None:
    told = runs[name]
    assert told.summary.totals.throttled >= 1
    assert told.named(LimitLearned)
    assert not told.named(HintDisbelieved)


@pytest.mark.parametrize("name", ["gateway", "gateway_apig", "gateway_status"])
def test_limit_told_in_words_is_learned(runs: Mapping[str, Told], name: str) -> None:
    assert limits(runs[name]) == {("user", LIMIT, 1.0, "told")}


@pytest.mark.parametrize("scope", ["user", "app", "ip"])
def test_limit_belongs_to_the_scope_that_the_gateway_names(
    runs: Mapping[str, Told], scope: str
) -> None:
    assert limits(runs[scope]) == {(scope, LIMIT, 1.0, "told")}


def test_limit_told_in_debug_headers_is_never_run_into(runs: Mapping[str, Told]) -> None:
    assert runs["debug headers"].statistics["throttled"]["total"] == 0
    assert limits(runs["debug headers"]) == {("user", LIMIT, 1.0, "told")}


def test_limit_that_nobody_names_is_the_accounts_where_one_project_is_all_there_is(
    runs: Mapping[str, Told],
) -> None:
    learned = limits(runs["the service's own"])
    assert {(scope, source) for scope, _, _, source in learned} == {("user", "estimated")}


@pytest.mark.parametrize("name", SHARED)
def test_projects_that_share_a_limit_of_their_account_come_home_if_nobody_names_it(
    runs: Mapping[str, Told], name: str
) -> None:
    told = runs[name]
    assert told.summary.run.state == "complete"
    assert told.statistics["exports"]["by_server"] == dict.fromkeys(told.truth, 1)
    assert told.statistics["throttled"]["total"] <= told.statistics["calls"]["total"] / 10


def test_project_that_may_export_little_holds_no_other_up(runs: Mapping[str, Told]) -> None:
    told = runs["one project of two"]
    stored = [event.path.split("/")[0] for event in told.named(ArchiveStored)]
    assert stored[:OTHERS].count("p2") >= OTHERS - 1
    assert stored[-1] == "p1"


def limits(told: Told) -> set[tuple[str, float, float, str]]:
    return {
        (str(event.scope), event.limit, event.window_s, event.source)
        for event in told.named(LimitLearned)
    }
