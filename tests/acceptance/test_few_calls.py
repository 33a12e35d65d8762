"""Whatever is wrong with signing in ends within ten calls, and says what it is and what to do.

Each row is run twice: by itself, and beside another account whose servers are collected meanwhile.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from collector.emulator import (
    IamFault,
    KeySpec,
    ProjectSpec,
    Scenario,
    ServerSpec,
    TokenSpec,
    UserSpec,
)
from tests.support.command import serving

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.command import Service

SERVERS = 40
USER = UserSpec(domain="acme", name="oncall", password="a right password")
KEY = KeySpec(ak="AKRIGHT0123456789AB", sk="sk-right-0123456789")
TEMPORARY = KeySpec(
    ak="AKTEMPORARY01234567", sk="sk-temporary-01234567", security_token="st-temporary"
)
TOKEN = {"kind": "token", "token_env": "T"}
KEYS = {"kind": "aksk", "ak_env": "AK", "sk_env": "SK"}
PASSWORD = {"kind": "password", "domain": "acme", "user": "oncall", "password_env": "P"}


@dataclass(frozen=True)
class Wrong:
    """Something that is wrong with an account.

    Attributes:
        credential: as the inventory has it; IAM's address is added.
        variables: what it reads.
        says: words of the message.
        advises: words of the hint.
        service: what is different about the service.
        project: the id that the inventory has, where it is not the right one.
    """

    credential: Mapping[str, str]
    variables: Mapping[str, str]
    says: str
    advises: str
    service: Mapping[str, Any] = field(default_factory=dict)
    project: str = "p1"


def denied(call: str, action: str) -> Wrong:
    token = TokenSpec(value="restricted", user="acme", denied=(call,))  # type: ignore[arg-type]
    return Wrong(
        TOKEN, {"T": "restricted"}, "Insufficient permissions", f"clouddc:imetal:{action}",
        {"tokens": (TokenSpec(), token)},
    )  # fmt: skip


WRONG = {
    "token": Wrong(TOKEN, {"T": "wrong-token"}, "decrypt token fail", "put a new token"),
    "token's project": Wrong(
        TOKEN, {"T": "scoped-token"}, "project p1", "put a new token",
        {"tokens": (TokenSpec(), TokenSpec(value="scoped-token", projects=("p9",)))},
    ),
    "password": Wrong(PASSWORD, {"P": "wrong-password"}, "IAM refuses", "check the domain"),
    "user": Wrong(
        PASSWORD | {"user": "nobody"}, {"P": USER.password}, "IAM refuses", "check the domain"
    ),
    "domain": Wrong(
        PASSWORD | {"domain": "acne"}, {"P": USER.password}, "IAM refuses", "check the domain"
    ),
    "password's project": Wrong(
        PASSWORD, {"P": USER.password}, "project", "project",
        {"users": (UserSpec(domain="acme", name="oncall", password=USER.password,
                            projects=("p9",)),)},
    ),
    "AK": Wrong(KEYS, {"AK": "AKWRONG0123456789AB", "SK": KEY.sk}, "not exist", "check"),
    "SK": Wrong(KEYS, {"AK": KEY.ak, "SK": "sk-wrong-0123456789"}, "signature", "check"),
    "temporary key": Wrong(
        KEYS | {"security_token_env": "ST"},
        {"AK": TEMPORARY.ak, "SK": TEMPORARY.sk, "ST": "st-temporary"},
        "refused", "get new temporary keys",
        {"keys": (KeySpec(ak=TEMPORARY.ak, sk=TEMPORARY.sk, security_token="st-temporary",
                          expires_after_s=0.0),)},
    ),
    "to start": denied("export", "createDumpLog"),
    "to ask": denied("status", "getDumpLogProgress"),
    "to download": denied("download", "createDownloadLog"),
    "IAM is down": Wrong(
        PASSWORD, {"P": USER.password}, "IAM", "IAM",
        {"iam_faults": (IamFault("unavailable", times=1000),)},
    ),
    "IAM throttles": Wrong(
        PASSWORD, {"P": USER.password}, "too often", "sign in as this user",
        {"iam_faults": (IamFault("throttled", times=1000, retry_after_s=1),)},
    ),
}  # fmt: skip


def serve(wrong: Wrong) -> Scenario:
    others: dict[str, Any] = {
        "users": (USER,), "keys": (KEY,), "tokens": (TokenSpec(),), "export_duration_s": 0.05,
        "archive_bytes": 1000,
    }  # fmt: skip
    return Scenario(
        projects=tuple(
            ProjectSpec(name, name, tuple(ServerSpec(f"{name}-{one}") for one in range(servers)))
            for name, servers in (("p1", SERVERS), ("p2", 3))
        ),
        **(others | dict(wrong.service)),
    )


def collect(service: Service, wrong: Wrong, *arguments: str) -> dict[str, Any]:
    """Collect with the wrong account, and with the right one in the other project."""
    inventory = json.loads((service.home / "fleet.json").read_text())
    credential = dict(wrong.credential)
    if credential["kind"] == "password":
        credential["iam_endpoint"] = service.emulator.url
    inventory["credentials"] = {"ours": credential, "others": TOKEN | {"token_env": "OTHERS"}}
    inventory.pop("defaults")
    ours, others = inventory["projects"]
    ours["credentials"], others["credentials"] = "ours", "others"
    (service.home / "fleet.json").write_text(json.dumps(inventory))
    variables = dict(wrong.variables) | {"OTHERS": "emulator-token"}
    ended = service.run(
        "collect", "fleet.json", "--json", *arguments, env=service.environment(**variables)
    )
    assert "Traceback" not in ended.stderr
    assert ended.stdout, ended.stderr
    return {"code": ended.returncode, "said": ended.stderr, **json.loads(ended.stdout)}


@pytest.mark.parametrize("name", WRONG)
def test_it_ends_in_under_ten_calls_with_5_and_says_what_to_do(tmp_path: Path, name: str) -> None:
    wrong = WRONG[name]
    with serving(serve(wrong), tmp_path) as service:
        ended = collect(service, wrong, "--select", "project=p1")
        seen = service.emulator.statistics()
    assert ended["code"] == 5, ended["said"]
    assert seen["calls"]["total"] + seen["iam_calls"] < 10
    rows = ended["not_collected"]
    assert len(rows) == SERVERS
    for row in rows:
        assert wrong.says.casefold() in row["error"]["message"].casefold()
        assert wrong.advises.casefold() in row["error"]["hint"].casefold()
    assert ended["totals"]["requests"] == seen["calls"]["total"]


@pytest.mark.parametrize("name", WRONG)
def test_beside_it_others_are_collected_and_it_is_3(tmp_path: Path, name: str) -> None:
    wrong = WRONG[name]
    with serving(serve(wrong), tmp_path) as service:
        ended = collect(service, wrong)
    assert ended["code"] == 3, ended["said"]
    assert ended["totals"]["collected"] == 3
    assert ended["totals"]["failed"] == SERVERS
