"""Signatures are the vendor SDK's own, byte for byte."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer

from collector.providers.clouddc.signin.signing import signed, stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

REQUESTS = 2000
ALPHABETS = (
    "abcXYZ019",
    "-_.~",
    " +&=?#%:;,@!$'()*[]|\\^`{}<>\"",
    "äöüßéñà…",
    "日本語サーバ",
    "😀🧊",
    "/",
)


def words(chance: random.Random, most: int = 12) -> str:
    alphabets = chance.sample(ALPHABETS, chance.randint(1, 3))
    return "".join(chance.choice(chance.choice(alphabets)) for _ in range(chance.randint(0, most)))


def path(chance: random.Random) -> str:
    steps = [words(chance) for _ in range(chance.randint(1, 6))]
    how = chance.choice(["escaped", "plain", "broken"])
    if how == "escaped":
        steps = [quote(step, safe=chance.choice(["", "/", "~!$&'()*+,;=:@"])) for step in steps]
    elif how == "broken":
        steps.append(chance.choice(["%", "%zz", "%ff%fe", "%2F%2e%2E", "%C3%A4", "%25%32%46"]))
    return "/" + "/".join(steps) + chance.choice(["", "/"])


def query(chance: random.Random) -> list[tuple[str, str]]:
    names = [words(chance) for _ in range(chance.randint(1, 4))]  # few names: some stand twice
    pairs = [(chance.choice(names), words(chance)) for _ in range(chance.randint(0, 6))]
    return pairs + chance.choice([[], pairs[:1]])


def headers(chance: random.Random) -> dict[str, str]:
    found = {
        "Host": chance.choice(
            ["clouddc.example.com", "127.0.0.1:18080", "[::1]:8080", "bücher.de"]
        ),
        "X-Sdk-Date": stamp(chance.uniform(0, 4e9)),
    }
    if chance.random() < 0.7:
        found["Content-Type"] = chance.choice(
            ["application/json", "application/json;charset=utf-8", "application/bson", "text/plain",
             "multipart/form-data; boundary=x", "", "Application/JSON"]
        )  # fmt: skip
    if chance.random() < 0.5:
        found["X-Project-Id"] = words(chance)
    if chance.random() < 0.5:
        found["X-Security-Token"] = f" {words(chance, 200)}\t"
    for number in range(chance.randint(0, 3)):
        found[f"X-{chance.choice('aB_')}{number}"] = chance.choice([" ", "", "\u00a0"]) + words(
            chance
        )
    return found


def of_the_sdk(
    method: str, where: str, pairs: Sequence[tuple[str, str]], given: dict[str, str], body: bytes,
    ak: str, sk: str,
) -> dict[str, Any]:  # fmt: skip
    request = SdkRequest(
        method=method, schema="https", host=given["Host"], resource_path=where,
        query_params=list(pairs), header_params=dict(given), body=body,
    )  # fmt: skip
    Signer(BasicCredentials(ak, sk)).sign(request)
    found: dict[str, Any] = request.header_params
    return found


def on_the_wire(found: dict[str, str], *, of_the_sdk: bool) -> dict[str, bytes]:
    """The SDK hands its values on as Latin-1 that was UTF-8; aiohttp writes text as UTF-8."""
    return {
        name: value.encode("latin-1" if of_the_sdk and name != "Authorization" else "utf-8")
        for name, value in found.items()
    }


@pytest.mark.parametrize("part", range(4))
def test_signatures_are_those_of_the_vendors_sdk(part: int) -> None:
    chance = random.Random(part)  # noqa: S311  # no secret
    for _ in range(REQUESTS // 4):
        method = chance.choice(["GET", "POST", "PUT", "DELETE", "patch"])
        where, pairs, given = path(chance), query(chance), headers(chance)
        body = chance.choice([b"", b"{ }", words(chance, 60).encode(), chance.randbytes(200)])
        ak, sk = f"AK{chance.getrandbits(72):X}", words(chance, 40) or "s"
        theirs = of_the_sdk(method, where, pairs, given, body, ak, sk)
        ours = signed(method, where, pairs, given, body, ak=ak, sk=sk)
        assert on_the_wire(ours, of_the_sdk=False) == on_the_wire(theirs, of_the_sdk=True)


def test_a_stamp_is_the_second_in_utc() -> None:
    assert stamp(1_700_000_000.9) == "20231114T221320Z"
