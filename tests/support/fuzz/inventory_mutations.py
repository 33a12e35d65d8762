"""Mutated inventories, in each of the formats that there are."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any, Final

from tests.support.fuzz.odd_values import Raw, mutate, odd_value, shown, spoilt, written

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

    from tests.support.fuzz.odd_values import Around

_BOMBS: Final[dict[str, tuple[tuple[str, Callable[[], str]], ...]]] = {
    "toml": (
        ("100,000 dotted parts", lambda: "a" + ".a" * 100_000 + " = 1\n"),
        ("a table of 100,000 parts", lambda: "[a" + ".a" * 100_000 + "]\n"),
        ("lists 200,000 deep", lambda: "a = " + "[" * 200_000 + "]" * 200_000 + "\n"),
        ("tables 20,000 deep", lambda: "a = " + "{a=" * 20_000 + "1" + "}" * 20_000 + "\n"),
        ("30,000 tables", lambda: "".join(f"[t{at}]\n" for at in range(30_000))),
        ("3,000 tables of growing depth", lambda: "".join(
            f"[{'.'.join('a' * (at % 60 + 1))}.b{at}]\n" for at in range(3_000))),
        ("a number of 100,000 digits", lambda: "version = " + "9" * 100_000 + "\n"),
        ("a quote without end", lambda: 'a = """' + "x\n" * 50_000),
        ("100,000 quoted parts", lambda: '"a"' + '."a"' * 100_000 + " = 1\n"),
    ),
    "yaml": (
        ("a billion laughs", lambda: "a0: &a0 [x, x]\n" + "".join(
            f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 9)}]\n" for at in range(1, 40))),
        ("merged laughs", lambda: "a0: &a0 {x: 1}\n" + "".join(
            f"a{at}: &a{at} {{<<: [{', '.join([f'*a{at - 1}'] * 9)}]}}\n" for at in range(1, 20))),
        ("lists 200,000 deep", lambda: "a: " + "[" * 200_000 + "]" * 200_000),
        ("lists 3,000 deep", lambda: "a: " + "[" * 3_000 + "]" * 3_000),
        ("mappings 100,000 deep", lambda: "? " * 100_000 + "a"),
        ("dashes 50,000 deep", lambda: "- " * 50_000 + "a"),
        ("a list in itself", lambda: "version: 1\nprojects: &p [*p]\n"),
        ("a mapping in itself", lambda: "&a {version: 1, projects: [{id: x, servers: [*a]}]}"),
        ("a tag", lambda: "!!python/object/apply:os.system ['touch owned']"),
        ("another tag", lambda: "version: !!int 1e999\nprojects: !!set {a, b}\n"),
        ("binary", lambda: "version: 1\nprojects: !!binary '////'\n"),
        ("100,000 documents", lambda: "---\na: 1\n" * 100_000),
        ("sexagesimals", lambda: "version: 1:60:60:60\nprojects: " + "1:" * 5_000 + "1"),
        ("a number of 100,000 digits", lambda: "version: " + "9" * 100_000),
        ("100,000 anchors", lambda: "".join(f"- &a{at} x\n" for at in range(100_000))),
        ("a directive", lambda: "%YAML 9.9\n%TAG ! tag:x,2000:\n---\nversion: 1\n"),
    ),
    "json": (
        ("lists 200,000 deep", lambda: "[" * 200_000 + "]" * 200_000),
        ("mappings 200,000 deep", lambda: '{"a":' * 200_000 + "1" + "}" * 200_000),
        ("a number of 100,000 digits", lambda: '{"version": ' + "9" * 100_000 + "}"),
        ("30,000 servers without an id", lambda: (
            '{"version":1,"projects":[{"id":"p","servers":[' + "{}," * 30_000 + "{}]}]}")),
        ("100,000 unknown keys", lambda: (
            "{" + ",".join(f'"k{at}":1' for at in range(100_000)) + "}")),
        ("100,000 times one key", lambda: '{"version":1' + ',"version":1' * 100_000 + "}"),
    ),
    "csv": (
        ("a million columns", lambda: "project_id,server_id" + ",x" * 1_000_000 + "\np,s\n"),
        ("a million cells", lambda: "project_id,server_id\np,s" + ",x" * 1_000_000 + "\n"),
        ("100,000 tags", lambda: "project_id,server_id," + ",".join(
            f"tag:{at}" for at in range(100_000)) + "\np,s\n"),
        ("a field without end", lambda: 'project_id,server_id\np,"' + "x\n" * 100_000),
        ("a field of 10 MB", lambda: "project_id,server_id\np," + "x" * 10_000_000 + "\n"),
        ("100,000 rows of nothing", lambda: "project_id,server_id\n" + ",\n" * 100_000),
        ("100,000 rows alike", lambda: "project_id,server_id\n" + "p,s\n" * 100_000),
    ),
}  # fmt: skip
_LINES: Final = (
    "", "version: 1", "version = 1", "]", "}", "[x]", "[[projects]]", "- ", "---", "...", "\t", "#",
    "<<: *a", "&a", "!!x y", "a: b: c", "\u2028", "\x85", "\ufeff", "'", '"', '"""', "|", "> ",
    "id = 1979-05-27T07:32:00Z", "id = inf", "id: 2026-01-01", "id: .nan", "id: 0x1F", "id: ~",
    "id: yes", "a\x1b[2Jb = 1", "? a", "projects:", "servers = [{}]", ",,,,", "p,s,\x00", "=",
    "token: abcdef", "token_env: OTHER\x1b[31m", "discover: {}", "notify: []",
)  # fmt: skip
_ADDRESS: Final = re.compile(rb"[A-Za-z]+:/*[^\s\"',}]*")


def inventory_mutated(
    suffix: str, content: bytes, rng: random.Random, around: Around
) -> tuple[bytes, list[str]]:
    """Return an inventory of a format with something wrong with it, and what that is."""
    if rng.random() < 0.06:
        name, made = rng.choice(_BOMBS[suffix])
        return made().encode(), [name]
    tree = json.loads(content)
    did = []
    for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
        if isinstance(tree, dict):
            tree, what = mutate(rng, tree, around)
            did.append(what)
    text = _WRITERS[suffix](tree, rng)
    for _ in range(rng.choice((0, 0, 0, 1, 2)) if did else 1):
        text, what = _text_mutated(text, rng, around)
        did.append(what)
    raw = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.1:
        raw, what = spoilt(rng, raw)
        did.append(what)
    return raw, did


def points_elsewhere(content: bytes, service: str) -> bool:
    """Whether anything in an inventory may be another address than the service's."""
    if b"region" in content or b"endpoint" not in content:
        return True
    found = {one for one in _ADDRESS.findall(content) if b"//" in one}
    return found != {service.encode()}


def _text_mutated(text: str, rng: random.Random, around: Around) -> tuple[str, str]:
    lines = text.split("\n")
    at = rng.randrange(len(lines))
    match rng.randrange(5):
        case 0:
            gone = lines.pop(at)
            return "\n".join(lines), f"line {at + 1} gone: {shown(gone)}"
        case 1:
            lines.insert(at, lines[rng.randrange(len(lines))])
            return "\n".join(lines), f"a line twice, at {at + 1}"
        case 2:
            more = rng.choice(_LINES)
            lines.insert(at, " " * rng.choice((0, 0, 2, 4)) + more)
            return "\n".join(lines), f"{shown(more)} as line {at + 1}"
        case 3:
            lines[at] = lines[at].replace(rng.choice(' ,":=[]{}-p'), rng.choice(' ,":=[]{}-\t'), 2)
            return "\n".join(lines), f"line {at + 1} is {shown(lines[at])}"
        case _:
            chosen = odd_value(rng, around)
            value = chosen.value if isinstance(chosen.value, str) else written(chosen.value)
            words = re.findall(r"\w+", text) or ["x"]
            word = rng.choice(words)
            return text.replace(word, value, 1), f"{chosen.name} for {word[:40]!r}"


def _as_json(tree: Any, rng: random.Random) -> str:  # noqa: ANN401  # JSON is any
    return written(tree, rng.choice((None, 2)))


def _as_yaml(tree: Any, rng: random.Random) -> str:  # noqa: ANN401  # as above
    if rng.random() < 0.3:
        return _as_json(tree, rng)
    return "\n".join(_yaml_lines(tree, ""))


def _yaml_lines(tree: Any, indent: str) -> Iterator[str]:  # noqa: ANN401  # as above
    """Blocks, and whatever is not made of texts as in JSON."""
    if isinstance(tree, dict) and tree and len(indent) < 40:
        for key, value in tree.items():
            if isinstance(value, dict | list) and value and len(str(value)) < 100_000:
                yield f"{indent}{_yaml_key(key)}:"
                yield from _yaml_lines(value, f"{indent}  ")
            else:
                yield f"{indent}{_yaml_key(key)}: {written(value)}"
    elif isinstance(tree, list) and tree and len(indent) < 40:
        for value in tree:
            first, *rest = _yaml_lines(value, f"{indent}  ")
            yield f"{indent}- {first.strip()}"
            yield from rest
    else:
        yield f"{indent}{written(tree)}"


def _yaml_key(key: str) -> str:
    return key if re.fullmatch(r"\w+", key) and key.isascii() else json.dumps(key)


def _as_toml(tree: Any, rng: random.Random) -> str:  # noqa: ANN401  # as above
    if not isinstance(tree, dict):
        return f"x = {_toml_value(tree)}"
    lines = []
    tables = []
    for key, value in tree.items():
        if isinstance(value, dict) and rng.random() < 0.8:
            tables += [f"[{json.dumps(key)}]", *_toml_entries(value)]
        elif isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            for one in value[:1000]:
                tables += [f"[[{json.dumps(key)}]]", *_toml_entries(one)]
        else:
            lines.append(f"{json.dumps(key)} = {_toml_value(value)}")
    return "\n".join([*lines, *tables])


def _toml_entries(tree: dict[str, Any]) -> Iterator[str]:
    for key, value in tree.items():
        yield f"{_yaml_key(key)} = {_toml_value(value)}"


def _toml_value(value: Any) -> str:  # noqa: ANN401  # as above
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_yaml_key(k)} = {_toml_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    if isinstance(value, float) and not isinstance(value, bool):
        return str(value)
    return value.text if isinstance(value, Raw) else json.dumps(value)


def _as_csv(tree: Any, rng: random.Random) -> str:  # noqa: ANN401  # as above
    rows = list(_rows(tree)) or [{"project_id": "p", "server_id": "s"}]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if rng.random() < 0.2:
        columns.insert(
            rng.randrange(len(columns)), rng.choice((*columns, "x", "", "tag:", "tag:a"))
        )
    made = io.StringIO()
    writer = csv.writer(made, quoting=rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)))
    writer.writerow(columns)
    writer.writerows([row.get(column, "") for column in columns] for row in rows)
    return made.getvalue()


def _rows(tree: Any) -> Iterator[dict[str, str]]:  # noqa: ANN401  # as above
    projects = tree.get("projects") if isinstance(tree, dict) else None
    for project in projects if isinstance(projects, list) else ():
        servers = project.get("servers") if isinstance(project, dict) else None
        for server in (servers if isinstance(servers, list) else ())[:1000]:
            if isinstance(server, dict):
                tags = server.get("tags")
                row = {
                    "project_id": project.get("id", ""), "server_id": server.get("id", ""),
                    "project_name": project.get("name", ""), "name": server.get("name", ""),
                    "endpoint": project.get("endpoint", ""),
                    **{f"tag:{key}": value for key, value in
                       (tags.items() if isinstance(tags, dict) else ())},
                }  # fmt: skip
                yield {key: _cell(value) for key, value in list(row.items())[:1000]}


def _cell(value: Any) -> str:  # noqa: ANN401  # as above
    return value if isinstance(value, str) else written(value)[:200_000]


_WRITERS: Final = {"json": _as_json, "yaml": _as_yaml, "toml": _as_toml, "csv": _as_csv}
