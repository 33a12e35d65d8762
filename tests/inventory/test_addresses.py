from __future__ import annotations

import pytest

from collector import addresses


@pytest.mark.parametrize(
    "url",
    [
        "http://ä..com", "http://。", "http://ä" + "b" * 70 + ".com", "http://xn--ä.com",
        "http://ex․ample.com", "http://１２７.0.0.1", "http://a..com", "http://.",  # noqa: RUF001
        "http://127.0.0.1:0", "http://" + "a" * 300, "http://a%00b", "http://[v1.x]", "http://[::1",
    ],
)  # fmt: skip
def test_endpoint_to_which_nothing_can_be_sent_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"host|port 0|brackets|URL"):
        addresses.normal(url)


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("http://LOCALHOST:80/", "http://localhost"),
        ("https://[::1]:8443/x/", "https://[::1]:8443/x"),
        ("http://münchen.example", "http://münchen.example"),
        ("http://a_b.example.", "http://a_b.example."),
    ],
)
def test_endpoint_has_one_form(url: str, normal: str) -> None:
    assert addresses.normal(url) == normal
