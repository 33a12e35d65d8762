"""Which command is given a mutated file, and what may come of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.support.fuzz.file_mutations import OUT, STATE
from tests.support.fuzz.inventory_mutations import points_elsewhere

if TYPE_CHECKING:
    import random

    from tests.support.fuzz.file_mutations import Case
    from tests.support.stage import Tree

_LIVE: Final = 0.1
"""Of the cases of a run's records, so many are collected: it takes longer than to look at them."""
_SHARED: Final = (f"{OUT}/latest", f"{OUT}/.collector", STATE)


@dataclass(frozen=True, slots=True)
class Order:
    """A command, and what may come of it.

    Attributes:
        codes: exit codes that are right.
        spared: paths that it may change, and what lies below them.
        calls: it may call the service.
        trusts: it was told to trust what is mutated.
    """

    arguments: tuple[str, ...]
    codes: frozenset[int]
    spared: tuple[str, ...] = ()
    calls: bool = False
    trusts: bool = False

    @property
    def resumes(self) -> bool:
        """Whether it goes on with a run."""
        return "--resume" in self.arguments

    @property
    def verbose(self) -> bool:
        """Whether it says more than usual."""
        return bool({"-v", "-vv"} & set(self.arguments))


class Orders:
    """What is chosen from.

    Args:
        service: the address that inventories may name.
        whole: all files, before anything is mutated.
        trust: there is an option to trust journals.
    """

    def __init__(self, service: str, whole: Tree, *, trust: bool) -> None:
        self._service = service
        self._whole = whole
        self._trust = trust

    def choose(self, case: Case, rng: random.Random) -> Order:
        """Choose what to do with a case."""
        said = rng.choice(((), (), (), ("-v",), ("-vv",), ("--log-format", "json"), ("-q",)))
        if case.kind == "inventory":
            return self._of_inventory(case, rng, said)
        live = rng.random() < (_LIVE if "journal" in case.kind or case.kind == "sums" else 0.3)
        if case.kind == "claims":
            live = True
        if case.is_aimed:
            live = rng.random() < 0.5
        if live:
            return self.resume(case, rng, said) if rng.random() < 0.6 else self._new(case, said)
        if case.kind == "learned":
            as_json = rng.choice(((), ("--json",)))
            return Order(("plan", "fleet.json", *as_json, *said), frozenset((0, 2)))
        return self._of_run(case, rng, said)

    def _of_inventory(self, case: Case, rng: random.Random, said: tuple[str, ...]) -> Order:
        name = case.run
        content = case.tree[f"home/{name}"]
        as_json = rng.choice(((), ("--json",)))
        quiet = isinstance(content, bytes) and not points_elsewhere(content, self._service)
        if quiet and rng.random() < 0.3:
            run, how = rng.choice((("new", "--run-id"), ("half", "--resume")))
            return Order(
                ("collect", name, how, run, "--deadline", "1s", *said),
                frozenset((0, 2, 3, 4, 5)),
                (f"{OUT}/{run}", *_SHARED),
                calls=True,
                trusts=True,
            )
        command = rng.choice((
            ("inventory", "check", name), ("inventory", "show", name), ("plan", name),
            ("collect", name, "--dry-run"),
        ))  # fmt: skip
        return Order((*command, *as_json, *said), frozenset((0, 2)))

    def _of_run(self, case: Case, rng: random.Random, said: tuple[str, ...]) -> Order:
        """Look at a run; a change of its records that can be told is a mismatch."""
        run = f"collected/{case.run}"
        as_json = rng.choice(((), ("--json",)))
        looks = frozenset((0, 2))
        verify = rng.random() < 0.45 or case.kind in ("sums", "members")
        if verify:
            codes = frozenset((2, 6)) if self._is_told(case) else frozenset((0, 2, 6))
            return Order(("verify", run, *as_json, *said), codes)
        if rng.random() < (0.8 if case.kind == "manifest" else 0.3):
            return Order(("runs", "collected", *as_json, *said), looks)
        return Order(("status", run, *as_json, *said), looks)

    def _is_told(self, case: Case) -> bool:
        """Whether no run has such records: the manifest names the journal's last hash."""
        name = {
            "journal": "journal.jsonl", "torn journal": "journal.jsonl",
            "manifest": "manifest.json",
        }.get(case.kind)  # fmt: skip
        if name is None or case.other:
            return False
        now, before = (tree[f"{OUT}/{case.run}/{name}"] for tree in (case.tree, self._whole))
        if not isinstance(now, bytes) or not isinstance(before, bytes):
            return False
        if case.kind == "manifest":
            try:
                # Earlier versions wrote less: what is missing is as good as null.
                return bool(_told(json.loads(now)) != _told(json.loads(before)))
            except (ValueError, RecursionError):
                return True
        return not now.startswith(before)

    def _new(self, case: Case, said: tuple[str, ...]) -> Order:
        """A new collect beside what is mutated: it is whole, whatever lies there."""
        codes = {"learned": (0, 3, 4), "thing": (0, 2)}.get(case.kind, (0,))
        return Order(
            ("collect", "fleet.json", "--run-id", "new", "--deadline", "8s", *said),
            frozenset(codes),
            (f"{OUT}/new", *_SHARED),
            calls=True,
        )

    def resume(self, case: Case, rng: random.Random, said: tuple[str, ...]) -> Order:
        """Resume the run, with its inventory, with its journal trusted, or with neither."""
        more: list[str] = []
        trusts = self._trust and rng.random() < 0.4
        if trusts:
            more.append("--trust-journal")
        elif rng.random() < 0.6:
            more.append("fleet.json")
        if rng.random() < 0.3:
            more.append("--retry-failed")
        return Order(
            ("collect", "--resume", case.run, *more, "--deadline", "1s", "--grace", "0", *said),
            frozenset((0, 2, 3, 4, 5)),
            (f"{OUT}/{case.run}", *_SHARED),
            calls=True,
            trusts=trusts,
        )


def _told(tree: object) -> object:
    """Leave out what is null."""
    if isinstance(tree, dict):
        return {key: _told(value) for key, value in tree.items() if value is not None}
    return [_told(one) for one in tree] if isinstance(tree, list) else tree
