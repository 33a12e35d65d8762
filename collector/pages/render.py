"""A page as one HTML file: styles, scripts and data inside, and a policy that allows only these.

    static(page)                                # report.html
    live("data", "events", stop_url=None)       # the same page, which asks for its data

What `page.html` holds for this, each on a line of its own or anywhere:

    <!-- collector:policy -->                   the policy; live, also where data and events are
    <link rel="stylesheet" href="NAME.css">     a style sheet beside it, put in its place
    <script src="NAME.js"></script>             a script beside it, put in its place
    <!-- collector:data -->                     the data of a report
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from isal import isal_zlib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from collector.report.page import Page

TEMPLATE: Final = "page.html"
RUNS: Final = "runs.html"
DATA_ID: Final = "data"
"""The id of the element that holds a report's data."""

_POLICY: Final = "<!-- collector:policy -->"
_DATA: Final = "<!-- collector:data -->"
_PART: Final = re.compile(
    r'<link rel="stylesheet" href="(?P<css>[\w.-]+\.css)">'
    r'|<script src="(?P<js>[\w.-]+\.js)"></script>'
)
_LEVEL: Final = 3
_GZIP: Final = 16 + isal_zlib.MAX_WBITS
_BASE64_PIECE: Final = 3 << 14
"""Bytes that become base64 at once: a multiple of three."""


class _Template(NamedTuple):
    """The page with its styles and scripts, cut where the policy and the data go."""

    before: str
    between: str
    after: str
    scripts: tuple[str, ...]
    styles: tuple[str, ...]


def static(page: Page) -> bytes:
    """Make a report: the same bytes for the same page."""
    return b"".join(pieces(page))


def pieces(page: Page) -> Iterator[bytes]:
    """Make a report a piece at a time: what is written needs not be held."""
    template = _template()
    meta = f'<meta http-equiv="Content-Security-Policy" content="{_policy("none")}">'
    yield f"{template.before}{meta}{template.between}".encode()
    yield f'<script type="application/octet-stream" id="{DATA_ID}">'.encode()
    yield from _in_base64(_compressed(_json(page)))
    yield f"</script>{template.after}".encode()


def live(
    data_url: str, events_url: str, stop_url: str | None = None, runs_url: str | None = None
) -> bytes:
    """Make a page that fetches its data from one URL and its changes from another.

    Args:
        data_url: answers with a `Page` as JSON.
        events_url: a `text/event-stream`.
        stop_url: whom to tell to stop the run; None where this page may not.
        runs_url: the list of runs; None where there is none.
    """
    template = _template()
    urls = {"data": data_url, "events": events_url, "stop": stop_url}
    if runs_url is not None:
        urls["runs"] = runs_url
    content = html.escape(msgspec.json.encode(urls).decode())
    named = f'<meta name="collector-live" content="{content}">'
    meta = f'<meta http-equiv="Content-Security-Policy" content="{_policy("self")}">'
    return f"{template.before}{meta}\n{named}{template.between}{template.after}".encode()


def data(page: Page) -> bytes:
    """Make what a live page fetches: its data as JSON, compressed by gzip."""
    return b"".join(_compressed(_json(page)))


def live_policy() -> str:
    """Return the policy of a live page as a header, which can say more than a page itself."""
    return f"{_policy('self')}; frame-ancestors 'none'"


def runs() -> bytes:
    """Make the page that lists runs, which it fetches from `runs`."""
    template = _template(RUNS)
    meta = f'<meta http-equiv="Content-Security-Policy" content="{_policy("self", RUNS)}">'
    return f"{template.before}{meta}{template.between}{template.after}".encode()


def runs_policy() -> str:
    """Return the policy of the list of runs as a header."""
    return f"{_policy('self', RUNS)}; frame-ancestors 'none'"


def _policy(connect: str, name: str = TEMPLATE) -> str:
    """Return what a page may do: run its own scripts, use its own styles, connect or not."""
    template = _template(name)
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(template.scripts)}",
            f"style-src {' '.join(template.styles)}",
            "img-src data:",
            f"connect-src '{connect}'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


@cache
def _template(name: str = TEMPLATE) -> _Template:
    """Read the page and what it names."""
    beside = files("collector.pages")
    scripts: list[str] = []
    styles: list[str] = []

    def put_inside(match: re.Match[str]) -> str:
        name = match["css"] or match["js"]
        text = beside.joinpath(name).read_text(encoding="utf-8")
        element, hashes = ("style", styles) if match["css"] else ("script", scripts)
        if re.search(rf"</{element}|<!--", text, re.IGNORECASE):
            raise ValueError(f"{name} holds </{element} or <!--, which HTML would heed")
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        hashes.append(f"'sha256-{digest}'")
        return f"<{element}>{text}</{element}>"

    before, _, rest = beside.joinpath(name).read_text(encoding="utf-8").partition(_POLICY)
    between, _, after = rest.partition(_DATA)
    before, between, after = (_PART.sub(put_inside, part) for part in (before, between, after))
    return _Template(before, between, after, tuple(scripts), tuple(styles))


def _json(page: Page) -> Iterator[bytes]:
    """Make a page's JSON, a member at a time, and of the servers a column at a time."""
    encode = msgspec.json.encode
    opening = b"{"
    for name in page.__struct_fields__:
        value = getattr(page, name)
        yield b'%b"%b":' % (opening, name.encode())
        opening = b","
        if name == "servers":
            inner = b"{"
            for column in value.__struct_fields__:
                yield b'%b"%b":' % (inner, column.encode())
                yield encode(getattr(value, column))
                inner = b","
            yield b"}"
        else:
            yield encode(value)
    yield b"}"


def _compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Compress as gzip does, with no time in its header."""
    compressor = isal_zlib.compressobj(_LEVEL, wbits=_GZIP)
    for piece in pieces:
        if compressed := compressor.compress(piece):
            yield compressed
    yield compressor.flush()


def _in_base64(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Write bytes in base64, whole groups of three at a time."""
    rest = bytearray()
    for piece in pieces:
        rest += piece
        if len(rest) >= _BASE64_PIECE:
            whole = len(rest) // 3 * 3
            yield base64.b64encode(rest[:whole])
            del rest[:whole]
    yield base64.b64encode(rest)
