"""`collect --serve`: the page of a run while it is under way."""

from __future__ import annotations

import json
import signal
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from collector.emulator import Fault
from tests.support.command import fleet_of, server, servers, serving
from tests.support.onlooking import ask, looking_on, told, until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.command import Service
    from tests.support.onlooking import Told

LONG_S = 60.0
"""How long an export takes of a run that is not to end by itself."""


@contextmanager
def collecting(
    service: Service, *options: str, address: str = "127.0.0.1:0", last: str = "To stop the run"
) -> Iterator[tuple[subprocess.Popen[str], Told]]:
    process = service.start("collect", "fleet.json", "--serve", address, *options)
    try:
        yield process, told(process, last)
    finally:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, err = process.communicate(timeout=60)
    return process.returncode, err


def test_the_page_its_data_and_its_health_are_served(tmp_path: Path) -> None:
    fleet = fleet_of(servers(3), export_duration_s=LONG_S)
    with serving(fleet, tmp_path) as service, collecting(service) as (_, page):
        answer = ask(page.url)
        assert answer.status == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert b'"stop":null' in answer.body.replace(b"&quot;", b'"')
        data = ask(page.url, "data").json
        run_id = data["run"]["id"]
        assert data["run"]["state"] == "running"
        assert data["servers"]["name"] == ["bms-0", "bms-1", "bms-2"]
        assert data["glance"]["counts"]["servers"] == 3
        health = ask(page.url, "healthz").json
        assert health.pop("last_event_at").endswith("Z")
        assert health == {
            "run": run_id,
            "state": "running",
            "servers": 3,
            "collected": 0,
            "failed": 0,
            "pending": 3,
        }


def test_data_are_compressed_for_whoever_takes_that(tmp_path: Path) -> None:
    fleet = fleet_of(servers(3), export_duration_s=LONG_S)
    with serving(fleet, tmp_path) as service, collecting(service) as (_, page):
        packed = ask(page.url, "data", headers={"Accept-Encoding": "br, gzip"})
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.json["run"]["state"] == "running"
        for header in ({}, {"Accept-Encoding": "gzip;q=0, br"}):
            plain = ask(page.url, "data", headers=header)
            assert "content-encoding" not in plain.headers
            assert json.loads(plain.body)["run"]["id"] == packed.json["run"]["id"]


def test_every_answer_forbids_what_it_need_not_allow(tmp_path: Path) -> None:
    fleet = fleet_of(servers(1), export_duration_s=LONG_S)
    with serving(fleet, tmp_path) as service, collecting(service) as (_, page):
        for path in ("", "data", "healthz", "nothing"):
            headers = ask(page.url, path).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert headers["cache-control"] == "no-store"
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert not [name for name in headers if name.startswith("access-control")]


def test_there_is_nothing_else_and_nothing_can_be_changed(tmp_path: Path) -> None:
    fleet = fleet_of(servers(1), export_duration_s=LONG_S)
    with serving(fleet, tmp_path) as service, collecting(service) as (process, page):
        for path in ("x", "../etc/passwd", "%2e%2e/", "data/", "manifest.json", "journal.jsonl"):
            assert ask(page.url, f"/{path}").status == 404
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"):
            for path in ("", "data", "events", "healthz"):
                answer = ask(page.url, path, method)
                assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
        assert process.poll() is None


def test_onlookers_are_told_what_happens_and_last_that_the_run_has_ended(tmp_path: Path) -> None:
    some = [server(0), server(1, Fault("unknown_id")), *servers(5)[2:]]
    fleet = fleet_of(some, export_duration_s=6.0)
    with serving(fleet, tmp_path) as service, collecting(service) as (process, page):
        data = ask(page.url, "data")
        phases = data.json["servers"]["phase"]
        with looking_on(page.url, f"events?after={data.headers['etag'].strip(chr(34))}") as stream:
            events = list(stream)
        reasons = data.json["reasons"]
        notes = data.json["notes"]
        for event in events:
            for column, at in enumerate(event.data["at"]):
                phases[at] = event.data["rows"]["phase"][column]
            notes.update(event.data["notes"])
            reasons = event.data["reasons"] or reasons
        assert [event.name for event in events[:-1]] == ["delta"] * (len(events) - 1)
        last = events[-1]
        assert last.name == "ended"
        assert phases == [3, 4, 3, 3, 3]
        assert last.data["run"]["state"] == "partial"
        assert last.data["totals"]["collected"] == 4
        assert [reason["servers"] for reason in reasons] == [1]
        assert notes["1"]["message"]
        assert last.data["glance"] is None
        assert ended(process)[0] == 3


def test_the_report_on_disk_shows_what_the_page_showed_last(tmp_path: Path) -> None:
    fleet = fleet_of(servers(2), export_duration_s=5.0)
    with serving(fleet, tmp_path) as service, collecting(service) as (process, page):
        with looking_on(page.url) as stream:
            *_, last = stream
        assert ended(process)[0] == 0
        assert last.data["run"]["state"] == service.manifest()["run"]["state"] == "complete"
        assert (service.latest / "report.html").is_file()


def test_a_stream_that_was_cut_goes_on_where_it_was(tmp_path: Path) -> None:
    fleet = fleet_of(servers(3), export_duration_s=6.0)
    with serving(fleet, tmp_path) as service, collecting(service) as (_, page):
        etag = ask(page.url, "data").headers["etag"].strip('"')
        with looking_on(page.url, Last_Event_ID=etag) as stream:
            events = list(stream)
        assert {event.name for event in events} <= {"delta", "ended"}
        assert events[-1].name == "ended"
        assert {at for event in events for at in event.data["at"]} == {0, 1, 2}


@pytest.mark.parametrize(
    "shown", ["", "0badcafe.3", "nonsense", "1", "0badcafe.99999999999999999999", "\u00e9"]
)
def test_who_shows_what_is_not_known_here_is_told_to_begin_anew(tmp_path: Path, shown: str) -> None:
    fleet = fleet_of(servers(1), export_duration_s=LONG_S)
    with serving(fleet, tmp_path) as service, collecting(service) as (_, page):
        header = shown.encode().decode("latin-1")
        with looking_on(page.url, Last_Event_ID=header) as stream:
            assert next(iter(stream)).name == "reset"


def test_a_run_that_was_killed_and_resumed_on_the_same_port_is_shown_again(
    tmp_path: Path,
) -> None:
    fleet = fleet_of(servers(3), export_duration_s=10.0)
    with serving(fleet, tmp_path) as service:
        with collecting(service) as (process, page):
            service.wait_for_export("id-2")
            shown = ask(page.url, "data").headers["etag"].strip('"')
            process.send_signal(signal.SIGKILL)
            process.wait()
        with pytest.raises(OSError, match="refused"):
            ask(page.url)
        address = page.url.removeprefix("http://").strip("/")
        process = service.start("collect", "--resume", "latest", "--serve", address)
        with process:
            told(process, "To stop the run")
            with looking_on(page.url, Last_Event_ID=shown) as stream:
                events = iter(stream)
                assert next(events).name == "reset"
                assert ask(page.url, "data").json["servers"]["name"] == ["bms-0", "bms-1", "bms-2"]
                *_, last = events
            assert last.name == "ended"
            assert last.data["run"]["state"] == "complete"
            assert last.data["run"]["resumed"] == 1
            assert sum(last.data["series"]["collected"]) == 3
            process.communicate()


def test_a_port_that_is_taken_ends_the_command_before_anything_begins(tmp_path: Path) -> None:
    with (
        serving(fleet_of(servers(1)), tmp_path) as service,
        socket.create_server(("127.0.0.1", 0)) as taken,
    ):
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        refused = service.run("collect", "fleet.json", "--serve", address)
        assert refused.returncode == 2
        assert f"cannot serve at {address}: another program listens there" in refused.stderr
        assert "port 0" in refused.stderr
        assert not service.out.exists()


def test_an_address_that_is_none_ends_the_command_before_anything_begins(tmp_path: Path) -> None:
    with serving(fleet_of(servers(1)), tmp_path) as service:
        refused = service.run("collect", "fleet.json", "--serve", "8787")
        assert refused.returncode == 2
        assert "127.0.0.1:8787" in refused.stderr
        assert not service.out.exists()


def test_whoever_has_the_token_can_stop_the_run_as_ctrl_c_does(tmp_path: Path) -> None:
    fleet = fleet_of(servers(2), export_duration_s=LONG_S)
    with serving(fleet, tmp_path) as service, collecting(service) as (process, page):
        service.wait_for_export("id-1")
        assert page.url_with_token is not None
        token = page.url_with_token.partition("token=")[2]
        origin = page.url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}", "X-Collector": "stop", "Origin": origin}
        refused = [
            ask(page.url, "stop", "POST", {"X-Collector": "stop"}).status,
            ask(page.url, "stop", "POST", headers | {"Authorization": "Bearer x"}).status,
            ask(page.url, "stop", "POST", headers | {"Origin": "http://evil.example"}).status,
            ask(page.url, "stop", "POST", headers | {"X-Collector": "x"}).status,
            ask(page.url, "stop", "GET", headers).status,
        ]
        assert refused == [401, 401, 403, 403, 405]
        assert process.poll() is None
        assert ask(page.url, "stop", "POST", headers).status == 202
        code, err = ended(process)
        assert code == 130
        assert "Stopping: " in err
        assert token not in err
        assert service.manifest()["run"]["state"] == "interrupted"


def test_a_page_with_the_token_keeps_it_in_a_cookie_that_no_script_reads(tmp_path: Path) -> None:
    fleet = fleet_of(servers(1), export_duration_s=LONG_S)
    with serving(fleet, tmp_path) as service, collecting(service) as (_, page):
        assert page.url_with_token is not None
        query = page.url_with_token.removeprefix(page.url)
        answer = ask(page.url, query)
        assert (answer.status, answer.headers["location"]) == (303, "./")
        cookie, *attributes = answer.headers["set-cookie"].split("; ")
        assert {"HttpOnly", "SameSite=Strict"} <= set(attributes)
        body = ask(page.url, headers={"Cookie": cookie}).body
        assert b"&quot;stop&quot;:&quot;stop&quot;" in body


def test_from_another_address_the_token_of_the_environment_is_wanted_and_never_told(
    tmp_path: Path,
) -> None:
    secret = "a-token-from-the-environment"  # not one
    fleet = fleet_of(servers(1), export_duration_s=LONG_S)
    with serving(fleet, tmp_path) as service:
        environment = service.environment(COLLECTOR_SERVE_TOKEN=secret)
        process = service.start(
            "collect", "fleet.json", "--serve", "0.0.0.0:0", "-vv", env=environment
        )
        with process:
            page = told(process, "Live page")
            assert ask(page.url, "healthz").status == 401
            assert ask(page.url, "healthz", headers={"Authorization": "Bearer x"}).status == 403
            authorized = {"Authorization": f"Bearer {secret}"}
            assert ask(page.url, "healthz", headers=authorized).status == 200
            data = ask(page.url, "data", headers=authorized)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate()
        written = b"".join(path.read_bytes() for path in service.out.rglob("*") if path.is_file())
        for text in (data.body, written, "\n".join([*page.lines, err]).encode()):
            assert secret.encode() not in text


def test_the_first_lines_say_which_run_it_is_where_its_page_is_and_how_to_stop_it(
    tmp_path: Path,
) -> None:
    with serving(fleet_of(servers(1), export_duration_s=LONG_S), tmp_path) as service:
        process = service.start("collect", "fleet.json", "--serve", "127.0.0.1:0")
        with process:
            lines = told(process, "To stop the run").lines
            process.kill()
        assert [line.split()[0] for line in lines] == ["Run", "Live", "To"]


def test_a_token_that_was_made_is_shown_once_and_is_in_no_file(tmp_path: Path) -> None:
    fleet = fleet_of(servers(1), export_duration_s=0.5)
    with serving(fleet, tmp_path) as service:
        with collecting(service, "-vv", address="0.0.0.0:0", last="From other machines") as (
            process,
            page,
        ):
            assert page.url_with_token is not None
            token = page.url_with_token.partition("token=")[2]
            _, err = ended(process)
        assert sum(token in line for line in [*page.lines, *err.splitlines()]) == 1
        for path in tmp_path.rglob("*"):
            assert not path.is_file() or token.encode() not in path.read_bytes()


def test_onlookers_do_not_keep_a_run_from_ending(tmp_path: Path) -> None:
    fleet = fleet_of(servers(2), export_duration_s=2.0)
    with serving(fleet, tmp_path) as service, collecting(service) as (process, page):
        port = int(page.url.rsplit(":", 1)[1].strip("/"))
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
        for number, client in enumerate(idle):
            if number % 3:
                client.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"[: 10 * number])
        try:
            assert ended(process)[0] == 0
        finally:
            for client in idle:
                client.close()


def test_odd_requests_are_refused_and_say_nothing_on_stderr(tmp_path: Path) -> None:
    fleet = fleet_of(servers(1), export_duration_s=LONG_S)
    odd = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # somebody tries TLS
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /%00%ff%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET " + b"/" * 10_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 10_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"POST /stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x00" * 5000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]
    with serving(fleet, tmp_path) as service, collecting(service) as (process, page):
        port = int(page.url.rsplit(":", 1)[1].strip("/"))
        for request in odd:
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(request)
                client.shutdown(socket.SHUT_WR)
                client.settimeout(20)
                assert client.recv(100)[9:10] in (b"4", b"5", b"")
        assert ask(page.url, "healthz").status == 200
        process.send_signal(signal.SIGINT)
        _, err = ended(process)
    assert not [line for line in err.splitlines() if "onlooker" in line or "Error" in line]


def test_a_run_that_is_stopped_says_so_on_the_page(tmp_path: Path) -> None:
    fleet = fleet_of(servers(2), export_duration_s=LONG_S)
    with serving(fleet, tmp_path) as service, collecting(service) as (process, page):
        service.wait_for_export("id-1")
        with looking_on(page.url) as stream:
            process.send_signal(signal.SIGINT)
            *_, last = stream
        assert last.name == "ended"
        assert last.data["run"]["state"] == "interrupted"
        assert last.data["at"] == [0, 1]
        assert ended(process)[0] == 130
    until(lambda: process.poll() is not None)
