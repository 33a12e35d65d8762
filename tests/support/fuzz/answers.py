"""Looks for answers of one server that hurt another, end a run, or are taken for what they are not.

    python -m tests.support.fuzz.answers --answers 10000

Answers are mutated from valid ones (`mutations.py`) and given by bad servers beside healthy ones:
in this process, with limits of seconds where the product has minutes, and in every tenth run
through the installed command. What must hold stands in `_judged`. A run that is wrong is told
with its number and with what the server in question has answered: `--seed NUMBER --runs 1` plays
it again, and with `--only SERVER` that bad server alone.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gzip
import io
import json
import logging
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import pytest

import collector
from collector.archive.format import UnpackLimits
from collector.archive.staged import ArchivePolicy
from collector.runtime.terms import Terms
from tests.support.answers import archive_of, sane
from tests.support.fuzz.answer_mutations import mutated
from tests.support.patience import HURRIED, shorten
from tests.support.trial import assert_in_order, assert_printable, collected
from tests.support.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.wire import Answer, Call, Kind, Script

BAD: Final = 90
WELL: Final = tuple(f"well-{number}" for number in range(BAD // 3))
ENDS_WITHIN_S: Final = 90.0
"""A run that has not ended by then does not end."""
HOME_WITHIN_S: Final = 20.0
"""A healthy server is home by then, on a machine that is busy with other things as well."""
STALL_S: Final = 0.8
DOWNLOAD_S: Final = 3.0
"""Without this limit a download may drip for as long as it likes."""
_KINDS: Final[tuple[Kind, ...]] = ("export", "status", "download")


@dataclass
class Served:
    """What bad servers were made to answer, in one run.

    Attributes:
        number: of the run; all answers hang on it.
        only: the one server that misbehaves; None for all that do.
        answers: what each server has said, in order.
        whole: archives that a server has sent.
    """

    number: int
    only: str | None = None
    answers: dict[str, list[tuple[Kind, Answer]]] = field(default_factory=dict)
    whole: dict[str, list[bytes]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return sum(map(len, self.answers.values()))

    def service(self) -> Wire:
        """A service in which each bad server misbehaves at one kind of call, or at all."""
        bad = [f"bms-{at:02}" for at in range(BAD)]
        scripts: dict[str, Script] = {
            server: dict.fromkeys(_kinds(at), self._answer)
            for at, server in enumerate(bad)
            if self.only in (None, server)
        }
        servers = [one for pair in zip(bad, WELL * 3, strict=True) for one in pair]
        return Wire(tuple(dict.fromkeys(servers)), sane, scripts)

    def _answer(self, call: Call) -> Answer:
        made = mutated(self.number, call)
        self.answers.setdefault(call.server, []).append((call.kind, made.steps))
        if call.kind in ("download", "stored"):
            self.whole.setdefault(call.server, []).append(made.whole)
        return made.steps


def _kinds(at: int) -> tuple[Kind, ...]:
    """At which calls a server misbehaves: at one kind, and some at all."""
    return (*_KINDS, "stored") if at % 6 == 5 else (_KINDS[at % 3],)


@contextlib.contextmanager
def hurried() -> Iterator[None]:
    """Let limits of minutes be seconds, and no step of a run be logged."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as state:
        shorten(patch, HURRIED)
        patch.setenv("XDG_STATE_HOME", state)
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            patch.delenv(name, raising=False)
        yield


async def played(served: Served, home: Path) -> Counter[str]:
    """Collect in this process; return what became of the servers.

    Raises:
        AssertionError: something is wrong.
    """
    async with served.service() as wire:
        selection = collector.load(
            io.BytesIO(json.dumps(wire.inventory()).encode()),
            environ={"CLOUDDC_TOKEN": wire.token},
        ).select()
        access = collector.Access(environ={"CLOUDDC_TOKEN": wire.token}, stall_s=STALL_S)
        policy = ArchivePolicy(UnpackLimits(1 << 30, 1000, 10_000), durable=False)
        terms = Terms(max_attempts=2, reuse_s=0.0, download_s=DOWNLOAD_S, policy=policy)
        run = collector.collect(selection, home / "collected", access=access, terms=terms)
        with anyio.move_on_after(ENDS_WITHIN_S) as limit:
            async with run:
                async for _ in run:
                    pass
        manifest = json.loads((run.directory / "manifest.json").read_bytes())
    states = {row["id"]: row for row in manifest["projects"][0]["servers"]}
    pending = [server for server, row in states.items() if row["state"] == "pending"]
    assert not limit.cancelled_caught, f"the run does not end: {pending}"
    return _judged(served, wire, states, run.directory)


def played_by_command(served: Served, home: Path, deadline_s: int) -> Counter[str]:
    """The same through the installed command, with the limits that it has, up to a deadline.

    Raises:
        AssertionError: something is wrong.
    """
    wire = served.service()
    limits = ("--max-attempts", "2", "--stall-timeout", "2s", "--phase-timeout", "download=8s")
    until = ("--deadline", f"{deadline_s}s")
    trial = collected(wire, home, "-vv", *limits, *until, patience_s=ENDS_WITHIN_S)
    assert_in_order(trial)
    return _judged(served, wire, trial.rows, trial.command.latest, may_wait=True)


def _judged(
    served: Served,
    wire: Wire,
    rows: dict[str, dict[str, Any]],
    directory: Path,
    *,
    may_wait: bool = False,
) -> Counter[str]:
    """Tell what became of the servers; it must be one of what may."""
    for server, row in rows.items():
        if server not in wire.scripts:
            _assert_home(wire, server, row, directory)
            continue
        assert row["state"] in ("collected", "failed") or may_wait, f"{server}: {row['waiting']}"
        if row["state"] == "collected":
            _assert_sound(served, server, (directory / row["archive"]["path"]).read_bytes())
        if row["state"] == "failed":
            told = row["error"]
            assert told["message"], f"{server}: no reason is given"
            assert len(told["message"]) <= 600, f"{server}: {told['message']}"
            assert told["hint"], f"{server}: no hint is given"
        assert_printable(json.dumps(row, ensure_ascii=False))
    return Counter(row["state"] for server, row in rows.items() if server in wire.scripts)


def _assert_home(wire: Wire, server: str, row: dict[str, Any], directory: Path) -> None:
    assert row["state"] == "collected", f"{server} is healthy: {row['error'] or row['waiting']}"
    content = (directory / row["archive"]["path"]).read_bytes()
    assert content == archive_of(server), f"{server}: that is not its archive"
    assert wire.posts(server) == 1, f"{server}: {wire.posts(server)} POSTs"
    took_s = wire.called(server, "download")[-1].at_s - wire.calls[0].at_s
    assert took_s < HOME_WITHIN_S, f"{server} is healthy, and was held up for {took_s:.1f} s"


def _assert_sound(served: Served, server: str, content: bytes) -> None:
    """What was stored was sent, or holds what the server's own archive holds; and it unpacks."""
    sent = b"".join(
        step for _, answer in served.answers[server] for step in answer if isinstance(step, bytes)
    )
    try:
        plain = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise AssertionError(f"{server}: what was stored does not unpack: {error}") from error
    assert (
        content in sent
        or content in served.whole.get(server, ())
        or plain == gzip.decompress(archive_of(server))
    ), f"{server}: {len(content)} bytes were stored, and never sent: {content!r}"


def play(
    number: int, *, by_command: bool = False, only: str | None = None, deadline_s: int = 25
) -> tuple[int, Counter[str]]:
    """Play one run; return how many answers were given, and what became of the bad servers.

    Raises:
        AssertionError: something is wrong; its notes hold what was answered.
    """
    served = Served(number, only)
    with tempfile.TemporaryDirectory() as home:
        try:
            if by_command:
                fates = played_by_command(served, Path(home), deadline_s)
            else:
                fates = anyio.run(played, served, Path(home))
                assert [path.name for path in Path(home).iterdir()] == ["collected"]
        except Exception as error:
            error.add_note(_account(served, str(error)))
            raise
    return served.count, fates


def _account(served: Served, message: str) -> str:
    """Tell what was answered by the servers that the message names."""
    lines = [f"found by --seed {served.number} --runs 1"]
    for server in (server for server in served.answers if server in message):
        lines += [f"  {server} {kind}: {_shown(answer)}" for kind, answer in served.answers[server]]
    return "\n".join(lines)


def _shown(answer: Answer) -> str:
    text = ", ".join(map(repr, answer))
    return text if len(text) <= 1500 else f"{text[:1500]}... ({len(text)} characters)"


def main() -> int:
    """Play until so many answers were given; return 1 for the first run that is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=sys.maxsize)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    parser.add_argument("--command-every", type=int, default=10, help="0: never")
    parser.add_argument("--only", metavar="SERVER")
    parser.add_argument("--keep-going", action="store_true", help="count the runs that are wrong")
    arguments = parser.parse_args()
    logging.getLogger("collector").setLevel(logging.CRITICAL)
    fates: Counter[str] = Counter()
    answers = runs = wrong = 0
    with hurried():
        while answers < arguments.answers and runs < arguments.runs:
            number = arguments.seed + runs
            by_command = (
                bool(arguments.command_every) and not (number + 1) % arguments.command_every
            )
            runs += 1
            faulthandler.dump_traceback_later(3 * ENDS_WITHIN_S, exit=True)
            try:
                given, ended = play(number, by_command=by_command, only=arguments.only)
            except Exception:  # noqa: BLE001  # whatever it is, it is what is looked for
                traceback.print_exc()
                wrong += 1
                if not arguments.keep_going:
                    return 1
                continue
            answers += given
            fates += ended
    faulthandler.cancel_dump_traceback_later()
    sys.stdout.write(f"{answers} answers in {runs} runs, {wrong} of them wrong: {dict(fates)}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
