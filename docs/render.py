# ruff: noqa: INP001  # a script, not a package
"""Writes the sections of the documentation that repeat what the code says.

    python docs/render.py            # rewrites the pages
    python docs/render.py --check    # changes nothing; exits 1 if a page is stale

A section stands between `<!-- begin: NAME -->` and `<!-- end: NAME -->`, where NAME is one of
`SECTIONS`, `help COMMAND` for what `collector COMMAND --help` prints, or `modules ROOM` for what
each module of a room says of itself.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import collector
from collector import emulator
from collector.cli import main as collector_command
from collector.engine.admission import credential_health, endpoint_breaker, sign_in
from collector.engine.outcomes import retry
from collector.engine.outcomes.hints import HINTS
from collector.engine.pacing import (
    concurrency,
    estimated_limit,
    inference,
    pacer,
    pauses,
    sliding_window,
    slow_start,
    statements,
    told_limit,
    utilization,
)
from collector.engine.polling import durations, scouts, timing
from collector.engine.queueing import deadline, fair_queue, placement
from collector.model import ceilings, lifecycle
from collector.model.answers import Call, ProblemKind
from collector.model.events import EVENTS
from collector.providers.clouddc import errors
from collector.providers.clouddc.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

HERE = Path(__file__).resolve().parent
HELP_WIDTH = 80
RECORDED = "sample "
"""How the names of sections begin that `samples.py` writes."""
PACKAGE = "package "
"""How the names of sections begin that are a file of the provider's package under `tests/`."""
_SECTION = re.compile(
    r"(?P<begin><!-- begin: (?P<name>[^>]+) -->\n).*?(?P<end><!-- end: (?P=name) -->)", re.DOTALL
)
_MEMBER = re.compile(r"    (\w+(?:, \w+)*): (.*(?:\n {8}.*)*)")


def pages() -> Iterator[Path]:
    """Yield every page of the documentation, the README included."""
    yield HERE.parent / "README.md"
    yield HERE.parent / "CONTRIBUTING.md"
    yield from sorted(HERE.rglob("*.md"))


def rendered(text: str) -> str:
    """Return a page's text with its sections as the code has them now.

    Raises:
        LookupError: a section's name is none that this script knows.
    """
    return _SECTION.sub(_fresh, text)


def _fresh(found: re.Match[str]) -> str:
    if found["name"].startswith(RECORDED):
        return found[0]
    return f"{found['begin']}{section(found['name'])}\n{found['end']}"


def section(name: str) -> str:
    """Return the text of a section.

    Raises:
        LookupError: there is no section of that name.
    """
    if name == "help" or name.startswith("help "):
        return _help(name.split()[1:])
    if name.startswith("modules "):
        return _modules(name.split()[1])
    if name.startswith(PACKAGE):
        return _file(HERE.parent / "tests" / "provider_package" / name.removeprefix(PACKAGE))
    if name not in SECTIONS:
        raise LookupError(f"no section {name!r}; there are help COMMAND, {', '.join(SECTIONS)}")
    return SECTIONS[name]()


def _modules(room: str) -> str:
    """Return what each module of a room says of itself in its first line.

    Raises:
        LookupError: there is no such room.
    """
    root = HERE.parent / "collector" / room
    rows = [
        (_code(path.relative_to(root).as_posix()), _first_line(path))
        for path in sorted(root.rglob("*.py"), key=lambda path: (path.parent, path.name))
        if path.name != "__init__.py"
    ]
    if not rows:
        raise LookupError(f"there is no room {room!r}")
    return _table(("module", "what it is about"), rows)


def _scripts() -> str:
    """Return what each script of the page says of itself, in the order in which they run."""
    root = HERE.parent / "collector" / "pages"
    names = re.findall(r'<script src="([^"]+)">', (root / "page.html").read_text(encoding="utf-8"))
    rows = [
        (_code(name), comment.removeprefix("// "))
        for name in names
        if (comment := (root / name).read_text(encoding="utf-8").splitlines()[1]).startswith("// ")
    ]
    return _table(("script", "what it is about"), rows)


def _first_line(path: Path) -> str:
    page = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return page.partition("\n\n")[0].replace("\n", " ")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in cells)} |" for cells in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(value: object) -> str:
    return f"`{value}`"


def _help(path: Sequence[str]) -> str:
    """Return what `--help` prints of a command."""
    command: click.Command = collector_command
    context = _context(command, "collector", None)
    for name in path:
        found = command.get_command(context, name) if isinstance(command, click.Group) else None
        if found is None:
            raise LookupError(f"there is no command {' '.join(path)!r}")
        command = found
        context = _context(command, name, context)
    lines = [line.rstrip() for line in command.get_help(context).splitlines()]
    return "\n".join(["```text", *lines, "```"])


def _file(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise LookupError(f"there is no file {path}") from error
    language = {".py": "python", ".toml": "toml"}[path.suffix]
    return f"```{language}\n# {path.name}\n{text.rstrip()}\n```"


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return command.context_class(
        command,
        info_name=name,
        parent=parent,
        terminal_width=HELP_WIDTH,
        **command.context_settings,
    )


def _lifecycle() -> str:
    def cell(word: str | None) -> str:
        return _code(word) if word else "-"

    rows = (
        (_code(phase), cell(step.wanted), str(len(step.calls)), cell(step.stage),
         cell(step.waiting), cell(step.timeout))
        for phase, step in lifecycle.LIFECYCLE.items()
    )  # fmt: skip
    heads = ("journal", "next call", "calls left", "`error.stage`", "`waiting.phase`")
    return _table((*heads, "`--phase-timeout`"), rows)


def _refusals() -> str:
    def cell(word: str) -> str:
        return word if word == "any" else _code(word)

    rows = (
        (cell(row.status), cell(row.code), cell(row.call), _code(row.kind), row.meaning)
        for row in errors.rows()
    )
    return _table(("status", "code", "call", "problem", "meaning"), rows)


def _policy() -> str:
    rows = (
        [_code(kind), *(retry.TABLE[call, kind].name.lower() for call in Call)]
        for kind in ProblemKind
    )
    return _table(("problem", *(_code(call) for call in Call)), rows)


def _rules() -> str:
    return _table(
        ("rule", "what is done"), ((rule.name.lower(), rule.value) for rule in retry.Rule)
    )


def _numbers() -> str:
    soon, late = retry.NOT_READY_SOON_S, retry.NOT_READY_LATE_S
    numbers = {
        "first back-off, at most": _seconds(retry.BACK_OFF_BASE_S),
        "longest back-off": _seconds(retry.BACK_OFF_CAP_S),
        "not ready: the first waits": f"{soon[0]:g} to {soon[1]:g} s",
        "not ready: how many of these": str(retry.NOT_READY_SOON_TIMES),
        "not ready: the waits after them": f"{late[0]:g} to {late[1]:g} s",
        "not ready: given up after": _seconds(retry.NOT_READY_FOR_S),
        "an export that is not known: the first wait": _seconds(retry.LAG_FIRST_S),
        "an export that is not known: asked for again for": _seconds(retry.LAG_FOR_S),
        "an export that is not known: not if it is older than": _seconds(retry.LAG_UNTIL_AGE_S),
        "Retry-After is believed up to": _seconds(pauses.LONGEST_RETRY_AFTER_S),
        "Retry-After: instead of more than that": _seconds(pauses.INSTEAD_OF_RETRY_AFTER_S),
        "401s in a row after which a credential that once worked is refused": str(
            credential_health.REFUSALS_BELIEVED
        ),
        "sign-ins that fail for a while: tries of a credential that was never accepted": str(
            sign_in.FIRST_TRIES
        ),
        "the same: no longer than": _seconds(sign_in.FIRST_PATIENCE_S),
        "the same, where it was accepted before": _seconds(sign_in.PATIENCE_S),
        "an export is given up after": _seconds(ceilings.EXPORT_S),
        "small calls under way at once": str(ceilings.CALLS_IN_FLIGHT),
        "an endpoint that never answered is given up after": _seconds(
            endpoint_breaker.NEVER_ANSWERED_PATIENCE_S
        ),
        "an endpoint that has answered before, after": _seconds(
            endpoint_breaker.ANSWERED_PATIENCE_S
        ),
    }
    return _table(("what", "how much"), numbers.items())


def _limit_numbers() -> str:
    longest_s, instead_s = pauses.LONGEST_RETRY_AFTER_S, pauses.INSTEAD_OF_RETRY_AFTER_S
    windows_s = ", ".join(map(_seconds, inference.WINDOWS_S))
    numbers = {
        "calls under way at first, on an account of which nothing is known": (
            f"1, or {slow_start.FEWEST} where an answer takes over {_seconds(slow_start.SHORT_S)}"
        ),
        "over a long way, as many as make": f"{slow_start.PER_SECOND:g} calls a second",
        "twice as many after": f"{slow_start.CAREFUL_CALLS} calls let through, "
        f"and then after every {slow_start.DOUBLING_CALLS}",
        "a service that tells its limits is asked again after": _seconds(pacer.ASK_AGAIN_S),
        "Retry-After is believed up to": _seconds(longest_s),
        "and a longer one taken for": _seconds(instead_s),
        "a stated limit is believed up to": f"{statements.FASTEST:,.0f} calls a second, "
        f"in windows of up to {_seconds(statements.LONGEST_WINDOW_S)}",
        "the pause after a second refusal, with nothing let through between": _seconds(
            pauses.SHORTEST_PAUSE_S
        ),
        "the longest such pause": _seconds(pauses.LONGEST_PAUSE_S),
        "windows that are thought of": windows_s,
        "refusals that a guess has to explain, at most": str(inference.REFUSALS_KEPT),
        "a refusal is no surprise, with so much of the level in the window": (
            f"{utilization.NEAR:.0%}"
        ),
        "a probe above an estimate, after": (
            f"{estimated_limit.CALLS_BEFORE_PROBE} calls; where probes are refused, twice as many "
            f"each time, up to {estimated_limit.MOST_CALLS_BEFORE_PROBE}"
        ),
        "one call goes over a limit that a refusal stated, after": (
            f"{told_limit.PROBE_AFTER_CALLS} calls"
        ),
        "the same, where it had been higher before": f"{told_limit.PROBE_AFTER_LOWERING} calls",
        "after backing off, more is tried after": (
            f"{_seconds(utilization.RECOVER_AFTER_S)} and a window"
        ),
        "and where that is refused, in the end no more often than every": (
            f"{_seconds(utilization.LONGEST_WAIT_S)}, or a window and "
            f"{_seconds(utilization.RECOVER_AFTER_S)}"
        ),
        "others are expected back for": _seconds(utilization.CONTESTED_FOR_S),
        "recoveries refused in a row that lower an estimate": str(
            estimated_limit.FAILURES_BELIEVED
        ),
        "calls refused where they are jitter-dominated, about": f"{sliding_window.REFUSED:.1%}",
        "one export more than is believed to be allowed, after": (
            f"{concurrency.STARTS_BETWEEN_PROBES} starts"
        ),
    }
    return _table(("what", "how much"), numbers.items())


def _status_numbers() -> str:
    numbers = {
        "a status is asked for no more often than every": _seconds(timing.SOONEST_S),
        "a project's first exports that are scouts": str(scouts.FIRST),
        "looks at an export that says nothing of its progress, about": (
            f"{timing.POLLS_ON_AVERAGE:g}"
        ),
        "gap between two looks at it, as a part of the time gone, at most": f"{timing.WIDEST:.1%}",
        "the same, while hardly any has ended": f"{timing.WIDEST_AT_FIRST - 1:.0%}",
        "where calls are scarce, how likely the end must be": f"{durations.CERTAIN:.0%}",
        "the same, before a deadline that is tight": f"{timing.LIKELY:.0%}",
        "the last servers of a run, asked about more often": str(placement.LAST_SERVERS),
        "gap between two looks at one of these, as a part of the time gone": (
            f"{timing.Pressure.LAST.value:.1%}"
        ),
        "the same, where exports wait for places": f"{timing.Pressure.PLACES.value:.0%}",
        "before a deadline it is looked once more, with so much of the time left": (
            f"{timing.LEFT:.0%}, and at least {_seconds(timing.LEFT_S)}"
        ),
        "turns for exports, before one for what is due": str(fair_queue.TURNS_FOR_EXPORTS),
        "under a tight deadline, no export that is home in time less often than": (
            f"{deadline.WORTH_STARTING:.0%}"
        ),
        "an export is given up after": _seconds(ceilings.EXPORT_S),
        "earlier runs' durations count for, at most": f"{durations.KNOWN_WEIGHT:g} exports",
    }
    return _table(("what", "how much"), numbers.items())


def _seconds(seconds: float) -> str:
    if seconds >= 7200 and seconds % 3600 == 0:  # noqa: PLR2004  # hours are read more easily
        return f"{seconds / 3600:g} h"
    if seconds >= 120 and seconds % 60 == 0:  # noqa: PLR2004  # and minutes
        return f"{seconds / 60:g} min"
    return f"{seconds:g} s"


def _hints() -> str:
    return _table(("problem", "hint"), ((_code(kind), HINTS[kind]) for kind in ProblemKind))


def _events() -> str:
    def row(name: str) -> tuple[str, str, str, str]:
        kind = EVENTS[name]
        members = [field.name for field in dataclasses.fields(kind) if field.name != "at"]
        summary = (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")
        what = "fact" if kind.is_fact else "observation"
        return _code(name), what, summary, ", ".join(map(_code, members))

    return _table(("event", "kind", "what it says", "members"), map(row, EVENTS))


def _states() -> str:
    drawing = (inspect.getdoc(lifecycle) or "").partition("\n\n")[2]
    return f"```text\n{drawing.rstrip()}\n```"


def _regions() -> str:
    rows = ((_code(region), _code(url)) for region, url in RULES.regions.items())
    return _table(("region", "endpoint"), rows)


def _permissions() -> str:
    """Return an IAM identity policy of the fewest actions."""
    statement = {
        "Effect": "Allow",
        "Action": [errors.LISTING_PERMISSION, *errors.PERMISSIONS.values()],
        "Resource": ["*"],
    }
    document = {"Version": "5.0", "Statement": [statement]}
    return f"```json\n{json.dumps(document, indent=2)}\n```"


def _members_of(kind: type) -> str:
    """Return the members of one of the emulator's dataclasses, as its docstring explains them."""
    doc = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2]
    explained = {
        name: " ".join(text.split())
        for names, text in _MEMBER.findall(doc)
        for name in names.split(", ")
    }
    fields = dataclasses.fields(kind)
    rows = ((_code(field.name), _default(field), explained.get(field.name, "")) for field in fields)
    return _table(("key", "default", "what it says"), rows)


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return "empty"
    if field.default is dataclasses.MISSING:
        return "must be given"
    if field.default is None or field.default in ("", ()):
        return "none"
    if isinstance(field.default, tuple):
        return "one, as its own defaults say"
    return _code(str(field.default).lower() if isinstance(field.default, bool) else field.default)


def _public(*modules: str) -> str:
    """Return a table of the names in `collector` that come from these modules."""
    rows = []
    for name in (name for module in modules for name in collector.NAMES[module].split()):
        public = getattr(collector, name)
        file = Path(inspect.getfile(public)).relative_to(HERE.parent)
        summary = " ".join((inspect.getdoc(public) or "").partition("\n\n")[0].split())
        rows.append((f"[{_code(name)}](../../{file})", summary))
    return _table(("name", "what it is"), rows)


LIBRARY = {
    "library runs": (
        *("collector.runtime.collection", "collector.runtime.resuming"),
        *("collector.runtime.terms", "collector.runtime.feed", "collector.inventory"),
        *("collector.planning", "collector.runtime.planned", "collector.rundir.verification"),
        "collector.discovery",
        *("collector.report.building", "collector.report.summary", "collector.report.verdict"),
        *("collector.model.state", "collector.model.rows"),
    ),
    "library events": ("collector.model.events",),
    "library errors": (
        *("collector.errors", "collector.inventory.mistakes", "collector.rundir.lock"),
        *("collector.rundir.journal.journal", "collector.rundir.journal.reading"),
        *("collector.runtime.trust", "collector.providers", "collector.providers.connecting"),
    ),
    "library providers": (
        *("collector.providers.protocol", "collector.providers.rules", "collector.model.answers"),
        "collector.providers.directory",
    ),
    "library archives": (
        *("collector.archive.format", "collector.archive.staged"),
        *("collector.archive.destination", "collector.archive.local"),
    ),
}
"""Sections of the library's reference, by the modules that their names come from."""


SECTIONS: Mapping[str, Callable[[], str]] = {
    "refusals": _refusals,
    "policy": _policy,
    "rules": _rules,
    "numbers": _numbers,
    "limit numbers": _limit_numbers,
    "status numbers": _status_numbers,
    "hints": _hints,
    "events": _events,
    "states": _states,
    "scripts": _scripts,
    "lifecycle": _lifecycle,
    "regions": _regions,
    "permissions": _permissions,
    "scenario": lambda: _members_of(emulator.Scenario),
    "scenario project": lambda: _members_of(emulator.ProjectSpec),
    "scenario server": lambda: _members_of(emulator.ServerSpec),
    "scenario token": lambda: _members_of(emulator.TokenSpec),
    "scenario user": lambda: _members_of(emulator.UserSpec),
    "scenario key": lambda: _members_of(emulator.KeySpec),
    "scenario iam fault": lambda: _members_of(emulator.IamFault),
    "scenario alarm": lambda: _members_of(emulator.AlarmSpec),
    "scenario list fault": lambda: _members_of(emulator.ListFault),
    "scenario throttle": lambda: _members_of(emulator.Throttle),
    "scenario fault": lambda: _members_of(emulator.Fault),
    "scenario dialect": lambda: _members_of(emulator.Dialect),
    **{name: partial(_public, *modules) for name, modules in LIBRARY.items()},
}


def main(arguments: Sequence[str]) -> int:
    """Rewrite the pages, or say which are stale; return the exit code."""
    if list(arguments) not in ([], ["--check"]):
        sys.stderr.write("usage: python docs/render.py [--check]\n")
        return 2
    stale = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        fresh = rendered(text)
        if fresh != text:
            stale.append(page.relative_to(HERE.parent))
            if not arguments:
                page.write_text(fresh, encoding="utf-8")
    for page in stale:
        sys.stdout.write(f"{page} {'is stale' if arguments else 'was rewritten'}\n")
    return 1 if stale and arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
