"""Who may look, and who may stop a run: over real TCP, with headers of good and bad browsers."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from collector.serving.guard import TokenError, token
from tests.support.onlooking import ask

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    Serving = Callable[..., AbstractContextManager[str]]

TOKEN = "t0ken-of-the-tests"  # not a secret


def port_of(url: str) -> str:
    return url.rsplit(":", 1)[1].strip("/")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "127.0.0.2"])
def test_this_machine_is_answered_by_any_of_its_own_names(serving: Serving, host: str) -> None:
    with serving() as url:
        answer = ask(url, headers={"Host": f"{host}:{port_of(url)}"})
    assert (answer.status, answer.body) == (200, b"GET / no token")


def test_a_tunnel_may_have_another_port(serving: Serving) -> None:
    with serving() as url:
        assert ask(url, headers={"Host": "localhost:9000"}).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1.evil.example:{port}",
        "localhost.evil.example",
        "10.0.0.1:{port}",
        "",
        "127.0.0.1:{port}@evil.example",
        "[::1",
        "127.0.0.1:{port}:{port}",
        "loc\u00e4lhost",
        "0x7f.1",
    ],
)
def test_another_host_name_is_refused(serving: Serving, host: str) -> None:
    with serving() as url:
        answer = ask(url, headers={"Host": host.format(port=port_of(url))})
    assert answer.status in (400, 403)
    assert b"token" not in answer.body


def test_a_whole_url_with_another_host_is_refused(serving: Serving) -> None:
    with serving() as url:
        for name, status in ((url, 200), ("http://localhost/", 200), ("http://evil.example/", 403)):
            with socket.create_connection(("127.0.0.1", int(port_of(url)))) as client:
                client.sendall(f"GET {name} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                assert client.recv(100).split()[1] == str(status).encode()


def test_a_request_with_no_host_name_or_with_two_is_refused(serving: Serving) -> None:
    with serving() as url:
        for hosts in (b"", b"Host: localhost\r\nHost: evil.example\r\n"):
            with socket.create_connection(("127.0.0.1", int(port_of(url)))) as client:
                client.sendall(b"GET / HTTP/1.1\r\n%bConnection: close\r\n\r\n" % hosts)
                assert client.recv(100).split()[1] in (b"400", b"403")


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:1", "https://localhost", "file://"],
)
def test_another_origin_is_refused(serving: Serving, origin: str) -> None:
    with serving() as url:
        for path in ("", "data", "events", "healthz"):
            answer = ask(url, path, headers={"Origin": origin})
            assert answer.status == 403
            assert "access-control-allow-origin" not in answer.headers


def test_the_pages_own_origin_is_answered(serving: Serving) -> None:
    with serving() as url:
        assert ask(url, "data", headers={"Origin": url.rstrip("/")}).status == 200


@pytest.mark.parametrize(
    ("site", "mode", "destination", "status"),
    [
        ("none", "navigate", "document", 200),
        ("same-origin", "cors", "empty", 200),
        ("cross-site", "navigate", "document", 200),  # somebody follows a link
        ("cross-site", "cors", "empty", 403),
        ("cross-site", "no-cors", "image", 403),
        ("cross-site", "no-cors", "script", 403),
        ("cross-site", "navigate", "iframe", 403),
        ("same-site", "cors", "empty", 403),  # another port of this machine
        ("same-site", "navigate", "iframe", 403),
    ],
)
def test_other_sites_can_link_here_and_nothing_else(
    serving: Serving, site: str, mode: str, destination: str, status: int
) -> None:
    headers = {
        "Sec-Fetch-Site": site,
        "Sec-Fetch-Mode": mode,
        "Sec-Fetch-Dest": destination,
    }
    with serving() as url:
        assert ask(url, headers=headers).status == status


def test_another_site_cannot_post_by_a_form(serving: Serving) -> None:
    headers = {
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }
    with serving() as url:
        assert ask(url, "stop", "POST", headers).status == 403


def test_from_another_address_nothing_is_answered_without_the_token(serving: Serving) -> None:
    with serving("0.0.0.0:0") as url:
        for path in ("", "data", "events", "healthz", "favicon.ico", "nothing"):
            answer = ask(url, path)
            assert answer.status == 401
            assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {TOKEN}"},
        {"Authorization": f"bearer  {TOKEN} "},
        {"Cookie": "other=1; collector-{port}=" + TOKEN},
    ],
)
def test_the_token_opens_everything(serving: Serving, headers: dict[str, str]) -> None:
    with serving("0.0.0.0:0") as url:
        sent = {name: value.format(port=port_of(url)) for name, value in headers.items()}
        assert ask(url, "data", headers=sent).body == b"GET /data token"
        assert ask(url, f"data?token={TOKEN}").body == b"GET /data token"


@pytest.mark.parametrize(
    "wrong",
    ["", "x", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper(), "\u00e9" * 18, "%00"],
)
def test_a_wrong_token_opens_nothing(serving: Serving, wrong: str) -> None:
    with serving("0.0.0.0:0") as url:
        headers = {"Authorization": f"Bearer {wrong}".encode().decode("latin-1")}
        assert ask(url, "data", headers=headers).status in (401, 403)


def test_a_wrong_token_of_a_page_is_told_where_the_right_one_is(serving: Serving) -> None:
    with serving() as url:
        answer = ask(url, "?token=wrong")
    assert answer.status == 403
    assert b"it is in the URL on its stderr" in answer.body


def test_on_loopback_an_old_cookie_keeps_nobody_from_looking(serving: Serving) -> None:
    with serving() as url:
        cookie = {"Cookie": f"collector-{port_of(url)}=of-an-earlier-collector"}
        assert ask(url, headers=cookie).body == b"GET / no token"


def test_another_address_may_be_named_as_it_is_and_by_no_strange_name(serving: Serving) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with serving("0.0.0.0:0") as url:
        for host in ("10.1.2.3", f"127.0.0.1:{port_of(url)}", socket.gethostname(), "[fe80::1]:80"):
            assert ask(url, headers=headers | {"Host": host}).status == 200
        assert ask(url, headers=headers | {"Host": "evil.example"}).status == 403


@pytest.mark.parametrize("given", ["short", "has space in it", "with/slash-in-it", "a\nb" * 5])
def test_a_token_that_cannot_be_one_is_refused_without_being_shown(given: str) -> None:
    with pytest.raises(TokenError) as refused:
        token({"COLLECTOR_SERVE_TOKEN": given})
    assert given not in str(refused.value)


def test_a_token_is_made_where_none_is_given() -> None:
    one, other = token({}), token({"COLLECTOR_SERVE_TOKEN": ""})
    assert one.is_new
    assert one.value != other.value
    assert len(one.value) == 32
    assert one.value not in repr(one)
