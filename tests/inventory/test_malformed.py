"""Malformed inventories: each is refused where it is wrong, with a hint, and with no secret told.

A case is a text, and for each mistake its `line:column` and words that its message holds, in the
order of the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.reader import Reader

CANARY = "MIIE-s3cr3t-c4n4ry"
SERVERS = "region: cn-east-3, servers: [{id: s1}]"
GOOD = f"projects: [{{id: p1, {SERVERS}}}]"


@dataclass(frozen=True)
class Case:
    name: str
    text: str | bytes
    expected: tuple[tuple[str, ...], ...]
    suffix: str = ".yaml"


def case(name: str, text: str | bytes, *expected: tuple[str, ...], suffix: str = ".yaml") -> Case:
    return Case(name, dedent(text) if isinstance(text, str) else text, expected, suffix)


YAML = [
    case("empty", "", ("1:1", "empty", "version: 1")),
    case("only a comment", "# later\n", ("1:1", "empty", "version: 1")),
    case("no mapping", "- 1\n", ("1:1", "must be a mapping, not a list", "version: 1")),
    case("no version", GOOD, ("1:1", "'version' is missing", "version: 1")),
    case("another version", f"version: 2\n{GOOD}", ("1:10", "'version'", "version: 1")),
    case("true for a version", f"version: true\n{GOOD}", ("1:10", "true or false", "version: 1")),
    case("no projects", "version: 1\n", ("1:1", "'projects' is missing", "a list of projects")),
    case("an empty list", "version: 1\nprojects: []\n", ("2:11", "'projects' is empty")),
    case(
        "an unknown key",
        f"version: 1\nprojcets: []\n{GOOD}",
        ("2:1", "unknown key 'projcets'", "did you mean 'projects'?"),
    ),
    case(
        "an unknown key of a server",
        """\
        version: 1
        projects:
          - id: p1
            region: cn-east-3
            servers:
              - id: s1
                nmae: bms-001
        """,
        ("7:9", "unknown key 'nmae'", "did you mean 'name'?"),
    ),
    case(
        "wrong types everywhere",
        """\
        version: 1
        projects:
          - id: 17
            name:
            region: [cn-east-3]
            limits: none
            servers:
              - {id: s1, name: 12, tags: {role: yes, rack: 2024-01-01}}
              - s2
        """,
        ("3:9", "'id' must be text, not a number", "in quotes"),
        ("4:10", "'name' is empty"),
        ("5:13", "'region' must be text, not a list"),
        ("6:13", "'limits' must be a mapping, not text"),
        ("8:24", "'name' must be text, not a number", "in quotes"),
        ("8:41", "'role' must be text, not true or false", "in quotes"),
        ("9:9", "must be a mapping, not text"),
    ),
    case(
        "limits out of range",
        f"""\
        version: 1
        defaults:
          limits:
            share: 1.5
            downloads: 0
            bytes_per_second: 50 apples
            requests_per_second: .inf
            exports_in_flight: 2.5
        {GOOD}
        """,
        ("4:12", "'share'", "at most 1"),
        ("5:16", "'downloads'", "1 or more"),
        ("6:23", "'bytes_per_second'", "50MB"),
        ("7:26", "'requests_per_second'", "from 0.000001"),
        ("8:24", "'exports_in_flight'", "whole number"),
    ),
    case(
        "a run's limit in a project",
        f"version: 1\nprojects: [{{id: p1, limits: {{downloads: 2}}, {SERVERS}}}]",
        ("2:30", "not a limit for one project", "under defaults: limits"),
    ),
    case(
        "limits of nothing",
        f"version: 1\nlimits: {{}}\nprojects: [{{id: p1, {SERVERS}}}]",
        ("2:1", "limits cannot be at the top level", "under defaults or a project"),
    ),
    case(
        "a server twice",
        f"""\
        version: 1
        projects:
          - id: p1
            region: cn-east-3
            servers: [{{id: s1}}, {{id: s2}}, {{id: s1, name: other}}]
          - {{id: p2, {SERVERS}}}
        """,
        ("5:40", "server 's1' is listed twice", "once"),
    ),
    case(
        "a project twice at one endpoint",
        f"""\
        version: 1
        projects:
          - {{id: p1, {SERVERS}}}
          - {{id: p1, endpoint: "HTTPS://clouddc.cn-east-3.myhuaweicloud.com:443/", servers: []}}
        """,
        ("4:10", "project 'p1' is listed twice", "in one place"),
    ),
    case(
        "two projects without ids",
        f"version: 1\nprojects:\n- {{{SERVERS}}}\n- {{{SERVERS}}}\n",
        ("3:3", "'id' is missing"),
        ("4:3", "'id' is missing"),
    ),
    case(
        "an anchor that nothing uses",
        f"version: &v 1\n{GOOD}",
        ("1:10", "an anchor is not allowed", "write the value out"),
    ),
    case(
        "ids that cannot stand in a URL",
        """\
        version: 1
        projects:
          - {id: "..", region: cn-east-3, servers: [{id: a/b}, {id: ""}, {id: "a\\tb"}, {id: "."}]}
        """,
        ("3:10", "not allowed in a URL"),
        ("3:50", "not allowed in a URL", "without slashes"),
        ("3:61", "'id' is empty"),
        ("3:71", "not allowed in a URL", "control characters"),
        ("3:85", "not allowed in a URL"),
    ),
    case(
        "an unknown region",
        "version: 1\nprojects: [{id: p1, region: cn-esat-3, servers: []}]",
        ("2:29", "unknown region 'cn-esat-3'", "'cn-east-3'", "endpoint"),
    ),
    case(
        "has neither region nor endpoint",
        "version: 1\nprojects:\n  - id: p1\n    servers: []\n",
        ("3:5", "has neither region nor endpoint", "cn-east-3"),
    ),
    case(
        "endpoints that are none",
        f"""\
        version: 1
        projects:
          - {{id: p1, endpoint: "ftp://host", servers: []}}
          - {{id: p2, endpoint: "https://user:{CANARY}@host", servers: []}}
          - {{id: p3, endpoint: "https://host/?token={CANARY}", servers: []}}
          - {{id: p4, endpoint: "https://", servers: []}}
          - {{id: p5, endpoint: "https://host:port", servers: []}}
          - {{id: p6, endpoint: "https://ho st", servers: []}}
        """,
        ("3:24", "not an http or https URL"),
        ("4:24", "contains credentials"),
        ("5:24", "contains a query"),
        ("6:24", "has no host"),
        ("7:24", "is not a URL"),
        ("8:24", "white space"),
    ),
    case(
        "what comes with later versions",
        """\
        version: 1
        notify: []
        projects:
          - id: p1
            region: cn-east-3
            servers: [{id: s1}]
        """,
        ("2:1", "notify is not available in this version", "leave it out"),
    ),
    case(
        "a tag and an alias bomb",
        f"""\
        version: !!int 1
        x: &a [1, 1]
        y: &b [*a, *a]
        z: [*b, *b]
        {GOOD}
        """,
        ("1:10", "a YAML tag is not allowed"),
        ("2:4", "an anchor is not allowed"),
        ("3:4", "an anchor is not allowed"),
        ("3:8", "an alias is not allowed", "write the value out"),
        ("3:12", "an alias is not allowed"),
        ("4:5", "an alias is not allowed"),
        ("4:9", "an alias is not allowed"),
    ),
    case("a tag that runs code", "!!python/object/apply:os.system [ls]", ("1:1", "tag")),
    case("a key twice", f"version: 1\n{GOOD}\nversion: 1\n", ("3:1", "'version'", "twice")),
    case("two documents", f"version: 1\n{GOOD}\n---\nversion: 1\n", ("3:1", "second document")),
    case("a list for a key", "version: 1\n? [a]\n: b\n", ("2:3", "key is not text")),
    case("a tab for indentation", "version: 1\nprojects:\n\t- id: p1\n", ("3:1", "YAML", "tabs")),
    case("a bracket left open", "version: 1\nprojects: [\n", ("3:1", "not valid YAML", "bracket")),
    case("a control character", "version: 1\nname: \x07\n", ("2:7", "U+0007", "remove it")),
    case("nested without end", "[" * 100_000, ("1:101", "nested 100 levels deep")),
    case("nested in one line", "- " * 100_000, ("1:201", "nested 100 levels deep")),
    case("not UTF-8", b"version: 1\nname: \xe9t\xe9\n", ("2:7", "not UTF-8", "save the file")),
    case("UTF-16", "version: 1".encode("utf-16"), ("1:1", "not UTF-8", "save the file")),
    case("over 64 MB", b"#" * 64_000_001, ("1:1", "larger than 64 MB", "split it")),
]

CREDENTIALS = [
    case(
        "inline secrets",
        f"""\
        version: 1
        token: {CANARY}
        credentials:
          a: {{kind: token, token_env: CLOUDDC_TOKEN, token: {CANARY}}}
          b: {{kind: aksk, ak_env: A, sk_env: B, sk: {CANARY}, secret-key: {CANARY}}}
          c: {CANARY}
        defaults: {{credentials: a}}
        {GOOD}
        """,
        ("2:1", "'token' looks like a secret"),
        ("4:46", "'token' looks like a secret", "environment variable or a file"),
        ("5:41", "'sk' looks like a secret"),
        ("5:65", "'secret-key' looks like a secret"),
        ("6:6", "'c' must be a mapping, not text", "kind: token"),
    ),
    case(
        "a secret in the place of a name",
        f"""\
        version: 1
        credentials:
          a: {{kind: token, token_env: {CANARY}}}
          b: {{kind: token, token_file: {CANARY}}}
          c: {{kind: {CANARY}, token_env: CLOUDDC_TOKEN}}
          d: {{kind: token, token_env: {{value: {CANARY}}}}}
        projects:
          - {{id: p1, credentials: a, {SERVERS}}}
          - {{id: p2, credentials: b, {SERVERS}}}
          - {{id: p3, credentials: {CANARY}, {SERVERS}}}
          - {{id: p4, credentials: d, {SERVERS}}}
        """,
        ("3:31", "not the name of an environment variable"),
        ("4:32", "does not exist", "inventory's directory"),
        ("5:13", "unknown kind", "token"),
        ("6:31", "token_env must be text"),
        ("10:27", "no credentials entry", "a, b, c, d"),
    ),
    case(
        "an unset and an empty variable, and one of two lines",
        f"""\
        version: 1
        credentials:
          a: {{kind: token, token_env: OPS_TOKEN}}
          b: {{kind: token, token_env: BLANK}}
          c: {{kind: token, token_env: TWO_LINES}}
          d: {{kind: token, token_env: lower_case}}
          unused: {{kind: token, token_env: OTHER_TOKEN}}
        projects:
          - {{id: p1, credentials: a, {SERVERS}}}
          - {{id: p2, credentials: b, {SERVERS}}}
          - {{id: p3, credentials: c, {SERVERS}}}
          - {{id: p4, credentials: d, {SERVERS}}}
        """,
        ("3:31", "OPS_TOKEN is not set", "set it"),
        ("4:31", "BLANK is empty", "set it"),
        ("5:31", "TWO_LINES must be one line"),
        ("6:31", "this variable is not set"),
    ),
    case(
        "credentials that lack what they must say",
        """\
        version: 1
        credentials:
          iam: {kind: password, domain: acme, user: oncall, password_env: CLOUDDC_TOKEN}
          keys: {kind: aksk, ak_env: A}
          sdk: {kind: sdk, profile: ""}
          a: {kind: command, command: vault read}
          b: {kind: command, command: []}
          c: {kind: command, command: [vault, 5]}
          d: {kind: command, command: [" "]}
          e: {kind: command, command: [vault], timeout: 0}
          f: {kind: command, command: [vault], timeout: soon}
          g: {kind: command, timeout: 90s}
        projects:
          - {id: p1, credentials: iam, endpoint: "https://clouddc.example", servers: [{id: s1}]}
        """,
        ("3:8", "iam_endpoint is missing", "https://clouddc.example", "iam_endpoint: https://"),
        ("4:9", "sk_env is missing"),
        ("5:29", "profile must be text"),
        ("6:31", "command must be a list of words", "[PROGRAM"),
        ("7:31", "each of them text"),
        ("8:31", "each of them text"),
        ("9:31", "does not name a program"),
        ("10:49", "timeout must be a duration above 0", "30s"),
        ("11:49", "timeout must be a duration above 0", "30s"),
        ("12:6", "command is missing"),
    ),
    case(
        "programs that are not there, and passwords of two lines",
        f"""\
        version: 1
        credentials:
          a: {{kind: command, command: [no-such-program-of-ours, read]}}
          b: {{kind: command, command: [./no-such-file]}}
          c: {{kind: password, domain: d, user: u, password_env: TWO_LINES}}
          d: {{kind: sdk, profile: no-such-profile}}
        projects:
          - {{id: p1, credentials: a, {SERVERS}}}
          - {{id: p2, credentials: b, {SERVERS}}}
          - {{id: p3, credentials: c, {SERVERS}}}
          - {{id: p4, credentials: d, {SERVERS}}}
        """,
        ("3:31", "no-such-program-of-ours", "is not found", "on PATH"),
        ("4:31", "no-such-file", "is not found", "on PATH"),
        ("5:57", "TWO_LINES must be one line of text"),
        ("6:6", "the profile"),
    ),
    case(
        "fields that are missing, wrong or too many",
        f"""\
        version: 1
        credentials:
          a: {{token_env: CLOUDDC_TOKEN}}
          b: {{kind: token}}
          c: {{kind: token, token_env: A, token_file: b}}
          d: {{kind: password, domain: acme, iam_endpoint: iam, password_env: P}}
          e: {{kind: tokn}}
          f: {{kind: token, token_evn: A, account: 5}}
        projects: [{{id: p1, credentials: g, {SERVERS}}}]
        """,
        ("3:6", "kind is missing", "token"),
        ("4:6", "exactly one of token_env or token_file"),
        ("5:6", "exactly one of token_env or token_file"),
        ("6:6", "user is missing"),
        ("6:51", "iam_endpoint is not an http or https URL"),
        ("7:13", "unknown kind", "did you mean 'token'?"),
        ("8:6", "exactly one of token_env or token_file"),
        ("8:20", "unknown key 'token_evn'", "did you mean 'token_env'?"),
        ("8:43", "account must be text"),
        ("9:34", "no credentials entry"),
    ),
    case(
        "several entries and none chosen",
        f"""\
        version: 1
        credentials:
          a: {{kind: token, token_env: CLOUDDC_TOKEN}}
          b: {{kind: token, token_env: CLOUDDC_TOKEN}}
        {GOOD}
        """,
        ("5:12", "names no credentials", "a or b"),
    ),
    case(
        "a name without entries",
        f"version: 1\ndefaults: {{credentials: ops}}\n{GOOD}",
        ("2:25", "no credentials entry", "under credentials"),
    ),
]

JSON = [
    case(
        "not JSON", '{"version": 1,\n  "projects": [}', ("2:16", "not valid JSON"), suffix=".json"
    ),
    case("YAML under a JSON's name", "version: 1\n", ("1:1", "not valid JSON"), suffix=".json"),
    case("a JSON list", "[]", ("1:1", "not a list"), suffix=".json"),
    case("null", "null", ("1:1", "is empty"), suffix=".json"),
    case(
        "tabs, and wrong values on each line",
        '{\n\t"version": 1,\n\t"porjects": [],\n\t"projects": [\n'
        '\t\t{"id": "p1", "region": "cn-east-3",\n\t\t "servers": [{"id": 5}, {"nme": "x"}]}]}',
        ("3:2", "unknown key 'porjects'", "did you mean 'projects'?"),
        ("6:23", "'id' must be text, not a number", "in quotes"),
        ("6:27", "'id' is missing"),
        ("6:28", "unknown key 'nme'", "did you mean 'name'?"),
        suffix=".json",
    ),
    case(
        "odd but valid characters before the mistake",
        '{"version": 1, "projects": [{"id": "p1", "region": "cn-east-3", "servers": [\n'
        '{"id": "s1", "name": "\\ud83d\\ude00\\/\x7f\u2028", "tags": {"a": 1}}]}]}',
        ("2:56", "'a' must be text, not a number"),
        suffix=".json",
    ),
    case(
        "half a character",
        '{"version": 1, "projects": [{"id": "p1", "region": "cn-east-3", "servers": [\n'
        '{"id": "s1", "name": "\\ud83d"}]}]}',
        ("2:22", "'name' contains half a character"),
        suffix=".json",
    ),
    case(
        "a key twice in an object",
        '{"version": 1,\n "version": 1, "projects": [{"id": "p1", "servers": [],\n'
        '  "region": "cn-south-1", "region": "cn-east-3"}]}',
        ("2:2", "'version' is listed twice", "keep one"),
        ("3:27", "'region' is listed twice", "keep one"),
        suffix=".json",
    ),
    case(
        "numbers that are none",
        '{"version": 1, "defaults": {"limits": {"share": NaN,\n "downloads": '
        + "1" * 5000
        + '}},\n "projects": [{"id": "p1", "region": "cn-east-3", "servers": []}]}',
        ("1:49", "'share' is out of range"),
        ("2:15", "'downloads' must be a whole number;"),
        suffix=".json",
    ),
    case("an object without end", '{"a":' * 100_000, ("1:1", "deeply"), suffix=".json"),
]

TOML = [
    case("not TOML", "version = 1\nprojects = = 1\n", ("2:12", "not valid TOML"), suffix=".toml"),
    case("a key twice in TOML", "version = 1\nversion = 1\n", ("2:", "TOML"), suffix=".toml"),
    case(
        "mistakes under keys, headers and inline tables",
        """\
        version = 2

        [defaults.limits]
          "share" = 1.5
        [[projects]]
        id = "p1"
        regoin = "cn-east-3"
        [projects.limits]
        exports_in_flight = 0
        [[projects.servers]]
        id = "s1"
        [[projects.servers]]
        name = "bms-002"
        [[projects]]
        id = "p2"
        region = "cn-east-3"
        limits.share = 2
        servers = [
          {id = "s1"},
          {id = 2024-01-01},
        ]
        """,
        ("1:1", "'version'"),
        ("4:3", "'share' is out of range"),
        ("5:1", "has neither region nor endpoint"),
        ("7:1", "unknown key 'regoin'", "did you mean 'region'?"),
        ("9:1", "'exports_in_flight'"),
        ("12:1", "'id' is missing"),
        ("17:1", "'share' is out of range"),
        ("18:1", "'id' must be text, not a date", "(at projects[1].servers[1].id)"),
        suffix=".toml",
    ),
    case(
        "an inline secret in TOML",
        f"""\
        version = 1
        [credentials.ops]
        kind = "token"
        token = "{CANARY}"
        [[projects]]
        id = "p1"
        region = "cn-east-3"
        credentials = "ops"
        servers = []
        """,
        ("2:1", "exactly one of token_env or token_file"),
        ("4:1", "'token' looks like a secret"),
        suffix=".toml",
    ),
]

CSV = [
    case("an empty CSV", "", ("1:1", "empty"), suffix=".csv"),
    case(
        "a header alone",
        "project_id,server_id\n",
        ("1:1", "no row", "a row for each server"),
        suffix=".csv",
    ),
    case(
        "semicolons",
        "project_id;server_id\np1;s1\n",
        ("1:1", "unknown column"),
        ("1:1", "project_id is missing", "separated by commas"),
        ("1:1", "server_id is missing"),
        suffix=".csv",
    ),
    case(
        "an unknown column, one twice and a tag without a key",
        "project_id,server_id,regoin,server_id,tag:\n",
        ("1:3", "unknown column 'regoin'", "did you mean 'region'?", "tag:KEY"),
        ("1:4", "'server_id' is listed twice"),
        ("1:5", "unknown column 'tag:'"),
        suffix=".csv",
    ),
    case("no header", ",,\n,,\n", ("1:1", "header is missing", "project_id"), suffix=".csv"),
    case(
        "rows of another width",
        "project_id,server_id,region\np1,s1\np1,s2,cn-east-3\n\np1,s3,cn-east-3,x\n",
        ("2:2", "2 fields, but the header has 3"),
        ("5:3", "4 fields, but the header has 3"),
        suffix=".csv",
    ),
    case(
        "cells that are wrong",
        'project_id,region,server_id,name,tag:a\np1,cn-east-3,s1,"two\nlines",\n'
        "p1,cn-east-3,,x,\np1,cn-east-3,s1,x,1\np1,cn-east-3,a/b,x,1\np2,cn-esat-3,s1,x,\n"
        "p3,,s1,x,\n",
        ("4:3", "server_id is empty"),
        ("5:3", "server 's1' is listed twice"),
        ("6:3", "not allowed in a URL"),
        ("7:2", "unknown region 'cn-esat-3'", "'cn-east-3'"),
        ("8:1", "has neither region nor endpoint"),
        suffix=".csv",
    ),
    case(
        "rows of one project that differ",
        "project_id,region,project_name,credentials,server_id\n"
        "p1,cn-east-3,pay,CLOUDDC_TOKEN,s1\np1,cn-east-3,search,OPS_TOKEN,s2\n",
        ("3:3", "project_name differs", "line 2"),
        ("3:4", "credentials differs", "line 2"),
        suffix=".csv",
    ),
    case(
        "a variable that is not set, and a secret in its place",
        "project_id,region,credentials,server_id\n"
        f"p1,cn-east-3,OPS_TOKEN,s1\np2,cn-east-3,{CANARY},s2\n",
        ("2:3", "OPS_TOKEN is not set"),
        ("3:3", "not the name of an environment variable"),
        suffix=".csv",
    ),
    case(
        "a quote left open",
        'project_id,region,server_id\np1,cn-east-3,"s1\n',
        ("2:1", "not valid CSV", "quotes"),
        suffix=".csv",
    ),
]

ALL = [*YAML, *CREDENTIALS, *JSON, *TOML, *CSV]


@pytest.mark.parametrize("one", ALL, ids=[f"{one.name} {one.suffix}" for one in ALL])
def test_a_malformed_inventory_is_refused_where_it_is_wrong(one: Case, reader: Reader) -> None:
    told = reader.mistakes(one.text, one.suffix)
    assert len(told) == len(one.expected), "\n".join(told)
    for line, (place, *words) in zip(told, one.expected, strict=True):
        assert line.startswith(f"fleet{one.suffix}:{place}"), line
        assert all(word in line for word in words), line


def test_after_fifty_mistakes_only_their_number_is_told(reader: Reader) -> None:
    servers = ", ".join(f"{{id: {number}}}" for number in range(60))
    text = f"version: 1\nprojects: [{{id: p1, region: cn-east-3, servers: [{servers}]}}]"
    told = reader.mistakes(text)
    assert len(told) == 51
    assert told[-1] == "and 10 more"
