"""Proxies of the environment, and what `no_proxy` keeps from them."""

from __future__ import annotations

import json
import socketserver
import threading
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.command import Service, fleet_of, servers, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

BYE: Final = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"


class Counting(socketserver.ThreadingTCPServer):
    """A proxy that lets nobody through, and counts who came."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        self.came = 0
        super().__init__(("127.0.0.1", 0), _Refusing)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Refusing(socketserver.BaseRequestHandler):
    server: Counting

    def handle(self) -> None:
        self.server.came += 1
        self.request.recv(65536)
        self.request.sendall(BYE)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(fleet_of(servers(1)), tmp_path_factory.mktemp("proxies")) as found:
        yield found


@pytest.fixture
def proxy() -> Iterator[Counting]:
    with Counting() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield server
        server.shutdown()


def collected(
    service: Service, host: str, proxy: str, no_proxy: str, *, within: str = "1s"
) -> tuple[int, str]:
    """Collect from a host, to be reached at the service's port; return the exit code and stderr."""
    port = service.emulator.url.rpartition(":")[2]
    text = json.dumps(service.emulator.inventory()).replace(
        service.emulator.url, f"http://{host}:{port}"
    )
    (service.home / "asked.json").write_text(text)
    variables = {"http_proxy": proxy, "NO_PROXY": no_proxy.replace("PORT", port)}
    ended = service.run(
        "collect", "asked.json", "--deadline", within, "--reuse-exports", "0", "--progress", "none",
        env=service.environment(**variables),
    )  # fmt: skip
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    ("host", "no_proxy"),
    [
        ("127.0.0.1", "example.com, 127.0.0.1:PORT"),
        ("127.0.0.1", "10.0.0.0/8,127.0.0.0/8,,"),
        ("127.0.0.1", " * "),
        ("localhost", "example.com LOCALHOST:PORT"),
        ("localhost", ".localhost"),
    ],
)
def test_what_no_proxy_names_is_reached_without_one(
    service: Service, proxy: Counting, host: str, no_proxy: str
) -> None:
    code, err = collected(service, host, proxy.url, no_proxy, within="30s")
    assert (code, proxy.came) == (0, 0), err


@pytest.mark.parametrize(
    ("host", "no_proxy"),
    [
        ("127.0.0.1", "127.0.0.1:1,[::1]:PORT,localhost,*:1"),
        ("127.0.0.1", "127.0.0.1/33,[127.0.0.1,10.0.0.0/8,*.127.0.0.1"),
        ("localhost", "127.0.0.0/8,::1,*.localhost,ocalhost"),
    ],
)
def test_what_no_proxy_does_not_name_goes_by_the_proxy(
    service: Service, proxy: Counting, host: str, no_proxy: str
) -> None:
    code, err = collected(service, host, proxy.url, no_proxy)
    assert code == 4, err
    assert proxy.came > 0


@pytest.mark.parametrize(
    "value",
    [
        "socks5://127.0.0.1:1080", "http://", "://", "http:/proxy:3128", "http://proxy:99999",
        "http://proxy:three", "http://[::1", "file:///etc/passwd", "http://us%3Aer:pw@proxy:1",
        "http://用户:密码@proxy:3128",
    ],
)  # fmt: skip
def test_proxy_that_cannot_be_used_is_refused_in_one_line(service: Service, value: str) -> None:
    before = len(service.emulator.statistics()["exports"]["by_server"])
    code, err = collected(service, "127.0.0.1", value, "")
    assert code == 2
    assert err.count("\n") == 1
    assert err.startswith("collector: the proxy for http URLs (http_proxy in the environment)")
    assert len(service.emulator.statistics()["exports"]["by_server"]) == before
