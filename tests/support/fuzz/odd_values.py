"""Odd values, where they are put in a JSON document, and how it is written with them."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

Json = Any


@dataclass(frozen=True, slots=True)
class Around:
    """What values may point at.

    Attributes:
        root: a directory around all that a command may touch.
        service: the service that the inventory names.
        thief: an address that nothing names but what is mutated.
    """

    root: str
    service: str
    thief: str


@dataclass(frozen=True, slots=True)
class Raw:
    """Text that stands in a document as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class OddValue:
    """A value, and what to call it."""

    value: Json
    name: str


_TEXTS: Final = (
    "", " ", ".", "..", "../../x", "../done", "/", "a/b", "a//b", "-", "--help", "latest", "done",
    ".collector", "CON", "x.part", "journal.jsonl", "manifest.json", "\x00", "a\x00b", "\x1b[2J",
    "\x1b]0;owned\x07", "\r\n", "\t", "\x7f", "\x9b31m", "\u202e", "\ud800", "\udcff", "\ue000",
    "[/prod]", "[red]x[/red]", "[link=http://x]", "{0}", "%s", "${HOME}", "~", "*", "?", "\\",
    "服务器", "e\u0301", "ﬀ", "\U0001f600", "true", "null", "NaN", "1e999", "9" * 5000, "0",
    "9999-12-31T23:59:59.999Z", "0000-01-01T00:00:00.000Z", "0001-01-01T00:00:00.000Z",
    "2026-01-01T00:00:00", "2026-01-01", "2026-13-45T99:99:99Z", "2026-01-01T00:00:00+99:99",
    "9999-12-31T23:59:59.999-23:59", "0001-01-01T00:00:00+23:59", "20260101T000000Z", "now", "Z",
    "1970-01-01T00:00:00.000Z", "2300-01-01T00:00:00Z", "token", "password", "aksk", "sdk",
    "command", "told", "estimated", "remembered", "refuted", "finished", "deadline", "running",
    "requested", "started", "fetched", "account", "project", "endpoint", "address", "ops", "p1",
    "p2", "quick", "slow", "tall", "0" * 64, "f" * 64, "OTHER", "CLOUDDC_TOKEN", "HOME", "=",
    "name of p1/bms-quick", "name of p1/bms-quick/quick.tar.gz", "name of p2/bms-tall/tall.tar.gz",
)  # fmt: skip
_NUMBERS: Final = (
    0, -1, 1, 2, 3, 7, 100, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63), 10**19,
    10**4000, 0.0, -0.0, 0.5, 1.5, 1e-300, 5e-324, 1e15, 1e308, -1e308, float("nan"), float("inf"),
    float("-inf"), 253402300800, 1e12, True, False, None,
)  # fmt: skip
_ADDRESSES: Final = (
    "{thief}", "{thief}/", "{thief}/v1", "{service}", "{service}/", "http://127.0.0.1:1",
    "http://127.0.0.1:0", "http://127.0.0.1:99999", "http://127.0.0.1:-1", "http://[::1",
    "http://[::1]:1", "file:///etc/passwd", "ftp://127.0.0.1", "http://", "http:///x", "//",
    "http://user:pw@127.0.0.1:1", "http://127.0.0.1:1\r\nX: y", "http://127.0.0.1:1/\x00", "http:",
    "HTTP://127.0.0.1:1", "https://127.0.0.1:1", "http://127.0.0.1:1/?a#b", "javascript:1",
    "http://xn--a:1", "http://%00", "http://" + "a" * 70, "http://127.0.0.1:٣",
)  # fmt: skip
_PLACES: Final = (
    "{root}/etc/passwd", "{root}/etc", "{root}", "{root}/secret", "../precious", "../../precious",
    "../../../precious", "../notes", "../sibling/precious", "../done/name of p1/bms-quick",
    "../done", "../latest", "../.collector/exports.jsonl", "precious.part", "../precious.part",
    "../../notes.part", "notes", "{root}/home/notes", "{root}/precious",
)  # fmt: skip
_KEYS: Final = (
    "event", "hash", "at", "server", "project", "id", "name", "token", "token_env", "token_file",
    "password_env", "password_file", "ak_env", "sk_env", "kind", "account", "credentials", "x",
    "", "\x00", "\x1b[2J", "\ud800", "__class__", "__proto__", "limits", "share", "version", "tags",
    "servers", "directory", "a" * 5000, "ключ", "self", "path", "archive", "run",
)  # fmt: skip
_COUNTED_MAX: Final = 1e18
_DEEP: Final = (60, 900, 3_000, 200_000)
_SMALL: Final[tuple[Json, ...]] = (
    [], {}, [[]], [None], {"a": 1}, {"": ""}, [1, "a"], ["", "\x00"],
)  # fmt: skip


def odd_value(rng: random.Random, around: Around) -> OddValue:
    """Choose one, with its name."""
    return rng.choice(_MAKERS)(rng, around)


def _number(rng: random.Random, around: Around) -> OddValue:
    value = rng.choice(_NUMBERS)
    return OddValue(value, shown(value))


def _text(rng: random.Random, around: Around) -> OddValue:
    text = rng.choice(_TEXTS)
    return OddValue(text, shown(text))


def _long(rng: random.Random, around: Around) -> OddValue:
    sign = rng.choice(("x", "\x1b", "é", "../", "/", '"', "\\", "a\n"))
    times = rng.choice((300, 5_000, 100_000))
    return OddValue(sign * times, f"{sign!r} * {times}")


def _place(rng: random.Random, around: Around) -> OddValue:
    return _told(rng.choice(_PLACES), around)


def _address(rng: random.Random, around: Around) -> OddValue:
    return _told(rng.choice(_ADDRESSES), around)


def _other_credential(rng: random.Random, around: Around) -> OddValue:
    return OddValue(credential(rng, around), "other credentials")


def _small(rng: random.Random, around: Around) -> OddValue:
    value = rng.choice(_SMALL)
    return OddValue(copy.deepcopy(value), shown(value))


def _told(template: str, around: Around) -> OddValue:
    text = template.replace("{root}", around.root).replace("{thief}", around.thief)
    return OddValue(text.replace("{service}", around.service), shown(template))


def _nested(rng: random.Random, around: Around) -> OddValue:
    depth = rng.choice(_DEEP)
    if rng.random() < 0.5:
        return OddValue(Raw("[" * depth + "]" * depth), f"lists {depth} deep")
    return OddValue(Raw('{"a":' * depth + "0" + "}" * depth), f"mappings {depth} deep")


def _crowd(rng: random.Random, around: Around) -> OddValue:
    times = rng.choice((100, 5_000, 100_000))
    if rng.random() < 0.5:
        return OddValue(["x"] * times, f"a list of {times}")
    return OddValue({f"k{at}": "v" for at in range(times)}, f"a mapping of {times}")


def place(rng: random.Random, around: Around) -> str:
    """Choose a path that leads out of a run."""
    return rng.choice(_PLACES).replace("{root}", around.root)


def credential(rng: random.Random, around: Around) -> dict[str, str]:
    """Choose where a secret is found that the inventory does not name."""
    return rng.choice((
        {"token_env": "OTHER"}, {"token_file": f"{around.root}/secret"},
        {"token_env": "OTHER", "token_file": f"{around.root}/secret"},
        {"password_env": "OTHER", "iam_endpoint": around.thief, "domain": "acme", "user": "ops"},
        {"token_file": "../../secret"}, {"token_file": "/dev/zero"}, {"command": "touch owned"},
    ))  # fmt: skip


_MAKERS: Final[tuple[Callable[[random.Random, Around], OddValue], ...]] = (
    *(_number,) * 5, *(_text,) * 6, _place, _place, _address, _address, _nested, _long, _crowd,
    _other_credential, _small,
)  # fmt: skip


def shown(value: object) -> str:
    """A value in a few characters."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**30:
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, Raw):
        return f"raw {value.text[:40]!r}"
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def mutate(rng: random.Random, tree: Json, around: Around) -> tuple[Json, str]:
    """Return the tree with one thing changed, and what that is. The tree itself is used up."""
    places = list(_places(tree))
    if not places or rng.random() < 0.01:
        chosen = odd_value(rng, around)
        return chosen.value, f"all of it is {chosen.name}"
    holder, key, path = rng.choice(places)
    what = _change(rng, holder, key, around)
    return tree, f"{path}: {what}"


def _change(rng: random.Random, holder: Json, key: Json, around: Around) -> str:
    """Change a value as its type lets us."""
    old = holder[key]
    changes = [_left_out, _replaced, _replaced, _replaced, _replaced]
    if isinstance(holder, dict):
        changes += [_renamed, _joined, _doubled]
    else:
        changes.append(_repeated)
    if isinstance(old, str):
        changes += [_lengthened, _lengthened]
    if isinstance(old, int | float) and not isinstance(old, bool) and abs(old) < _COUNTED_MAX:
        changes += [_counted, _counted]
    return rng.choice(changes)(rng, holder, key, around)


def _left_out(rng: random.Random, holder: Json, key: Json, around: Around) -> str:
    del holder[key]
    return "left out"


def _replaced(rng: random.Random, holder: Json, key: Json, around: Around) -> str:
    chosen = odd_value(rng, around)
    holder[key] = chosen.value
    return f"is {chosen.name}"


def _renamed(rng: random.Random, holder: Json, key: Json, around: Around) -> str:
    other = rng.choice(_KEYS)
    holder[other] = holder.pop(key)
    return f"called {shown(other)}"


def _joined(rng: random.Random, holder: Json, key: Json, around: Around) -> str:
    chosen, other = odd_value(rng, around), rng.choice(_KEYS)
    holder[other] = chosen.value
    return f"with {shown(other)}: {chosen.name} beside it"


def _doubled(rng: random.Random, holder: Json, key: Json, around: Around) -> str:
    chosen = odd_value(rng, around)
    holder[key] = Raw(f"{written(holder[key])},{json.dumps(key)}:{written(chosen.value)}")
    return f"twice, then {chosen.name}"


def _repeated(rng: random.Random, holder: Json, key: Json, around: Around) -> str:
    times = rng.choice((1, 2, 300))
    holder[key:key] = [copy.deepcopy(holder[key]) for _ in range(times)]
    if rng.random() < 0.5:
        rng.shuffle(holder)
    return f"{times} more of it"


def _lengthened(rng: random.Random, holder: Json, key: Json, around: Around) -> str:
    old = holder[key]
    sign = rng.choice(("\x00", "\x1b[1m", "/", "/..", "\ud800", " ", "\n", "é", "x" * 250))
    at = rng.choice((0, len(old)))
    holder[key] = old[:at] + sign + old[at:]
    return f"with {shown(sign)} at {at}"


def _counted(rng: random.Random, holder: Json, key: Json, around: Around) -> str:
    old = holder[key]
    holder[key] = rng.choice((old + 1, old - 1, -old, old * 1000, old / 3, str(old), bool(old)))
    return f"{shown(old)} is {shown(holder[key])}"


def _places(tree: Json, path: str = "") -> Iterator[tuple[Json, Json, str]]:
    """Find each value in a tree: what holds it, its key in that, and its path."""
    if isinstance(tree, dict):
        entries: Any = tree.items()
    elif isinstance(tree, list):
        entries = enumerate(tree)
    else:
        return
    for key, value in entries:
        here = f"{path}.{shown(key)[:30]}"
        yield tree, key, here
        yield from _places(value, here)


def written(tree: Json, indent: int | None = None) -> str:
    """Write it as JSON, and what is raw as it is."""
    raw: list[str] = []

    def kept(value: Json) -> Json:
        if isinstance(value, Raw):
            raw.append(value.text)
            return f"raw-{len(raw) - 1}-raw"
        if isinstance(value, dict):
            return {key: kept(one) for key, one in value.items()}
        return [kept(one) for one in value] if isinstance(value, list) else value

    separators = (",", ":") if indent is None else None
    text = json.dumps(kept(tree), separators=separators, indent=indent)
    for at, one in enumerate(raw):
        text = text.replace(f'"raw-{at}-raw"', one)
    return text


def spoilt(rng: random.Random, content: bytes) -> tuple[bytes, str]:
    """Return content with a few bytes changed, and what was done."""
    changed = bytearray(content)
    done = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(changed) + 1)
        size = rng.choice((1, 2, 8, 40, 400))
        match rng.randrange(7):
            case 0 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
                done.append(f"a bit flipped at {at}")
            case 1:
                del changed[at : at + size]
                done.append(f"{size} bytes gone at {at}")
            case 2:
                changed[at:at] = changed[at : at + size]
                done.append(f"{size} bytes doubled at {at}")
            case 3:
                changed[at : at + size] = rng.randbytes(size)
                done.append(f"{size} random bytes at {at}")
            case 4:
                sign = rng.choice((b"\0", b"\n", b"\r", b"\xff", b"\xef\xbb\xbf", b"{", b"]", b'"'))
                changed[at:at] = sign
                done.append(f"{sign!r} at {at}")
            case 5:
                changed += bytes(changed)
                done.append("all of it twice")
            case _:
                del changed[at:]
                done.append(f"cut at {at}")
    return bytes(changed), "; ".join(done)
