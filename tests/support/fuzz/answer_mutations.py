"""Answers made of valid ones by mutation: of their parts, and of their bytes.

What a number makes is always the same, so that it can be played again.

Some answers are left out, since they say by design more than something of one server: a limit that
was reached (429) or is told in a header holds for its scope, and a token that the service refuses
(401, in the service's own words) for all that need it.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from tests.support.answers import DOWN, archive_of
from tests.support.wire import Drip, End, Wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.wire import Answer, Call, Step

_STATUSES: Final = (
    100, 101, 103, 200, 201, 202, 203, 204, 205, 206, 226, 299, 300, 301, 302, 303, 304, 305, 307,
    308, 399, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 413, 414, 416, 418, 421,
    423, 425, 426, 428, 431, 451, 499, 500, 501, 502, 503, 504, 505, 507, 511, 520, 599, 600, 999,
)  # fmt: skip
_CODES: Final = (
    "iMetal.0001", "iMetal.0002", "iMetal.0004", "iMetal.0099", "iMetal.0100", "iMetal.0101",
    "iMetal.0102", "iMetal.0110", "APIGW.0101", "APIGW.0201", "", "\x1b[2J",
)  # fmt: skip
_CHARSETS: Final = (
    "utf-8", "UTF-8", "iso-8859-1", "gbk", "big5", "shift_jis", "idna", "punycode", "base64",
    "zlib", "bz2", "hex", "rot13", "uu", "quopri", "undefined", "unicode_escape", "utf-7",
    "utf-16", "raw_unicode_escape", "mbcs", "oem", "cp65001", "", "x" * 300, "a/b", "\x00",
)  # fmt: skip
_NAMES: Final = (
    b"logs.tar.gz", b"../../etc/passwd", b"%00", b"%e2%82%ac", b"%ff%fe", b"x%2e", b"..", b".",
    b"\xb7\xfe\xce\xf1", b"=?utf-8?b?AAAA?=", b"CON", b"a" * 400, b"'\"\\", b"\x1b[2J", b"",
    "服务器.tar.gz".encode(), "a\u202egz".encode(), b"%", b"%zz", b"''", b"x.part",
)  # fmt: skip
_HEADERS: Final = (
    b"Date", b"ETag", b"Retry-After", b"Content-Range", b"Content-Type", b"Content-Encoding",
    b"Content-MD5", b"Digest", b"Repr-Digest", b"X-Request-Id", b"Set-Cookie", b"Connection",
    b"Keep-Alive", b"Upgrade", b"Location", b"Trailer", b"TE", b"Accept-Ranges", b"Link", b"Age",
    b"X-Apig-RateLimit-Api", b"X-Apig-RateLimit-User", b"Content-Disposition", b"Vary", b"",
    b"Transfer-Encoding", b"Content-Length", b"Last-Modified", b"WWW-Authenticate", b"X\0", b" X",
    b"Proxy-Authenticate", b"X-Amz-Meta-Sha256", b"Content-Location", b"Refresh", b"X-\xff",
)  # fmt: skip
_VALUES: Final = (
    b"", b"0", b"-1", b"1", b"9" * 400, b"1e999", b"nan", b"inf", b"close", b"keep-alive", b"gzip",
    b"deflate", b"br", b"gzip, gzip", b"chunked", b"identity", b"bytes 0-9/10", b"bytes */0",
    b"Fri, 31 Dec 9999 23:59:59 GMT", b"Thu, 01 Jan 1970 00:00:00 GMT", b"soon", b'"tag"', b'W/"x"',
    b"\xff\xfe", b"\x1b]0;owned\x07", b"a\0b", b"a" * 9000, b"a\r\n b", b"text/html", b'"', b"=;;,",
    b"remain:-1,limit:0,time:0 day", b"sha-256=AAAA", b"timeout=0, max=0", b"application/json",
)  # fmt: skip
_JSON: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1e308, 10**400, float("nan"), float("inf"), "", " ", "e-1", "\x00",
    "\x1b[31m", "\u202e", "\ud800", "a" * 3000, "..", "a/b?c#d", [], {}, [[]], {"a": {"b": []}},
    "completed", "failed", "processing", "100%", "-5%", 12345, "\uff19\uff19\uff05",
)  # fmt: skip
_ENDS: Final = (End.CLOSED, End.HALF_CLOSED, End.RESET, End.SILENT)
_LIMIT_REACHED: Final = re.compile(rb"429|\.0?0?0?(?:005|308)", re.IGNORECASE)
_TOKEN_REFUSED: Final = re.compile(rb"error_code|\.0?0?0?(?:003|301)", re.IGNORECASE)


@dataclass(slots=True)
class Draft:
    """An answer in parts.

    Attributes:
        framing: `length`, `chunked`, `close`, `none`, `both` or `wrong`.
        before, after: what is sent around it.
    """

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    reason: bytes = b"OK"
    version: bytes = b"HTTP/1.1"
    framing: str = "length"
    before: bytes = b""
    after: bytes = b""
    line_end: bytes = b"\r\n"
    ends: End | None = None

    def coded(self, rng: random.Random) -> bytes:
        headers = list(self.headers)
        size = len(self.body)
        if self.framing in ("length", "both"):
            headers.append((b"Content-Length", b"%d" % size))
        if self.framing == "wrong":
            headers.append((b"Content-Length", b"%d" % max(0, size + rng.choice((-3, 1, 900)))))
        body = self.body
        if self.framing in ("chunked", "both"):
            headers.append((b"Transfer-Encoding", b"chunked"))
            body = _in_chunks(body, rng)
        lines = [b"%s %d %s" % (self.version, self.status, self.reason)]
        lines += [name + b": " + value for name, value in headers]
        return self.before + self.line_end.join([*lines, b"", body]) + self.after


@dataclass(frozen=True, slots=True)
class Made:
    """A mutated answer.

    Attributes:
        steps: what is sent.
        whole: the body that was sent where it was to arrive whole; b"" for any other.
    """

    steps: Answer
    whole: bytes


def mutated(number: int, call: Call) -> Made:
    """Make an answer to a call: the one of this number, this server and this call of its kind."""
    rng = random.Random(f"{number} {call.server} {call.kind} {call.nth}")  # noqa: S311  # to be played again
    draft = _valid(call, rng)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))):
        rng.choice(_MUTATIONS)(draft, rng)
    draft = _of_one_server(draft)
    raw = draft.coded(rng)
    if rng.random() < 0.2:
        raw = _of_one_server_alone(_bytes_mutated(raw, rng))
    return Made(_timed(raw, draft, rng), draft.body)


def _valid(call: Call, rng: random.Random) -> Draft:
    """Return an answer that could well be given to this call."""
    json_type = [(b"Content-Type", b"application/json")]
    choice = rng.random()
    if choice < 0.1:
        return Draft(rng.choice(_STATUSES), DOWN, [(b"Content-Type", b"text/html")])
    if choice < 0.25:
        body = {"error_code": rng.choice(_CODES), "error_msg": "No, says the service."}
        return Draft(rng.choice(_STATUSES), json.dumps(body).encode(), json_type)
    match call.kind:
        case "export":
            started = {"export_id": f"e-{call.server}-{call.nth}", "status": "processing"}
            return Draft(202, json.dumps(started).encode(), json_type)
        case "status":
            done = {"status": "completed", "percentage": "100%"}
            return Draft(200, json.dumps(done).encode(), json_type)
        case "download" | "stored":
            if call.kind == "download" and rng.random() < 0.2:
                location = b"/stored/" + call.server.encode()
                return Draft(rng.choice((301, 302, 303, 307, 308)), b"", [(b"Location", location)])
            named = b'attachment; filename="logs.tar.gz"'
            return Draft(200, archive_of(call.server), [(b"Content-Disposition", named)])


def _status(draft: Draft, rng: random.Random) -> None:
    draft.status = rng.choice(_STATUSES) if rng.random() < 0.8 else rng.randrange(-1, 1100)


def _start_line(draft: Draft, rng: random.Random) -> None:
    draft.version = rng.choice(
        (b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2", b"http/1.1", b"ICY", b"", b"\0")
    )
    draft.reason = rng.choice((b"", b"OK", b"\xff", b"\x1b[2J", b"a" * 9000, b"a\0", b"OK\n"))


def _header(draft: Draft, rng: random.Random) -> None:
    name = rng.choice(_HEADERS) if rng.random() < 0.9 else rng.randbytes(4)
    value = rng.choice(_VALUES) if rng.random() < 0.8 else rng.randbytes(rng.randrange(40))
    at = rng.randrange(len(draft.headers) + 1)
    draft.headers[at:at] = [(name, value)] * rng.choice((1, 1, 1, 1, 2, 150))


def _disposition(draft: Draft, rng: random.Random) -> None:
    parts = [rng.choice((b"attachment", b"inline", b"", b"form-data", b"\xff"))]
    for _ in range(rng.choice((1, 1, 2, 3))):
        number = rng.choice((b"", b"", b"*", b"*0", b"*0*", b"*1*", b"*-1", b"*" + b"9" * 5000))
        charset = (
            rng.choice(_CHARSETS).encode("utf-8", "replace") + b"''" if number[-1:] == b"*" else b""
        )
        value = charset + rng.choice(_NAMES)
        quoted = b'"%s"' % value if rng.random() < 0.4 else value
        parts.append(
            rng.choice((b"filename", b"filename", b"FileName", b"name")) + number + b"=" + quoted
        )
    draft.headers = [one for one in draft.headers if one[0] != b"Content-Disposition"]
    draft.headers.append((b"Content-Disposition", rng.choice((b"; ", b";", b" ;  ")).join(parts)))


def _redirection(draft: Draft, rng: random.Random) -> None:
    scheme = rng.choice((b"http:", b"", b"https:", b"ftp:", b"file:", b"javascript:", b"\xff:"))
    host = rng.choice((
        b"//127.0.0.1:1", b"//127.0.0.1:99999", b"//[::1", b"//[::1]:1", b"//a..b", b"//", b"",
        b"//u:p@127.0.0.1:1", b"//" + b"a" * 70, b"//127.0.0.1:-1", b"//%00", b"//\xe4",
    ))  # fmt: skip
    path = rng.choice(
        (b"/", b"/stored/x", b"content", b"", b"?", b"#", b"/\xff", b"/" + b"a" * 9000)
    )
    draft.status = rng.choice((301, 302, 303, 307, 308))
    draft.headers.append((b"Location", scheme + host + path))


def _json(draft: Draft, rng: random.Random) -> None:
    try:
        tree = json.loads(draft.body)
    except (ValueError, RecursionError):
        return
    if not isinstance(tree, dict) or not tree:
        return
    name = rng.choice(list(tree))
    match rng.randrange(5):
        case 0:
            del tree[name]
        case 1:
            tree = rng.choice(_JSON)
        case 2:
            tree[rng.choice(("export_id", "status", "percentage", "error_code", "x"))] = rng.choice(
                _JSON
            )
        case _:
            tree[name] = rng.choice(_JSON)
    draft.body = _dumped(tree)
    if rng.random() < 0.2:
        draft.body = rng.choice((
            draft.body[:-1] + b',"status":null}', b"\xef\xbb\xbf" + draft.body, draft.body * 2,
            draft.body.decode().encode("utf-16"), b"[" * 5000 + draft.body, b")]}'\n" + draft.body,
        ))  # fmt: skip


def _dumped(tree: Any) -> bytes:  # noqa: ANN401  # JSON is any
    return json.dumps(tree, ensure_ascii=True).encode()


def _body(draft: Draft, rng: random.Random) -> None:
    at = rng.randrange(len(draft.body) + 1)
    first, last = draft.body[:at], draft.body[at:]
    draft.body = rng.choice((
        first, first + rng.randbytes(3) + last, first + last[1:], draft.body + b"\0" * 600,
        draft.body * 2, b"", DOWN, archive_of("another"),
        b'{"status": "processing"}', rng.randbytes(300), b" " * 70_000, draft.body + b"trailing",
    ))  # fmt: skip


def _packing(draft: Draft, rng: random.Random) -> None:
    label = rng.choice((b"gzip", b"x-gzip", b"deflate", b"br", b"gzip, gzip", b"identity", b"zstd"))
    packed = gzip.compress(draft.body, mtime=0)
    draft.body = rng.choice((
        packed, zlib.compress(draft.body), draft.body, gzip.compress(packed, mtime=0), packed[:-5],
        gzip.compress(b" " * 2_000_000 + draft.body, mtime=0),
    ))  # fmt: skip
    draft.headers.append((b"Content-Encoding", label))


def _framing(draft: Draft, rng: random.Random) -> None:
    draft.framing = rng.choice(("chunked", "chunked", "close", "none", "both", "wrong"))
    if draft.framing == "close":
        draft.ends = End.CLOSED


def _around(draft: Draft, rng: random.Random) -> None:
    draft.before = rng.choice((
        b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 9,
        b"\r\n", b"\r\n\r\n\r\n", b"HTTP/1.1 101 Up\r\nUpgrade: x\r\n\r\n", b"\xff", b"garbage\r\n",
    ))  # fmt: skip
    draft.after = rng.choice((b"", b"", b"\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"\0" * 100, b"more"))


def _line_ends(draft: Draft, rng: random.Random) -> None:
    draft.line_end = rng.choice((b"\n", b"\r", b"\r\n", b"\r\n\t", b"\r\r\n"))


def _ending(draft: Draft, rng: random.Random) -> None:
    draft.ends = rng.choice(_ENDS)


_MUTATIONS: Final[tuple[Callable[[Draft, random.Random], None], ...]] = (
    _status, _status, _start_line, _header, _header, _header, _disposition, _disposition,
    _redirection, _json, _json, _json, _body, _packing, _framing, _framing, _around, _line_ends,
    _ending,
)  # fmt: skip


def _of_one_server(draft: Draft) -> Draft:
    """Leave out what would say something of others, too."""
    body = _LIMIT_REACHED.sub(b".0099", draft.body) if b"error_code" in draft.body else draft.body
    if draft.status == 429 or (draft.status == 401 and _TOKEN_REFUSED.search(body)):
        return replace(draft, status=418, body=body)
    return replace(draft, body=body)


def _of_one_server_alone(raw: bytes) -> bytes:
    return raw.replace(b" 429", b" 428").replace(b" 401", b" 402").replace(b".0003", b".0004")


def _in_chunks(body: bytes, rng: random.Random) -> bytes:
    size = rng.choice((1, 7, 100, 5000)) if len(body) < 3000 else 5000
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    extension = rng.choice((b"", b"", b";a=b", b' ;x="\xff"'))
    end = rng.choice(
        (b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\nX-Sum: 1\r\n\r\n", b"0\r\n", b"", b"zz\r\n")
    )
    return b"".join(b"%x%s\r\n%s\r\n" % (len(one), extension, one) for one in pieces) + end


def _bytes_mutated(raw: bytes, rng: random.Random) -> bytes:
    """Return it with one to three things wrong, most of them in the head."""
    spoilt = bytearray(raw)
    for _ in range(rng.randrange(1, 4)):
        end = min(len(spoilt), 200) if rng.random() < 0.7 else len(spoilt)
        at = rng.randrange(end + 1)
        size = rng.choice((1, 2, 8, 40))
        match rng.randrange(6):
            case 0 if at < len(spoilt):
                spoilt[at] ^= 1 << rng.randrange(8)
            case 1:
                del spoilt[at : at + size]
            case 2:
                spoilt[at:at] = spoilt[at : at + size]
            case 3:
                spoilt[at : at + size] = rng.randbytes(size)
            case 4:
                spoilt[at:at] = rng.choice((b"\0", b"\r\n", b"\n", b"\r", b": ", b"\xff", b" "))
            case _:
                del spoilt[at:]
    return bytes(spoilt)


def _timed(raw: bytes, draft: Draft, rng: random.Random) -> Answer:
    """Say when which bytes are sent, and how the connection ends."""
    steps: list[Step] = [raw]
    at = rng.randrange(len(raw) + 1)
    match rng.randrange(20):
        case 0:
            steps = [raw[:at], Wait(rng.choice((0.01, 0.1, 0.3))), raw[at:]]
        case 1:
            steps = [raw[:at], rng.choice(_ENDS)]
        case 2:
            steps = [*(raw[i : i + 1] for i in range(min(100, len(raw)))), raw[100:]]
        case 3:
            steps = [raw[:at], Drip(raw[at : at + 1] or b" ", rng.choice((0.01, 0.1)))]
        case 4:
            steps = [raw[:at], Drip(b"", 0.05, 3), raw[at:]]
        case _:
            pass
    if draft.ends is not None and not isinstance(steps[-1], End):
        steps.append(draft.ends)
    if draft.framing in ("none", "wrong") and not isinstance(steps[-1], End):
        steps.append(End.CLOSED)
    return tuple(steps)
