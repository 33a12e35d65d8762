"""Where to listen: what is refused is refused at once, with what to do."""

from __future__ import annotations

import socket

import pytest

from collector.serving.listening import AddressError, listen


@pytest.mark.parametrize(
    "address",
    [
        "",
        "8787",
        ":8787",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:-1",
        "::1:8787",
        "[::1]",
        "http://127.0.0.1:8787",
        "127.0.0.1:8787/",
        "user@127.0.0.1:8787",
        "127.0.0.1:\N{FULLWIDTH DIGIT EIGHT}787",
        "a b:80",
    ],
)
def test_what_is_no_address_is_refused_with_one_that_would_be(address: str) -> None:
    with pytest.raises(AddressError, match=r"write ADDR:PORT, as in 127\.0\.0\.1:8787"):
        listen(address)


def test_port_0_is_any_that_is_free() -> None:
    one = listen("127.0.0.1:0")
    other = listen("127.0.0.1:0")
    try:
        assert 0 < one.port != other.port > 0
        assert one.url == f"http://127.0.0.1:{one.port}/"
    finally:
        one.close()
        other.close()


def test_a_port_that_is_taken_is_named_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressError, match=f"127.0.0.1:{port}: another program listens there"):
            listen(f"127.0.0.1:{port}")


def test_a_port_can_be_served_at_again_at_once() -> None:
    one = listen("127.0.0.1:0")
    with socket.create_connection(("127.0.0.1", one.port)):
        one.sockets[0].setblocking(True)  # noqa: FBT003  # it takes no other
        accepted = one.sockets[0].accept()[0]
        one.close()
        accepted.close()
        listen(f"127.0.0.1:{one.port}").close()


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(AddressError, match=r"this machine has no address 192\.0\.2\.1"):
        listen("192.0.2.1:0")


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(AddressError, match="has no address here"):
        listen("no-such-host.invalid:0")


def test_a_port_that_is_too_high_is_told_so() -> None:
    with pytest.raises(AddressError, match="ports end at 65535"):
        listen("127.0.0.1:70000")


@pytest.mark.parametrize(
    ("address", "is_loopback", "is_everywhere"),
    [
        ("127.0.0.1:0", True, False),
        ("127.0.0.2:0", True, False),
        ("localhost:0", True, False),
        ("0.0.0.0:0", False, True),
    ],
)
def test_loopback_is_told_from_any_other_address(
    address: str, is_loopback: bool, is_everywhere: bool
) -> None:
    one = listen(address)
    try:
        assert (one.is_loopback, one.is_everywhere) == (is_loopback, is_everywhere)
    finally:
        one.close()


def test_all_addresses_of_a_name_have_the_same_port() -> None:
    one = listen("localhost:0")
    try:
        assert {each.getsockname()[1] for each in one.sockets} == {one.port}
    finally:
        one.close()
