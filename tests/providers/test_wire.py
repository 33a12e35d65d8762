from __future__ import annotations

import shutil
import socket
import ssl
import struct
import subprocess
from typing import TYPE_CHECKING

import aiohttp
import pytest

from collector.model.answers import ExportSaid, Problem, ProblemKind
from collector.providers.http import wire
from collector.providers.http.proxies import UnusableProxyError
from collector.providers.http.transport import UnusableCAFileError
from collector.redaction import Secrets
from tests.support.loopback import (
    ARCHIVE,
    TOKEN,
    Answer,
    clouddc,
    request_head,
    serving,
    speaking,
    target,
)
from tests.support.open_files import no_file_left

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

pytestmark = pytest.mark.anyio
P = ProblemKind
RUNNING = Answer(200, {"export_id": "e1", "status": "processing"})
WHOLE = b'HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n{"status": "processing"}'


async def ask(endpoint: str, ca_file: Path | None = None) -> ExportSaid | Problem:
    async with clouddc(ca_file=ca_file) as fleet:
        return await fleet.ask_status(target(endpoint), "e1", asks_limits=False)


async def problem_at(endpoint: str) -> Problem:
    answer = await ask(endpoint)
    assert isinstance(answer, Problem)
    return answer


# Never sent


async def test_a_refused_connection_means_that_nothing_was_sent() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        problem = await problem_at(f"http://127.0.0.1:{port}")
    assert (problem.kind, problem.http_status) == (P.NOT_SENT, None)
    assert problem.message == f"cannot connect to 127.0.0.1 port {port}: Connection refused"


async def test_too_many_open_files_are_not_the_endpoints_fault() -> None:
    async with serving(RUNNING) as service, clouddc() as fleet:
        with no_file_left():
            problem = await fleet.ask_status(target(service.url), "e1", asks_limits=False)
    assert isinstance(problem, Problem)
    assert problem.kind is P.NOT_SENT
    assert "this process has reached its limit on open files and connections" in problem.message
    assert problem.hint is not None
    assert "ulimit -n" in problem.hint


async def test_a_host_that_no_query_can_carry_means_that_nothing_was_sent() -> None:
    assert (await problem_at(f"http://{'a' * 70}.example")).kind is P.NOT_SENT


# Sent, and the answer did not arrive whole


async def test_a_connection_closed_before_an_answer_leaves_a_call_in_doubt() -> None:
    async def speak(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await request_head(reader)

    async with speaking(speak) as url:
        problem = await problem_at(url)
    assert (problem.kind, problem.http_status) == (P.CUT, None)


async def test_a_reset_leaves_a_call_in_doubt() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with speaking(speak) as url:
        assert (await problem_at(url)).kind is P.CUT


async def test_a_body_cut_short_leaves_a_call_in_doubt() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(WHOLE[:-5])
        await writer.drain()

    async with speaking(speak) as url:
        assert (await problem_at(url)).kind is P.CUT


async def test_silence_leaves_a_call_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.providers.http.wire.TOTAL_S", 0.25)

    async def speak(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await request_head(reader)
        await reader.read()

    async with speaking(speak) as url:
        problem = await problem_at(url)
    assert problem.kind is P.CUT
    assert problem.message == "the answer was not complete after 0.25 seconds"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_kept_connection_that_closes_is_cut_and_nothing_is_sent_again(method: str) -> None:
    requests = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await request_head(reader))
        writer.write(WHOLE)
        requests.append(await request_head(reader))

    async with speaking(speak) as url, clouddc() as fleet:
        here = target(url)
        first = await fleet.ask_status(here, "e1", asks_limits=False)
        if method == "GET":
            second = await fleet.ask_status(here, "e1", asks_limits=False)
        else:
            second = await fleet.start_export(here, asks_limits=False)
    assert isinstance(first, ExportSaid)
    assert isinstance(second, Problem)
    assert second.kind is P.CUT
    assert [request.split()[0].decode() for request in requests] == ["GET", method]


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\0" * 99]
)
async def test_an_answer_that_is_no_http_is_unreadable(answer: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(answer)
        await writer.drain()

    async with speaking(speak) as url:
        assert (await problem_at(url)).kind is P.UNREADABLE


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (aiohttp.ClientConnectionResetError("Cannot write to closing transport"), P.CUT),
        (aiohttp.ClientOSError(32, "Broken pipe"), P.CUT),
        (aiohttp.ClientConnectionError("Connection closed"), P.CUT),
        (aiohttp.ClientPayloadError("x"), P.CUT),
        (ConnectionResetError(), P.CUT),
        (TimeoutError(), P.CUT),
        (aiohttp.ConnectionTimeoutError("x"), P.NOT_SENT),
        (wire.UnusableAddressError("x"), P.NOT_SENT),
        (aiohttp.InvalidURL("x"), P.UNREADABLE),
        (UnicodeError("x"), P.UNREADABLE),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_happened_is_told_in_words(error: Exception, kind: P) -> None:
    problem = wire.problem_of(error, Secrets())
    assert problem.kind is kind
    assert len(problem.message) > 20


# Proxies


async def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(RUNNING) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//user:pass@"))
        answer = await ask("http://clouddc.invalid")
    assert isinstance(answer, ExportSaid)
    assert proxy.last.headers["Host"] == "clouddc.invalid"
    assert proxy.last.headers["Proxy-Authorization"].startswith("Basic ")


async def test_a_host_of_no_proxy_is_spoken_to_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(RUNNING) as server, serving(Answer(502)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        answer = await ask(server.url)
    assert isinstance(answer, ExportSaid)
    assert proxy.heard == []


@pytest.mark.parametrize("status", [407, 502])
async def test_a_proxy_that_refuses_a_tunnel_has_sent_nothing(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(Answer(status)) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        problem = await problem_at("https://clouddc.invalid")
    assert problem.kind is P.NOT_SENT
    assert str(status) in problem.message
    assert TOKEN not in str(proxy.last)


async def test_a_proxy_that_cannot_be_reached_has_sent_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://user:canary@127.0.0.1:9")
    problem = await problem_at("http://clouddc.invalid")
    assert problem.kind is P.NOT_SENT
    assert "proxy" in problem.message
    assert "canary" not in problem.message


async def test_a_proxy_without_a_scheme_is_an_http_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(RUNNING) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removeprefix("http://"))
        assert isinstance(await ask("http://clouddc.invalid"), ExportSaid)


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:1080", "http://", "http://[", "://"])
async def test_a_proxy_that_cannot_be_used_is_refused_at_the_start(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", value)
    with pytest.raises(UnusableProxyError, match="https_proxy"):
        async with clouddc():
            pass


async def test_netrc_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password canary\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with serving(RUNNING) as server:
        await ask(server.url)
    assert "Authorization" not in server.last.headers


# TLS, and other addresses


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl command to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-nodes", "-newkey", "ec"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.fixture
def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


async def test_a_certificate_of_the_ca_file_is_trusted(
    certificate: tuple[Path, Path], tls: ssl.SSLContext
) -> None:
    async with serving(RUNNING, tls=tls) as server:
        assert isinstance(await ask(server.url, ca_file=certificate[0]), ExportSaid)


async def test_a_certificate_of_an_unknown_authority_is_not_trusted(tls: ssl.SSLContext) -> None:
    async with serving(RUNNING, tls=tls) as server:
        problem = await problem_at(server.url)
    assert problem.kind is P.NOT_SENT
    assert "127.0.0.1 is not trusted: self-signed certificate" in problem.message.replace(
        "self signed", "self-signed"
    )
    assert problem.hint is not None
    assert "--ca-file" in problem.hint
    assert server.heard == []


async def test_a_redirection_never_leads_from_https_to_http(
    certificate: tuple[Path, Path], tls: ssl.SSLContext
) -> None:
    async with serving(Answer(200, ARCHIVE)) as plain:
        moved = Answer(302, b"", {"Location": plain.url})
        async with (
            serving(moved, tls=tls) as api,
            clouddc(ca_file=certificate[0]) as fleet,
            fleet.open_archive(target(api.url), "e1", asks_limits=False) as problem,
        ):
            assert isinstance(problem, Problem)
    assert (problem.kind, problem.http_status) == (P.UNREADABLE, 302)
    assert plain.heard == []


async def test_https_to_a_plain_port_means_that_nothing_was_sent() -> None:
    async with serving(RUNNING) as server:
        problem = await problem_at(server.url.replace("http:", "https:"))
    assert problem.kind is P.NOT_SENT
    assert server.heard == []


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
async def test_a_ca_file_that_cannot_be_used_is_named(
    content: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnusableCAFileError, match=r"ca\.pem"):
        async with clouddc(ca_file=path):
            pass


async def test_an_endpoint_may_be_an_ipv6_address() -> None:
    try:
        async with serving(RUNNING, host="::1") as server:
            assert isinstance(await ask(server.url), ExportSaid)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback address")
    assert server.last.headers["Host"] == server.url.removeprefix("http://")
