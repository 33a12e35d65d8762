"""What looks like a secret is hidden, and what is known to be one in whatever writing."""

from __future__ import annotations

import base64
import html
import json
from typing import Any
from urllib.parse import quote

import pytest

from collector.redaction import Secrets, arguments, hide, hide_fact

CANARY = "canary/+Ab9=="


@pytest.mark.parametrize(
    "text",
    [
        f"X-Auth-Token: {CANARY}",
        f"{{'X-Auth-Token': '{CANARY}', 'Accept': '*/*'}}",
        json.dumps({"X-Auth-Token": CANARY}),
        json.dumps({"said": json.dumps({"X-Security-Token": CANARY})}),
        f"(b'X-Auth-Token', b'{CANARY}')",
        f"Authorization: Bearer {CANARY}",
        f"Authorization: SDK-HMAC-SHA256 Access=AK, SignedHeaders=a;b, Signature={CANARY}",
        f"Proxy-Authorization: Basic {CANARY}",
        f"<CIMultiDict('Authorization': 'Bearer {CANARY}')>",
        json.dumps({"said": json.dumps({"Authorization": f"Bearer {CANARY}"})}),
        f"Cookie: a=1; b={CANARY}",
        f"Set-Cookie: {CANARY}; Path=/",
        f"{{'Cookie': 'a=1; b={CANARY}'}}",
        "https://user:canary@pass@host/path",
        f"https://{quote(CANARY, safe='')}@host",
        f"https://host/archive?X-Amz-Signature={CANARY}",
        f"https://user:{quote(CANARY, safe='')}@host/archive?AccessKeyId={CANARY}&Expires=1",
        f"/archive?Expires=1&Signature={CANARY}",
        f"AccessKeyId={CANARY}",
        f"X-Amz-Credential={CANARY}&X-Amz-Date=1",
        f"password={CANARY}",
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str) -> None:
    assert "canary" not in hide(text)
    assert "***" in hide(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://service.example/v1/p1/servers",
        "the token is wrong or has expired",
        "authorization, cookies and what else there is",
        "server=bms-1 attempt=2 credential=ops token_env=CLOUDDC_TOKEN",
        "a mail to someone@example.org",
    ],
)
def test_what_does_not_look_like_one_stays(text: str) -> None:
    assert hide(text) == text


def test_a_header_of_several_words_hides_its_line_and_no_other() -> None:
    assert hide(f"Authorization: Bearer {CANARY}\nHost: a") == "Authorization: ***\nHost: a"


@pytest.mark.parametrize(
    ("argv", "kept"),
    [
        (["--token", CANARY, "fleet.yaml"], ["--token", "***", "fleet.yaml"]),
        ([f"--token={CANARY}"], ["--token=***"]),
        ([f"--auth-token={CANARY}\n{CANARY}"], ["--auth-token=***"]),
        (["--proxy-password", "-canary"], ["--proxy-password", "***"]),
        (["--api-key", "--token"], ["--api-key", "***"]),
        (["-H", f"Authorization: Bearer {CANARY}"], ["-H", "Authorization: ***"]),
        (["https://u:canary@host/f?sig=canary"], ["https://***@host/f?***"]),
        (["--token-file", "/run/token", "--deadline", "5m"], None),
    ],
)
def test_arguments_keep_no_secret(argv: list[str], kept: list[str] | None) -> None:
    assert list(arguments(argv)) == (argv if kept is None else kept)


@pytest.mark.parametrize(
    "written",
    [
        CANARY,
        quote(CANARY),
        quote(CANARY, safe=""),
        quote(CANARY, safe="").lower().replace("ab9", "Ab9"),
        json.dumps(CANARY),
        CANARY.replace("/", r"\/"),
        base64.b64encode(CANARY.encode()).decode(),
        base64.urlsafe_b64encode(CANARY.encode()).decode().rstrip("="),
    ],
)
def test_a_known_secret_is_hidden_in_any_usual_writing(written: str) -> None:
    secrets = Secrets()
    secrets.add(CANARY)
    for begun in ("", "x"):
        hidden = secrets.out_of(f"{begun}{written} is wrong")
        assert written.strip('"')[:12] not in hidden
        assert secrets.out_of_bytes(f"{begun}{written}".encode()).decode().count("***") == 1


def test_a_known_secret_is_hidden_in_a_page() -> None:
    secrets = Secrets()
    secrets.add("canary&canary")
    assert secrets.out_of(html.escape("canary&canary")) == "***"


def test_of_secrets_of_which_one_begins_with_another_nothing_stays() -> None:
    secrets = Secrets()
    secrets.add("canary")
    secrets.add("canary-and-more")
    assert secrets.out_of("canary-and-more, canary") == "***, ***"


def test_a_secret_of_a_few_characters_spoils_no_text() -> None:
    secrets = Secrets()
    secrets.add("a")
    assert secrets.out_of("a day") == "a day"


def test_secrets_are_told_to_nobody_who_prints_them() -> None:
    secrets = Secrets()
    secrets.add(CANARY)
    assert "canary" not in repr(secrets)


@pytest.mark.parametrize(
    "event",
    [
        {"token": CANARY},
        {"headers": {"X-Auth-Token": CANARY}},
        {"headers": [("Authorization", CANARY)]},
        {"raw": ((b"Authorization", CANARY.encode()),)},
        {"deep": [{"a": ({"password": [CANARY]},)}]},
        {"urls": ["https://host/?canary"]},
    ],
)
def test_a_log_line_is_without_secrets_however_deep_they_are(event: dict[str, Any]) -> None:
    assert "canary" not in str([hide_fact(name, value) for name, value in event.items()])


def test_a_long_secret_that_was_cut_short_is_hidden_too() -> None:
    secrets = Secrets()
    token = "MIIabc" + "0123456789" * 20
    secrets.add_issued(token)
    for shown in (24, 50, 100, len(token) - 1):
        assert secrets.out_of(f"more than 8190 bytes: b'{token[:shown]}...'; {token[:shown]}") == (
            "more than 8190 bytes: b'***...'; ***"
        )
    assert secrets.and_also([]).out_of(token[:50]) == "***"
    assert secrets.out_of(token[:12]) == token[:12]
