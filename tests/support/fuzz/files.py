"""Looks for files around a run that end a command in a bug, hold it up, or lead it astray.

    python -m tests.support.fuzz.files --mutations 20000

Journals, claims, manifests, checksums, lists of members, what earlier runs have learned, and
inventories are mutated from valid ones (`file_mutations.py`) and given to the commands that read
them: most in a copy of this process (`forked.py`), some to the installed command. What must hold is
in `Fuzz._judge`. A case that is wrong is printed with its number and with what was mutated:
`--seed NUMBER --mutations 1` plays it again.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support import forked
from tests.support.fuzz.file_mutations import CLAIMS, DONE, HALF, LEARNED, OUT, Case, mutated
from tests.support.fuzz.odd_values import Around, written
from tests.support.fuzz.orders import Order, Orders
from tests.support.fuzz.service import Service, Thief
from tests.support.patience import HURRIED
from tests.support.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.forked import Ended
    from tests.support.stage import Tree

LIMIT_S: Final = 12
"""A command that has not ended by then does not end."""
PEAK_MIB: Final = 300
INSTALLED_EVERY: Final = 50
SECRETS: Final = (b"0ther-s3cret-in-a-variable", b"another-s3cret-in-a-file")
"""What nobody but a mutated file asks for."""
_SHARES: Final = {
    "journal": 42, "torn journal": 5, "inventory": 22, "manifest": 8, "learned": 7, "thing": 6,
    "claims": 4, "members": 4, "sums": 2,
}  # fmt: skip
"""Of a hundred cases, so many are of a kind."""
_LINES_MAX: Final = 12
_PRINTED_MAX: Final = 20_000


class Fuzz:
    """All that cases share: files that are whole, the service, and who must not be called.

    Args:
        home: an empty directory.
    """

    def __init__(self, home: Path, service: Service, thief: Thief) -> None:
        self._service = service
        self._thief = thief
        self._printed = home / "printed"
        self._printed.mkdir()
        self._stage = Stage(home / "stage")
        self._home = home / "stage" / "home"
        self._around = Around(str(home / "stage"), service.url, thief.url)
        self._environment = {
            "CLOUDDC_TOKEN": service.token,
            "OTHER": SECRETS[0].decode(),
            "XDG_STATE_HOME": str(self._home / "state"),
            "HOME": str(self._home),
            "TMPDIR": str(self._home),
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.largest: tuple[float, int] = 0.0, 0
        self.slowest: tuple[float, int] = 0.0, 0
        self._number = 0
        self.codes: Counter[str] = Counter()
        self._tree: Tree = self._made()
        self._orders = Orders(service.url, self._tree, trust=_has_option("--trust-journal"))
        self._try_whole()

    def play(self, number: int, *, installed: bool = False, kind: str | None = None) -> None:
        """Play one case.

        Raises:
            AssertionError: something is wrong; its notes say what was mutated.
        """
        self._number = number
        rng = random.Random(number)  # noqa: S311  # to be played again
        kinds, shares = zip(*_SHARES.items(), strict=True)
        chosen = rng.choices(kinds, shares)[0]
        try:
            case = mutated(kind or chosen, self._dated(), rng, self._around)
        except Exception as error:
            error.add_note(f"a fault of the fuzzer itself, by --seed {number} --mutations 1")
            raise
        self._stage.set(case.tree)
        ended = None
        try:
            order = self._orders.choose(case, rng)
            ended = self._run(order, installed=installed)
            self._judge(case, order, ended)
            if order.resumes and ended.code != 2:
                run = "half" if case.kind == "inventory" else case.run
                order = Order(("verify", f"collected/{run}"), frozenset((0, 2, 6)))
                self._stage.note()
                ended = self._run(order, installed=False)
                self._judge(case, order, ended)
        except AssertionError as error:
            error.add_note(f"found by --seed {number} --mutations 1")
            error.add_note(f"  {case.kind} of {case.run}: " + "; ".join(case.did)[:1500])
            if ended is not None:
                error.add_note(_account(ended))
            raise

    def _run(self, order: Order, *, installed: bool) -> Ended:
        ended = forked.run(
            order.arguments,
            self._home,
            self._environment,
            limit_s=LIMIT_S,
            printed=self._printed,
            patches=HURRIED if order.calls else None,
            installed=installed,
        )
        self.largest = max(self.largest, (ended.peak_mib, self._number))
        self.slowest = max(self.slowest, (ended.took_s, self._number))
        self.codes[f"{order.arguments[0]} {ended.code}"] += 1
        return ended

    def _judge(self, case: Case, order: Order, ended: Ended) -> None:
        """All that must hold, whatever was mutated."""
        asked, taken = self._service.asked(), self._thief.taken()
        assert b"Timeout (" not in ended.err, "it does not end"
        assert ended.code != -14, "it does not end, and does not say where"
        assert b"Traceback" not in ended.err, "a bug"
        assert ended.code in order.codes, f"exit code {ended.code}"
        assert ended.peak_mib < PEAK_MIB, f"{ended.peak_mib:.0f} MiB"
        changed = self._stage.changed(*order.spared)
        assert not changed, f"outside: {changed[:4]}"
        if not (order.trusts and case.strays):
            assert not taken, f"the thief was called: {taken[0][:300]!r}"
        self.codes["thief called, as allowed"] += bool(taken)
        if not order.calls:
            assert not asked, f"the service was called: {asked[:300]!r}"
        for secret in SECRETS:
            assert secret not in ended.out + ended.err, "a secret is printed"
            assert secret not in asked or order.trusts, "a secret was sent"
        held = self._stage.holding(*SECRETS)
        assert not held, f"a secret is in {held}"
        _judge_text(ended)
        if not order.verbose and case.kind != "inventory":
            lines, size = ended.err.count(b"\n"), len(ended.err)
            assert lines <= _LINES_MAX, f"{lines} lines on stderr"
            assert size <= _PRINTED_MAX, f"{size} bytes on stderr"

    def _try_whole(self) -> None:
        """Without a mutation all is well: nothing else would be worth looking at."""
        case = Case(self._dated(), "whole", "half", [])
        self._stage.set(case.tree)
        resumed = self._orders.resume(case, random.Random(0), ("-q",))  # noqa: S311  # as above
        for arguments in (resumed.arguments[:3], ("verify", "collected/half")):
            order = Order(arguments, frozenset((0,)), resumed.spared, calls="collect" in arguments)
            self._judge(case, order, self._run(order, installed=False))
        self.codes.clear()

    def _dated(self) -> Tree:
        """All files, with claims of now, as far as they would be of use."""
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.000Z".encode()
        claims = self._tree[CLAIMS]
        assert isinstance(claims, bytes)
        return self._tree | {CLAIMS: re.sub(rb"20\d\d-[^\"]*Z", now, claims)}

    def _made(self) -> Tree:
        """Collect a run that ends well and one that is left half-way; return all that is there."""
        self._stage.set({
            "home/fleet.json": written(self._service.inventory(), 1).encode(),
            "home/notes.part": b"mine", "home/precious": b"mine", "precious.part": b"mine",
            "precious": b"mine", "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n",
            "secret": SECRETS[1] + b"\n", f"{OUT}/precious.part": b"mine",
            "home/precious.part": b"mine",
            f"{OUT}/sibling/precious": b"mine", f"{OUT}/sibling/precious.part": b"mine",
        })  # fmt: skip
        done = ("collect", "fleet.json", "--run-id", "done", "--deadline", "9s")
        half = ("collect", "fleet.json", "--run-id", "half", "--deadline", "1s", "--grace", "0")
        assert self._run(Order(done, frozenset(), calls=True), installed=False).code == 0
        with self._service.held_up():
            ended = self._run(
                Order((*half, "--reuse-exports", "0"), frozenset(), calls=True), installed=False
            )
        assert ended.code == 3, ended.err
        tree = self._stage.content()
        assert f"{HALF}/name of p2/bms-tall/tall.tar.gz.part" in tree
        tree[LEARNED] = written(_LEARNED(self._service.url), 1).encode()
        for name in (f"{DONE}/manifest.json", f"{HALF}/manifest.json", LEARNED, CLAIMS):
            assert name in tree
        self.codes.clear()
        self._service.asked()
        return tree


def _LEARNED(url: str) -> dict[str, object]:  # noqa: N802
    at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.000Z"
    return {
        "version": 1,
        "limits": [
            {"scope": "endpoint", "name": url, "limit": 500, "window_s": 1.0, "source": "told",
             "at": at},
            {"scope": "project", "name": f"{url} p1", "limit": 99.5, "window_s": 60.0,
             "source": "estimated", "at": at},
        ],
        "exports_limits": [
            {"scope": "project", "name": f"{url} p1", "limit": 40, "source": "estimated", "at": at},
        ],
        "durations": [
            {"endpoint": url, "project_id": one, "exports": 3, "median_s": 0.3, "spread": 1.0,
             "at": at}
            for one in ("p1", "p2")
        ],
    }  # fmt: skip


def _judge_text(ended: Ended) -> None:
    for name, raw in (("stdout", ended.out), ("stderr", ended.err)):
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            raise AssertionError(f"{name} is no UTF-8") from None
        odd = [line for line in text.split("\n") if not line.isprintable()]
        assert not odd, f"{name} holds {ascii(odd[0])[:200]}"


def _account(ended: Ended) -> str:
    """Tell what was run, and the end of what it said; of a trace our own places."""
    command = " ".join(ended.arguments)
    told = ended.err.decode("utf-8", "backslashreplace").rstrip("\n").split("\n")
    ours = [line.strip()[-120:] for line in told if "/collector/" in line and "File" in line]
    last = [line[:400] for line in told[-4:]]
    began = f"  collector {command}: {ended.code}, {ended.took_s:.1f} s, {ended.peak_mib:.0f} MiB"
    return "\n    ".join([began, *ours[-8:], *last])


def _has_option(name: str) -> bool:
    from collector.cli.commands.collect import command  # noqa: PLC0415  # imported by then

    return any(name in one.opts for one in command.params)


@contextlib.contextmanager
def fuzzing() -> Iterator[Fuzz]:
    """Prepare all that cases share."""
    memory = Path("/dev/shm")  # noqa: S108  # syncs cost nothing there
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as made,
        Thief() as thief,
    ):
        home = Path(made).resolve()
        (home / "service").mkdir()
        forked.prepare()
        with Service(home / "service") as service:
            yield Fuzz(home, service, thief)


def _signature(error: AssertionError) -> str:
    """What tells one kind of wrong from another."""
    notes = "\n".join(getattr(error, "__notes__", ()))
    frames = re.findall(r'File "[^"]*/(collector/[^"]*)", line (\d+)[ ,]+in (\w+)', notes)
    at = 0 if str(error) == "it does not end" else -1  # faulthandler names the innermost first
    raised = re.findall(
        r"^[\s|]*([A-Za-z_.]+(?:Error|Exception)\b[^\n]{0,60})", notes, re.MULTILINE
    )
    where = ":".join(frames[at]) if frames else "-"
    what = f"{str(error)[:90]} | {where} | {raised[-1] if raised else '-'}"
    return re.sub(r"(?<!:)\d+", "N", what)


def main() -> int:
    """Play so many cases; return 1 where one is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    parser.add_argument("--installed-every", type=int, default=INSTALLED_EVERY, help="0: never")
    parser.add_argument("--kind", choices=tuple(_SHARES))
    parser.add_argument("--keep-going", action="store_true", help="gather the kinds of wrong")
    arguments = parser.parse_args()
    began_s = time.monotonic()
    wrong: dict[str, list[str]] = {}
    played = 0
    with fuzzing() as fuzz:
        for number in range(arguments.seed, arguments.seed + arguments.mutations):
            played += 1
            every = arguments.installed_every
            installed = bool(every) and number % every == 0
            try:
                fuzz.play(number, installed=installed, kind=arguments.kind)
            except AssertionError as error:
                told = "\n".join([str(error), *getattr(error, "__notes__", ())])
                wrong.setdefault(_signature(error), []).append(told)
                if not arguments.keep_going:
                    break
    for signature, cases in sorted(wrong.items(), key=lambda one: -len(one[1])):
        seeds = re.findall(r"--seed (\d+)", "\n".join(cases))
        sys.stdout.write(f"\n=== {len(cases)} times: {signature}\n{min(cases, key=len)}\n")
        sys.stdout.write(f"seeds: {' '.join(seeds[:12])}\n")
    count = sum(map(len, wrong.values()))
    sys.stdout.write(
        f"\n{played} mutations in {time.monotonic() - began_s:.0f} s, {count} wrong; "
        f"at most {fuzz.largest[0]:.0f} MiB (seed {fuzz.largest[1]}) and {fuzz.slowest[0]:.1f} s "
        f"(seed {fuzz.slowest[1]}); {dict(fuzz.codes)}\n"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
