"""Headers that are odd where somebody reads them: names of archives, links, tags, dates, waits.

One server each, in one run a kind.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.support.answers import archived, named, page, reply, started
from tests.support.trial import (
    Failed,
    Home,
    Member,
    Table,
    assert_became,
    assert_in_order,
    assert_the_others_are_home,
    tried,
)
from tests.support.wire import always, first

if TYPE_CHECKING:
    from tests.support.trial import Plan, Trial, Trials
    from tests.support.wire import Call


def disposition(value: bytes) -> Member:
    """Whatever the name is: the archive is collected, under a safe one."""
    return Member({"download": lambda call: (named(call.server, value),)}, Home())


def extended(value: bytes) -> Member:
    return disposition(b"attachment; filename*=" + value)


NAMES: Table = {
    "gbk": disposition('attachment; filename="服务器日志.tar.gz"'.encode("gbk")),
    "big5": disposition('attachment; filename="伺服器.tar.gz"'.encode("big5")),
    "shift-jis": disposition('attachment; filename="ログ.tar.gz"'.encode("shift-jis")),
    "utf-8": disposition('attachment; filename="服务器日志.tar.gz"'.encode()),
    "latin-1": disposition('attachment; filename="prüfung.tar.gz"'.encode("latin-1")),
    "high-bytes": disposition(b'attachment; filename="' + bytes(range(128, 256)) + b'"'),
    "idna": extended(b"idna''x%2e"),
    "punycode": extended(b"punycode''%ff-%ff"),
    "nul": disposition(b"attachment; filename*0*=%00''x"),
    "nul-name": extended(b"UTF-8''%00"),
    "digits": disposition(b"attachment; filename*" + b"9" * 5000 + b"=x"),
    "digits-coded": disposition(b"attachment; filename*" + b"9" * 5000 + b"*=utf-8''x"),
    "base64": extended(b"base64''eA%3D%3D"),
    "zlib": extended(b"zlib''%78%9c%00"),
    "bz2": extended(b"bz2''BZh9"),
    "rot13": extended(b"rot13''ybtf"),
    "hex": extended(b"hex''6c6f67"),
    "quopri": extended(b"quopri''=41"),
    "uu": extended(b"uu''begin"),
    "undefined": extended(b"undefined''logs"),
    "unicode-escape": extended(b"unicode_escape''%5Cud800%5Cx1b"),
    "raw-unicode-escape": extended(b"raw_unicode_escape''%5Cuffff"),
    "utf-7": extended(b"utf-7''%2BAAA-"),
    "utf-16": extended(b"utf-16''%ff%fe%00"),
    "no-such-charset": extended(b"klingon''logs.tar.gz"),
    "charset-with-nul": extended(b"utf%008''logs.tar.gz"),
    "charset-long": extended(b"x" * 30_000 + b"''logs.tar.gz"),
    "charset-dotted": extended(b"..%2f..%2fos''logs.tar.gz"),
    "undecodable": extended(b"UTF-8''%ff%fe%fd.tar.gz"),
    "escapes-broken": extended(b"UTF-8''%zz%4%"),
    "quotes-only": extended(b"''"),
    "one-quote": extended(b"UTF-8'logs"),
    "many-quotes": extended(b"'" * 500),
    "good-and-extended": disposition(b"attachment; filename=a.tar.gz; filename*=UTF-8''b.tar.gz"),
    "continued": disposition(b'attachment; filename*0="logs."; filename*1="tar.gz"'),
    "continued-gap": disposition(b'attachment; filename*0="logs."; filename*7="gz"'),
    "continued-mixed": disposition(b"attachment; filename*0*=UTF-8''a%20; filename*1=b; filename"),
    "continued-odd-charset": disposition(b"attachment; filename*0*=idna''x%2e; filename*1*=%00"),
    "continued-negative": disposition(b"attachment; filename*-1=x; filename*0x1=y"),
    "no-value": disposition(b"attachment; filename"),
    "empty": disposition(b""),
    "empty-name": disposition(b'attachment; filename=""'),
    "semicolons": disposition(b";" * 5000),
    "equals": disposition(b"attachment; " + b"=" * 3000),
    "unbalanced": disposition(b'attachment; filename="logs.tar.gz'),
    "backslashes": disposition(b'attachment; filename="' + b"\\" * 2999 + b'"'),
    "comments": disposition(b"attachment" + b"(" * 3000 + b"; filename=x"),
    "long": disposition(b"attachment; filename=" + b"a" * 60_000),
    "many-parameters": disposition(b"attachment" + b"; filename=a" * 3000),
    "climbing": disposition(b'attachment; filename="../../../../etc/passwd"'),
    "absolute": disposition(b'attachment; filename="/etc/cron.d/x"'),
    "dots": disposition(b'attachment; filename=".."'),
    "hidden": disposition(b'attachment; filename=".bashrc"'),
    "windows": disposition(b'attachment; filename="C:\\Windows\\nul"'),
    "part": disposition(b'attachment; filename="logs.tar.gz.part"'),
    "device": disposition(b'attachment; filename="CON"'),
    "reversed": disposition('attachment; filename="a\u202egz.rat"'.encode()),
    "coded-word": disposition(b'attachment; filename="=?UTF-8?B?AGEvLi4vYg==?="'),
    "coded-word-odd": disposition(b'attachment; filename="=?idna?Q?x=2e?="'),
    "twice": Member(
        {"download": lambda call: (archived(
            call.server, b"Content-Disposition: attachment; filename=a",
            b"Content-Disposition: attachment; filename*=idna''x%2e",
        ),)},
        Home(),
    ),
}  # fmt: skip


def link(location: bytes | None, *more: bytes, becomes: Home | Failed, status: int = 302) -> Member:
    """A download that is sent elsewhere."""
    lines = () if location is None else (b"Location: " + location,)
    return Member({"download": always(reply(status, b"", *lines, *more))}, becomes)


NOWHERE = Failed("download", "unreadable|cut|link_refused|not_sent")


def nowhere(location: bytes | None, *more: bytes, status: int = 302) -> Member:
    """It leads nowhere: its server fails, after its tries."""
    return link(location, *more, becomes=NOWHERE, status=status)


def to_storage(status: int, call: Call) -> bytes:
    return reply(status, b"", b"Location: /stored/" + call.server.encode())


LINKS: Table = {
    "port-99999": nowhere(b"http://h:99999/"),
    "port-huge": nowhere(b"http://h:" + b"9" * 5000 + b"/"),
    "port-negative": nowhere(b"http://h:-1/"),
    "port-words": nowhere(b"http://h:http/"),
    "port-zero": nowhere(b"http://127.0.0.1:0/"),
    "missing": nowhere(None),
    "blank": nowhere(b""),
    "no-host": nowhere(b"http://"),
    "no-host-path": nowhere(b"http:///x"),
    "slashes": nowhere(b"//"),
    "host-of-dots": nowhere(b"http://a..b/"),
    "host-too-long": nowhere(b"http://" + b"a" * 70 + b".b/"),
    "host-far-too-long": nowhere(b"http://" + b"a" * 30_000 + b"/"),
    "host-high-bytes": nowhere(b"http://\xff\xfe/"),
    "host-idna-broken": nowhere(b"http://xn--\xe4/"),
    "host-escaped": nowhere(b"http://%00/"),
    "host-spaces": nowhere(b"http://a b/"),
    "brackets-open": nowhere(b"http://[::1"),
    "brackets-empty": nowhere(b"http://[]/"),
    "brackets-words": nowhere(b"http://[v1.x]/"),
    "brackets-zone": nowhere(b"http://[fe80::1%25no-such-zone]:1/"),
    "script": nowhere(b"javascript:alert(1)"),
    "file": nowhere(b"file:///etc/passwd"),
    "ftp": nowhere(b"ftp://127.0.0.1/x"),
    "data": nowhere(b"data:application/gzip;base64,H4sI"),
    "scheme-odd": nowhere(b"ht\xfftp://127.0.0.1/"),
    "nul": nowhere(b"http://127.0.0.1:1\0/"),
    "escape-codes": nowhere(b"\x1b]0;owned\x07"),
    "refused-port": nowhere(b"http://127.0.0.1:1/x"),
    "itself": link(b"content", becomes=NOWHERE),
    "very-long": nowhere(b"http://127.0.0.1:1/" + b"a" * 60_000),
    "multiple-choices": nowhere(None, status=300),
    "use-proxy": nowhere(b"http://127.0.0.1:1/", status=305),
    "status-399": nowhere(b"/stored/x", status=399),
    "to-a-page": Member(
        {
            "download": lambda call: (to_storage(302, call),),
            "stored": always(page(200)),
        },
        Failed("download", "unreadable"),
    ),
    "to-a-refusal": Member(
        {
            "download": lambda call: (to_storage(307, call),),
            "stored": always(page(403)),
        },
        NOWHERE,
    ),
}  # fmt: skip


def sent_on(status: int, prefix: bytes = b"/stored/", *, suffix: bytes = b"") -> Member:
    """It leads to the archive, by some way."""

    def answer(call: Call) -> tuple[bytes]:
        location = b"Location: " + prefix + call.server.encode() + suffix
        return (reply(status, b"", location),)

    return Member({"download": answer}, Home())


GOOD_LINKS: Table = {
    "moved": sent_on(301),
    "found": sent_on(302),
    "other": sent_on(303),
    "temporary": sent_on(307),
    "permanent": sent_on(308),
    "relative": sent_on(302, b"../../../../../../../stored/"),
    "signed": sent_on(302, suffix=b"?sig=a%2Fb+c==&x=%E6%97%A5"),
    "query-odd": sent_on(302, suffix=b"?x=%zz%&&==??"),
    "query-high-bytes": sent_on(302, suffix="?x=日志".encode()),
    "with-fragment": sent_on(302, suffix=b"#part"),
    "with-page": Member(
        {"download": lambda call: (page(302, b"Location: /stored/" + call.server.encode()),)},
        Home(),
    ),
}


def tagged(*lines: bytes) -> Member:
    """A sound archive under odd headers."""
    return Member({"download": lambda call: (archived(call.server, *lines),)}, Home())


def answered(*lines: bytes) -> Member:
    """A sound answer to a POST under odd headers."""
    return Member(
        {"export": lambda call: (started(f"e-{call.server}").replace(
            b"\r\n\r\n", b"\r\n" + b"\r\n".join(lines) + b"\r\n\r\n", 1),)},
        Home(),
    )  # fmt: skip


def busy_once(*lines: bytes) -> Member:
    """A 503 with an odd Retry-After, once."""
    return Member({"export": first(1, reply(503, b"busy", *lines, kind=b"text/plain"))}, Home(2))


OTHERS: Table = {
    "etag-long": tagged(b'ETag: "' + b"a" * 50_000 + b'"'),
    "etag-open": tagged(b'ETag: "'),
    "etag-weak": tagged(b'ETag: W/"x"'),
    "etag-high-bytes": tagged(b'ETag: "\xff\xfe"'),
    "etag-escape-codes": tagged(b'ETag: "\x1b[2J"'),
    "etag-twice": tagged(b'ETag: "a"', b'ETag: "b"'),
    "content-range": tagged(b"Content-Range: bytes 5-9/10"),
    "content-range-odd": tagged(b"Content-Range: bytes " + b"9" * 400 + b"-0/*"),
    "accept-ranges-odd": tagged(b"Accept-Ranges: \xff"),
    "md5-odd": tagged(b"Content-MD5: " + b"=" * 100),
    "digest-odd": tagged(b"Digest: sha-256=" + b"\xff" * 50 + b",,,=,"),
    "repr-digest-odd": tagged(b"Repr-Digest: sha-512=:???:"),
    "last-modified-odd": tagged(b"Last-Modified: yesterday"),
    "date-9999": answered(b"Date: Fri, 31 Dec 9999 23:59:59 GMT"),
    "date-10000": answered(b"Date: Sat, 01 Jan 10000 00:00:00 GMT"),
    "date-0": answered(b"Date: Sat, 01 Jan 0000 00:00:00 GMT"),
    "date-digits": answered(b"Date: Fri, " + b"9" * 400 + b" Dec " + b"9" * 400 + b" 23:59:59 GMT"),
    "date-zone": answered(b"Date: Fri, 31 Dec 9999 23:59:59 -2359"),
    "date-zone-odd": answered(b"Date: Fri, 31 Dec 2026 23:59:59 +9999999999999"),
    "date-high-bytes": answered(b"Date: \xff\xfe"),
    "date-twice": answered(b"Date: Thu, 01 Jan 1970 00:00:00 GMT", b"Date: never"),
    "limits-odd": answered(
        b"X-Apig-RateLimit-Api: remain:99,limit:" + b"9" * 400 + b",time:0 day",
        b"X-Apig-RateLimit-User: remain:-1,limit:0,time:" + b"9" * 400 + b" second",
        b"X-Apig-RateLimit-Ip: \xff,,,::",
    ),
    "request-id-odd": Member(
        {"status": always(reply(500, b"", b"X-Request-Id: \x1b[2J" + b"\xff" * 5000))},
        Failed("status", "unreadable|service_failed"),
    ),
    "authenticate": answered(b'WWW-Authenticate: Basic realm="x"'),
    "cookie-odd": answered(b"Set-Cookie: =;;; \xff", b"Set-Cookie: " + b"a" * 9000),
    "link-odd": answered(b'Link: <http://[::1>; rel="next', b"Link: <<<>>>;;;"),
    "content-type-odd": answered(b"Content-Type: ;;;=\xff/"),
    "refresh": answered(b"Refresh: 0; url=http://127.0.0.1:1/"),
    "upgrade": answered(b"Upgrade: h2c, websocket"),
    "alt-svc": answered(b'Alt-Svc: h3=":443"'),
    "keep-alive-odd": answered(b"Keep-Alive: timeout=" + b"9" * 400, b"Connection: Keep-Alive"),
    "expect": answered(b"Expect: 100-continue"),
    "wait-negative": busy_once(b"Retry-After: -1"),
    "wait-nothing": busy_once(b"Retry-After: 0"),
    "wait-empty": busy_once(b"Retry-After:"),
    "wait-words": busy_once(b"Retry-After: soon"),
    "wait-nan": busy_once(b"Retry-After: nan"),
    "wait-part": busy_once(b"Retry-After: 0.5"),
    "wait-exponent": busy_once(b"Retry-After: 1e-3"),
    "wait-arabic": busy_once("Retry-After: ٣".encode()),
    "wait-past": busy_once(
        b"Date: Thu, 01 Jan 2026 00:00:00 GMT", b"Retry-After: Wed, 31 Dec 2025 00:00:00 GMT"
    ),
    "wait-twice": busy_once(b"Retry-After: 0", b"Retry-After: 0"),
    "wait-date-odd": busy_once(b"Retry-After: Fri, 99 Foo 99999 99:99:99 GMT"),
    "wait-no-unicode": busy_once(b"Retry-After: \xff\xfe"),
}  # fmt: skip

PLANS: dict[str, Plan] = {
    "names": partial(tried, NAMES),
    "links": partial(tried, LINKS | GOOD_LINKS),
    "others": partial(tried, OTHERS),
}


@pytest.fixture
def names(trials: Trials) -> Trial:
    return trials["names"]


@pytest.fixture
def links(trials: Trials) -> Trial:
    return trials["links"]


@pytest.fixture
def others(trials: Trials) -> Trial:
    return trials["others"]


@pytest.mark.parametrize("server", NAMES)
def test_archive_is_collected_whatever_it_is_called(names: Trial, server: str) -> None:
    assert_became(names, server, NAMES[server].becomes)


def test_archives_with_odd_names_hold_nobody_up(names: Trial) -> None:
    assert_the_others_are_home(names)
    assert_in_order(names)


@pytest.mark.parametrize("server", LINKS)
def test_link_that_leads_nowhere_fails_its_own_server(links: Trial, server: str) -> None:
    assert_became(links, server, LINKS[server].becomes)


@pytest.mark.parametrize("server", GOOD_LINKS)
def test_link_that_leads_somewhere_is_followed(links: Trial, server: str) -> None:
    assert_became(links, server, GOOD_LINKS[server].becomes)


def test_odd_links_hold_nobody_up(links: Trial) -> None:
    assert_the_others_are_home(links)
    assert_in_order(links)


@pytest.mark.parametrize("server", OTHERS)
def test_odd_header_changes_nothing(others: Trial, server: str) -> None:
    assert_became(others, server, OTHERS[server].becomes)


def test_odd_headers_hold_nobody_up(others: Trial) -> None:
    assert_the_others_are_home(others)
    assert_in_order(others)
