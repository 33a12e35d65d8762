"""What goes wrong with a project's list of servers, and with its alarms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from collector.emulator.calls import ProjectCall  # noqa: TC001 - scenario_file reads it at run time
from collector.emulator.errors import require

ListRefusal = Literal[
    "throttled", "error_500", "unavailable", "reset", "silent", "html", "forbidden"
]
PageShape = Literal["not_json", "no_list", "null_fields", "deep", "huge"]
ServerPage = Literal[
    "no_name",
    "odd_types",
    "odd_records",
    "duplicate",
    "loop",
    "no_marker",
    "empty_page",
    "vanish",
    "appear",
]
ListFaultName = Literal[ListRefusal, PageShape, ServerPage]
LIST_REFUSALS: tuple[str, ...] = get_args(ListRefusal)
_SERVER_PAGES: tuple[str, ...] = get_args(ServerPage)
_LATER = ("throttled", "unavailable")


@dataclass(frozen=True, slots=True)
class ListFault:
    """One thing that goes wrong with the pages of a project.

    In place of the answer: `throttled` (429 iMetal.0005), `error_500`, `unavailable` (503), `reset`
    (the connection is reset), `silent` (nothing comes, and the connection stays open), `html` (a
    page under 200), `forbidden` (403).
    The answer is odd: `not_json`, `no_list` (null in place of the list), `null_fields` (every
    member of a server but its id and name is null; of an alarm its metric), `deep` (100,000 lists
    in each other), `huge` (64 MiB of blanks come first).
    Only of servers: `no_name` (no such member), `odd_types` (members of other types than the
    documented ones), `odd_records` (among the servers are null, a text and one without an id),
    `duplicate` (the page begins with the last server of the one before), `loop` (the next marker
    leads to the same page again), `no_marker` (no next_marker, though there is more), `empty_page`
    (no server, though there are more, and the marker of the next page).
    The fleet changes before the call is answered: `vanish` (the first server of this page is gone,
    for exports too), `appear` (a new server stands before all others, whose page a reader has
    passed).

    Attributes:
        name: What goes wrong.
        call: Which call it hits: `list` or `alarms`.
        project: The id of the project it belongs to; empty means each project by itself.
        times: It hits this many calls of a project, then never again; None means all.
        skip: So many calls of a project go well before.
        retry_after_s: For `throttled` and `unavailable`: Retry-After, in whole seconds; None means
            no such header.
    """

    name: ListFaultName
    call: ProjectCall = "list"
    project: str = ""
    times: int | None = None
    skip: int = 0
    retry_after_s: int | None = None

    def __post_init__(self) -> None:
        require(self.times is None or self.times >= 1, f"{self.name}: times must be 1 or more")
        require(self.skip >= 0, f"{self.name}: skip must be 0 or more")
        require(
            self.call == "list" or self.name not in _SERVER_PAGES,
            f"{self.name}: alarms have no such fault",
        )
        require(
            self.retry_after_s is None or self.name in _LATER,
            f"{self.name}: retry_after_s belongs to {' and '.join(_LATER)}",
        )
