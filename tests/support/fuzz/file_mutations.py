"""Mutated files of runs, of what they share, and inventories: each valid but for something."""

from __future__ import annotations

import copy
import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.support.fuzz.inventory_mutations import inventory_mutated
from tests.support.fuzz.odd_values import (
    Raw,
    credential,
    mutate,
    odd_value,
    place,
    shown,
    spoilt,
    written,
)
from tests.support.journals import NO_HASH, chained
from tests.support.stage import Huge, Thing

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.support.fuzz.odd_values import Around
    from tests.support.stage import Content, Tree

OUT: Final = "home/collected"
HALF: Final = f"{OUT}/half"
DONE: Final = f"{OUT}/done"
CLAIMS: Final = f"{OUT}/.collector/exports.jsonl"
STATE: Final = "home/state/collector"
LEARNED: Final = f"{STATE}/learned.json"

_AT: Final = "2026-11-29T12:36:01.718Z"
_TROUBLE: Final = {
    "stage": "export", "kind": "service_failed", "code": "iMetal.0001", "http_status": 500,
    "message": "No, says the service.", "request_id": "r-1",
}  # fmt: skip
_MORE: Final[tuple[dict[str, Any], ...]] = (
    {"event": "RunResumed", "collector_version": "0.1.0", "host": "h", "user": "u", "pid": 7,
     "argv": ["collector"]},
    {"event": "ExportNotStarted", "server": 1, "kind": "throttled"},
    {"event": "ExportReused", "server": 1, "export_id": "e-slow-1", "run": "done", "age_s": 3.5,
     "requested_at": _AT},
    {"event": "ArchiveLost", "server": 0, "message": "it is not there"},
    {"event": "AttemptFailed", "server": 1, **_TROUBLE, "attempt": 1, "doubtful": True,
     "anew": False, "polls": 1},
    {"event": "ServerFailed", "server": 1, **_TROUBLE, "attempts": 4, "hint": "Ask.", "polls": 0},
    {"event": "ServerRetried", "server": 1},
    {"event": "JournalRepaired", "old_sha256": NO_HASH, "lines_kept": 9, "message": "line 10",
     "kept_as": "journal.damaged-1.jsonl"},
    {"event": "LimitLearned", "scope": "project", "name": "p1", "limit": 20, "window_s": 60.0,
     "source": "told"},
    {"event": "ExportsLimitLearned", "scope": "project", "name": "p1", "limit": 5,
     "source": "estimated"},
    {"event": "HintDisbelieved", "scope": "project", "name": "p1", "message": "Retry-After: 1e9"},
    {"event": "WaitAsked", "scope": "endpoint", "name": "http://127.0.0.1:1", "until": _AT},
    {"event": "ClockOffsetSeen", "offset_s": 0.25},
    {"event": "ClockJumped", "jump_s": 40.0},
    {"event": "WordUnknown", "server": 1, "word": "queued"},
    {"event": "DownloadsPaused", "message": "No space left on device"},
    {"event": "DownloadsWentOn"},
    {"event": "EndpointWentDown", "endpoint": "http://127.0.0.1:1", "message": "refused"},
    {"event": "EndpointCameBack", "endpoint": "http://127.0.0.1:1"},
    {"event": "SignInPaused", "credential": "ops", "message": "503", "hint": "Wait.", "until": _AT},
    {"event": "SignInWentOn", "credential": "ops"},
    {"event": "CredentialStopped", "credential": "ops", "project": None, "servers": 2,
     "message": "refused", "hint": "Ask."},
    {"event": "PermissionDoubted", "project": 0, "call": "ask_status", "message": "403",
     "hint": None},
    {"event": "PermissionConfirmed", "project": 0, "call": "ask_status"},
    {"event": "PermissionMissing", "project": 0, "call": "fetch_archive", "servers": 2,
     "message": "403", "hint": "Ask."},
    {"event": "SurpriseSprung", "server": 1},
    {"event": "ExportCompleted", "server": 1, "polls": 2},
    {"event": "RunEnded", "reason": "stopped"},
)  # fmt: skip
"""Events that the journals of the stage do not hold, as others might."""


@dataclass(slots=True)
class Case:
    """Files with something mutated.

    Attributes:
        tree: all files.
        kind: of what is mutated.
        run: the run that it is of, or `half`.
        did: what was done, in words.
        strays: something in it may point elsewhere where it is trusted.
        is_aimed: it is made to lead whoever believes it astray.
        other: another kind of file that is mutated as well.
    """

    tree: Tree
    kind: str
    run: str
    did: list[str]
    strays: bool = False
    is_aimed: bool = False
    other: str = ""

    def bytes_of(self, name: str) -> bytes:
        content = self.tree[name]
        assert isinstance(content, bytes)
        return content


def mutated(kind: str, tree: Tree, rng: random.Random, around: Around) -> Case:
    """Mutate a file of a kind, most often once."""
    case = Case(dict(tree), kind, rng.choice(("half", "half", "done")), [])
    _KINDS[kind](case, rng, around)
    if kind in _TOGETHER and rng.random() < 0.1:
        case.other = rng.choice(
            [one for one in _TOGETHER if one.split()[-1] != kind.rsplit(maxsplit=1)[-1]]
        )
        case.did.append(f"and of {case.other}:")
        _KINDS[case.other](case, rng, around)
    return case


def _journal(case: Case, rng: random.Random, around: Around) -> None:
    name = f"{OUT}/{case.run}/journal.jsonl"
    lines: list[Any] = [json.loads(line) for line in case.bytes_of(name).splitlines()]
    for event in lines:
        del event["hash"]
    if rng.random() < 0.3:
        del lines[rng.randrange(8, len(lines)) :]
        case.did.append(f"killed after line {len(lines)}")
    case.is_aimed = rng.random() < 0.2
    for _ in range(rng.choice((1, 1, 1, 1, 2, 3, 5))):
        mutation = _aimed if case.is_aimed else _line_mutated
        case.did.append(mutation(lines, rng, around))
    content = chained(
        (line.text if isinstance(line, Raw) else written(line)).encode("utf-8", "surrogatepass")
        for line in lines
    )
    case.strays = True
    if rng.random() < 0.15:
        content, what = spoilt(rng, content)
        case.did.append(f"and afterwards {what}")
    case.tree[name] = content
    if rng.random() < 0.004:
        case.tree[name], what = _huge_line(content, rng)
        case.did.append(what)


def _line_mutated(lines: list[Any], rng: random.Random, around: Around) -> str:
    return rng.choice(_LINE_MUTATIONS)(lines, rng.randrange(len(lines)), rng, around)


def _gone(lines: list[Any], at: int, rng: random.Random, around: Around) -> str:
    del lines[at]
    lines[:] = lines or [{}]
    return f"line {at + 1} left out"


def _swapped(lines: list[Any], at: int, rng: random.Random, around: Around) -> str:
    other = rng.randrange(len(lines))
    lines[at], lines[other] = lines[other], lines[at]
    return f"lines {at + 1} and {other + 1} in each other's place"


def _again(lines: list[Any], at: int, rng: random.Random, around: Around) -> str:
    times = rng.choice((1, 1, 3, 200))
    lines[at:at] = [copy.deepcopy(lines[at]) for _ in range(times)]
    return f"line {at + 1} {times} times more"


def _another(lines: list[Any], at: int, rng: random.Random, around: Around) -> str:
    more = copy.deepcopy(rng.choice(_MORE))
    more = {"event": more.pop("event"), "at": _AT, **more}
    at = rng.choice((at, len(lines) - 1))
    lines.insert(at, more)
    told = f"{more['event']} as line {at + 1}"
    if rng.random() < 0.3:
        return told
    lines[at], what = mutate(rng, more, around)
    return f"{told}, {what}"


def _numbered(lines: list[Any], at: int, rng: random.Random, around: Around) -> str:
    """Let a line speak of another server or project."""
    line = lines[at]
    numbers = [key for key in ("server", "project") if isinstance(line, dict) and key in line]
    if not numbers:
        return _within(lines, at, rng, around)
    for key in numbers:
        line[key] = rng.choice((-1, -3, 0, 1, 2, 3, 7, 2**31, 2**63, 10**30, True))
    return f"line {at + 1} with {numbers} {[shown(line[key]) for key in numbers]}"


def _no_event(lines: list[Any], at: int, rng: random.Random, around: Around) -> str:
    text = rng.choice(("[]", "{}", "null", '"x"', "{", "", "}{", "[" * 100_000, "nul"))
    lines[at] = Raw(text)
    return f"line {at + 1} is {text[:9]!r}"


def _within(lines: list[Any], at: int, rng: random.Random, around: Around) -> str:
    line = lines[at]
    if not isinstance(line, dict):
        return f"line {at + 1} as it is"
    name = shown(line.get("event"))
    lines[at], what = mutate(rng, line, around)
    return f"line {at + 1} ({name}) {what}"


_LINE_MUTATIONS: Final = (
    _gone, _swapped, _again, *(_another,) * 3, _numbered, _no_event, *(_within,) * 8,
)  # fmt: skip


def _aimed(lines: list[Any], rng: random.Random, around: Around) -> str:
    """Let a line that says where something lies, or who is called with what, say something else."""
    choices = [
        (at, key)
        for at, line in enumerate(lines)
        for key in line
        if key in _LEADING.get(line["event"], ())
    ]
    at, key = rng.choice(choices)
    event = lines[at]["event"]
    if key == "options":
        value: Any = credential(rng, around)
    elif key == "endpoint":
        value = rng.choice((around.thief, f"{around.thief}/", "http://127.0.0.1:1", "file:///x"))
    elif key in ("path", "directory", "file_name", "kept_as", "run_id"):
        value = place(rng, around)
    else:
        value = odd_value(rng, around).value
    lines[at][key] = value
    return f"line {at + 1} ({event}) with {key} {shown(value)}"


_LEADING: Final = {
    "RunStarted": ("run_id",),
    "CredentialNamed": ("options", "kind", "name"),
    "ProjectSelected": ("endpoint", "directory", "credential"),
    "ServerSelected": ("directory", "project"),
    "DownloadBegun": ("file_name",),
    "ArchiveStored": ("path", "file_name"),
    "ExportStarted": ("export_id",),
}


def _huge_line(content: bytes, rng: random.Random) -> tuple[Content, str]:
    at = content.rfind(b"\n", 0, rng.randrange(1, len(content))) + 1
    sign = rng.choice((b"x", b"[", b" ", b"\0"))
    first = content[:at] + b'{"event":"'
    return Huge(first, 300_000_000, b'"}\n', sign * 65_536), f"a line of 300 MB of {sign!r}"


def _torn(case: Case, rng: random.Random, around: Around) -> None:
    name = f"{OUT}/{case.run}/journal.jsonl"
    case.strays = True
    case.tree[name], what = spoilt(rng, case.bytes_of(name))
    case.did.append(what)


def _claims(case: Case, rng: random.Random, around: Around) -> None:
    lines = case.bytes_of(CLAIMS).splitlines()
    records: list[Any] = [json.loads(line) for line in lines]
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(records))
        if rng.random() < 0.1:
            records[at:at] = [Raw(rng.choice(("", "[", "null", '{"at":"' + "9" * 30, "\0" * 50)))]
            case.did.append(f"a line before {at + 1} that is none")
        elif isinstance(records[at], dict):
            what = ""
            if rng.random() < 0.3:
                records[at]["run"] = odd_value(rng, around).value
                what = f"of the run {shown(records[at]['run'])}, "
            records[at], more = mutate(rng, records[at], around)
            case.did.append(f"line {at + 1} {what}{more}")
    content = b"".join(
        (one.text if isinstance(one, Raw) else written(one)).encode("utf-8", "surrogatepass")
        + b"\n"
        for one in records
    )
    if rng.random() < 0.15:
        content, what = spoilt(rng, content)
        case.did.append(what)
    if rng.random() < 0.02:
        case.tree[CLAIMS] = Huge(content + b'{"at":"2', 100_000_000, b'"}\n', b"0" * 65_536)
        case.did.append("a line of 100 MB")
        return
    case.tree[CLAIMS] = content


def _document(case: Case, name: str, rng: random.Random, around: Around) -> None:
    """Mutate a JSON document."""
    content = case.bytes_of(name)
    if rng.random() < 0.2:
        case.tree[name], what = spoilt(rng, content)
        case.did.append(what)
        return
    tree = json.loads(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if not isinstance(tree, dict):
            break
        tree, what = mutate(rng, tree, around)
        case.did.append(what)
    case.tree[name] = written(tree).encode("utf-8", "surrogatepass")


def _manifest(case: Case, rng: random.Random, around: Around) -> None:
    _document(case, f"{OUT}/{case.run}/manifest.json", rng, around)


def _learned(case: Case, rng: random.Random, around: Around) -> None:
    others = [name for name in case.tree if name.startswith(STATE) and name != LEARNED]
    if others and rng.random() < 0.1:
        name = rng.choice(others)
        case.tree[name], what = spoilt(rng, case.bytes_of(name))
        case.did.append(f"{name}: {what}")
        return
    _document(case, LEARNED, rng, around)


def _sums(case: Case, rng: random.Random, around: Around) -> None:
    name = f"{OUT}/{case.run}/SHA256SUMS"
    lines = case.bytes_of(name).decode().splitlines()
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(len(lines))
        digest, _, path = lines[at].partition("  ")
        chosen = odd_value(rng, around).value
        text = chosen if isinstance(chosen, str) else written(chosen)[:100_000]
        lines[at] = rng.choice((f"{digest}  {text}", f"{text}  {path}", f"{text}", lines[at] * 2))
        case.did.append(f"line {at + 1}: {shown(lines[at])}")
        lines[at:at] = [lines[at]] * rng.choice((0, 0, 1, 300 if len(lines[at]) < 1000 else 2))
    case.tree[name] = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")
    if rng.random() < 0.2:
        case.tree[name], what = spoilt(rng, case.bytes_of(name))
        case.did.append(what)


def _members(case: Case, rng: random.Random, around: Around) -> None:
    name = f"{OUT}/{case.run}/members.jsonl.gz"
    packed = case.bytes_of(name)
    if rng.random() < 0.3:
        case.tree[name], what = spoilt(rng, packed)
        case.did.append(what)
        return
    if rng.random() < 0.05:
        bomb = gzip.compress(rng.choice((b"\0", b"\n", b"a")) * 10_000_000, 6, mtime=0)
        case.tree[name] = packed + bomb * 30
        case.did.append("with 300 MB, packed")
        return
    lines = gzip.decompress(packed).splitlines()
    records: list[Any] = [json.loads(line) for line in lines]
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(len(records))
        if isinstance(records[at], dict):
            records[at], what = mutate(rng, records[at], around)
            case.did.append(f"line {at + 1} {what}")
    texts = [written(one).encode("utf-8", "surrogatepass") for one in records]
    content = b"".join(text + b"\n" for text in texts)
    if rng.random() < 0.15:
        content, what = spoilt(rng, content)
        case.did.append(what)
    case.tree[name] = gzip.compress(content, mtime=0)


def _thing(case: Case, rng: random.Random, around: Around) -> None:
    """Put something that is no file in a file's place."""
    name = rng.choice([
        one for one in case.tree if one.startswith((OUT, STATE)) or one == "home/fleet.json"
    ])  # fmt: skip
    content = case.tree[name]
    assert isinstance(content, bytes | Thing)
    match rng.randrange(9):
        case 0 | 1:
            case.tree[name] = Thing("fifo")
        case 2:
            case.tree[name] = Thing("directory")
        case 3:
            case.tree[name] = Thing("socket")
        case 4:
            case.tree["etc/same"] = content
            case.tree[name] = Thing("link", f"{around.root}/etc/same")
        case 5 if isinstance(content, bytes):
            case.tree["etc/same"] = content
            case.tree[name] = Thing("hard", "etc/same")
        case 6:
            case.tree[name] = Huge(b"" if isinstance(content, Thing) else content, 20 << 30)
        case 7:
            case.tree["etc/fifo"] = Thing("fifo")
            case.tree[name] = Thing("link", f"{around.root}/etc/fifo")
        case _:
            target = rng.choice(("/dev/zero", "/dev/null", "nowhere/at/all", "etc", name, "secret"))
            outside = target if target.startswith("/") else f"{around.root}/{target}"
            case.tree[name] = Thing("link", outside)
    case.run = "done" if name.startswith(DONE) else "half"
    case.did.append(f"{name} is {case.tree[name]!r}"[:200])


def _inventory(case: Case, rng: random.Random, around: Around) -> None:
    suffix = rng.choice(("json", "yaml", "toml", "csv"))
    content, did = inventory_mutated(suffix, case.bytes_of("home/fleet.json"), rng, around)
    case.tree[f"home/odd.{suffix}"] = content
    case.run = f"odd.{suffix}"
    case.did += did


_KINDS: Final[dict[str, Callable[[Case, random.Random, Around], None]]] = {
    "journal": _journal,
    "torn journal": _torn,
    "claims": _claims,
    "manifest": _manifest,
    "sums": _sums,
    "members": _members,
    "learned": _learned,
    "thing": _thing,
    "inventory": _inventory,
}
_TOGETHER: Final = (
    "journal", "torn journal", "claims", "manifest", "sums", "members", "learned",
)  # fmt: skip
"""Kinds of which two may be mutated in one case, unless both are the journal."""
