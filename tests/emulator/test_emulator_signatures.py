from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer

from collector.emulator import KeySpec, Scenario
from collector.emulator.keys import Keys
from collector.emulator.principals import Principal
from collector.emulator.signatures import SignedRequest, signature
from collector.emulator.statistics import Statistics

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = "20261129T120000Z"
NOW_S = 1795953600.0
LETTERS = "abcXYZ019-_.~ !$&'()*+,;=:@%/?#[]\"<>\\^`{|}\u00e9\u4e2d\U0001f511"


def text(random: Random, least: int = 1) -> str:
    return "".join(random.choices(LETTERS, k=random.randint(least, 12)))


def signed_by_the_vendor(seed: int) -> tuple[str, str, dict[str, str], bytes]:
    """Return a request as the vendor's signer leaves it: method, path with query, headers, body."""
    random = Random(seed)  # noqa: S311 - no secret
    method = random.choice(["GET", "POST", "PUT", "DELETE"])
    path = "/v1/" + "/".join(quote(text(random), safe="") for _ in range(random.randint(1, 5)))
    body = random.choice([b"", b"{}", text(random).encode(), random.randbytes(50)])
    headers = {"X-Sdk-Date": NOW, "X-Project-Id": "p1"}
    if random.random() < 0.5:
        headers["Content-Type"] = random.choice(["application/json", "application/octet-stream"])
    if random.random() < 0.3:
        headers["X-Name"] = f"  {text(random)}\u4e2d "
    query = [(text(random), text(random, 0)) for _ in range(random.randint(0, 4))]
    request = SdkRequest(
        method=method,
        schema="https",
        host="clouddc.cn-east-3.myhuaweicloud.com",
        resource_path=path,
        query_params=query,
        header_params=headers,
        body=body,
    )
    Signer(BasicCredentials("AK", "SK")).sign(request)
    return method, request.uri, request.header_params, body


def check(
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    security_token: str | None = None,
) -> Principal | str:
    scenario = Scenario(keys=(KeySpec("AK", "SK", security_token=security_token),))
    keys = Keys(scenario, Statistics(), 0.0)
    # As a server reads them: the bytes of the wire, which the vendor's signer wrote as Latin-1.
    read = {
        name.lower(): value.encode("latin-1").decode("utf-8") for name, value in headers.items()
    }
    return keys.check(SignedRequest(method, path, read, body), 0.0, NOW_S)


def test_what_the_vendors_signer_signs_is_accepted_and_nothing_else_of_it() -> None:
    for seed in range(500):
        method, path, headers, body = signed_by_the_vendor(seed)
        assert isinstance(check(method, path, headers, body), Principal), seed
        others = [
            ("PATCH", path, headers, body),
            (method, f"{path}{'&' if urlsplit(path).query else '?'}more=1", headers, body),
            (method, path.replace("/v1/", "/v2/", 1), headers, body),
            (method, path, {**headers, "X-Project-Id": "p2"}, body),
        ]
        if headers.get("X-Sdk-Content-Sha256") != "UNSIGNED-PAYLOAD" or not body:
            others.append((method, path, headers, body + b"."))
        for other in others:
            assert "verify aksk signature fail" in str(check(*other)), (seed, other)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic QUs6U0s=",
        "SDK-HMAC-SHA256 Access=AK",
        "SDK-HMAC-SHA256 Access=AK, SignedHeaders=x-sdk-date, Signature=12",
        "SDK-HMAC-SM3 Access=AK, SignedHeaders=x-sdk-date, Signature=" + 64 * "0",
    ],
)
def test_another_kind_of_authorization_is_refused(authorization: str) -> None:
    headers = {"Authorization": authorization, "X-Sdk-Date": NOW}
    assert check("GET", "/v1/p1", headers, b"") == "invalid authorization header"


@pytest.mark.parametrize("date", ["", "today", "2026-11-29T12:00:00Z"])
def test_a_request_without_a_good_date_is_refused(date: str) -> None:
    authorization = "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host, Signature=" + 64 * "0"
    told = check("GET", "/v1/p1", {"Authorization": authorization, "X-Sdk-Date": date}, b"")
    assert "signature time is missing or malformed" in str(told)


def signed(signed_headers: str, path: str, canonical_path: str = "") -> dict[str, str]:
    """Return the headers of a request that is signed as if it had gone to the canonical path."""
    headers = {"x-sdk-date": NOW, "host": "h", "x-security-token": "ST"}
    request = SignedRequest("GET", canonical_path or path, headers, b"")
    claimed = signature("SK", NOW, request.canonical(signed_headers))
    authorization = f"SDK-HMAC-SHA256 Access=AK, SignedHeaders={signed_headers}, Signature="
    return {**headers, "authorization": authorization + claimed}


@pytest.mark.parametrize(
    ("signed_headers", "words"),
    [
        ("host;x-security-token", "verify aksk signature fail"),
        ("host;x-sdk-date", "x-security-token is not signed"),
        ("x-sdk-date;x-security-token", None),
    ],
)
def test_the_date_and_the_security_token_must_be_signed(
    signed_headers: str, words: str | None
) -> None:
    told = check("GET", "/v1/p1", signed(signed_headers, "/v1/p1"), b"", security_token="ST")
    assert isinstance(told, Principal) if words is None else words in str(told)


def test_parameters_may_come_in_any_order() -> None:
    headers = signed("x-sdk-date;x-security-token", "/v1/p1?b=2&a=1&a=0")
    for path in ("/v1/p1?b=2&a=1&a=0", "/v1/p1?a=0&a=1&b=2"):
        assert isinstance(check("GET", path, headers, b"", security_token="ST"), Principal)
    canonical = SignedRequest("GET", "/v1/p1?b=2&a=1&a=0&c=+~%2F&d", {}, b"").canonical("host")
    assert canonical.split("\n")[2] == "a=0&a=1&b=2&c=%20~%2F&d="
