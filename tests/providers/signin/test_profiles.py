"""Keys where the vendor's SDK finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from huaweicloudsdkcore.auth.provider import EnvCredentialProvider, ProfileCredentialProvider

from collector.model.answers import Problem
from collector.providers.clouddc.client import CloudDC
from collector.providers.clouddc.signin.profiles import profile_source
from collector.providers.clouddc.signin.reading import UnusableSecretError
from collector.providers.clouddc.signin.secret import Keyring, Keys
from tests.support.loopback import Answer, serving, target

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.anyio
PROJECT = target("http://127.0.0.1:9").project
AK, SK, TOKEN = "AKCANARY0123456789AB", "sk-canary-%d%(x)s-sssss", "st-canary-ttttttttt"
VARIABLES = {"HUAWEICLOUD_SDK_AK": AK, "HUAWEICLOUD_SDK_SK": SK}
WRONG = Answer(401, {"error_code": "APIGW.0301", "error_msg": "verify aksk signature fail"})
STARTED = Answer(202, {"export_id": "e1", "status": "processing"})


def written(home: Path, text: str | bytes, name: str = ".huaweicloud/credentials") -> Path:
    path = home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)
    return path


async def keys_of(environ: Mapping[str, str], **options: str) -> Keys:
    offer = await profile_source(options, environ, Keyring()).offer(PROJECT)
    assert isinstance(offer.secret, Keys)
    return offer.secret


def same(ours: Keys, theirs: object) -> bool:
    return [*ours.parts()] == [
        part
        for name in ("ak", "sk", "security_token")
        if (part := getattr(theirs, name)) is not None
    ]


@pytest.mark.parametrize("token", [{}, {"HUAWEICLOUD_SDK_SECURITY_TOKEN": TOKEN}])
async def test_variables_are_read_as_the_sdk_reads_them(
    tmp_path: Path, token: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, "[basic]\nak = another\nsk = another\n")
    for name, value in (VARIABLES | token).items():
        monkeypatch.setenv(name, value)
    keys = await keys_of({"HOME": str(tmp_path), **VARIABLES, **token})
    assert same(keys, EnvCredentialProvider.get_basic().get_credentials())


@pytest.mark.parametrize("token", ["", f"security_token = {TOKEN}\n"])
async def test_a_profile_file_is_read_as_the_sdk_reads_it(
    tmp_path: Path, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, f"[basic]\nAK = {AK}\nsk: sk-canary\n{token}project_id = p\n", "file")
    monkeypatch.setenv("HUAWEICLOUD_SDK_CREDENTIALS_FILE", str(path))
    keys = await keys_of({"HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(path)})
    assert same(keys, ProfileCredentialProvider.get_basic().get_credentials())


async def test_a_secret_may_hold_a_percent_sign(tmp_path: Path) -> None:
    written(tmp_path, f"[basic]\nak={AK}\nsk={SK}\n")
    assert (await keys_of({"HOME": str(tmp_path)})).sk == SK


async def test_a_profile_that_is_named_is_taken_whatever_variables_say(tmp_path: Path) -> None:
    written(tmp_path, f"[basic]\nak=a\nsk=b\n[night]\nak={AK}\nsk={SK}\n")
    keys = await keys_of({"HOME": str(tmp_path), "HUAWEICLOUD_SDK_AK": "x"}, profile="night")
    assert keys.ak == AK


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no such section"),
        (b"[other]\nak=a\n", r"profile \[basic\] .* no such section"),
        (b"[basic]\nak=AKCANARY\n", "secret key"),
        (b"[basic]\nsk=sk-canary\n", "access key"),
        (b"[basic]\nak=a\nsk=b\nsecurity_token=t\xc3\xa4\n", "security token"),
        (b"[basic]\nidp_id=x\nid_token_file=/y\n", "federated"),
        (b"sk-canary\n", "sections of NAME = VALUE"),
        (b"[basic]\nsk-canary\nak=sk-canary\n", "sections of NAME = VALUE"),
        (b"[basic]\nak=a\nak=sk-canary\n", "each once"),
        (b"[basic]\nak=a\n[basic]\nsk=sk-canary\n", "each once"),
        (b"[basic]\nak=a\nsk=sk-canary\n  more\n", "one line"),
        (b"\xff\xfe[\x00b\x00", "not UTF-8"),
        (b"x" * 70_000, "longer than"),
        (b"[basic]\nak=a\0b\nsk=sk-canary\n", "no HTTP header"),
    ],
)
def test_a_hostile_file_is_named_and_never_quoted(
    tmp_path: Path, content: bytes, told: str
) -> None:
    written(tmp_path, content)
    with pytest.raises(UnusableSecretError, match=told) as refused:
        profile_source({}, {"HOME": str(tmp_path)}, Keyring())
    assert "sk-canary" not in str(refused.value)
    assert "AKCANARY" not in str(refused.value)
    assert str(tmp_path) in str(refused.value)


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({}, "neither the variables are set, nor is there the file"),
        ({"HUAWEICLOUD_SDK_IDP_ID": "x"}, r"federated sign-in\) is not supported"),
        ({"HUAWEICLOUD_SDK_AK": AK}, "HUAWEICLOUD_SDK_SK is missing"),
        ({"HUAWEICLOUD_SDK_SK": SK}, "HUAWEICLOUD_SDK_AK is missing"),
        ({"HUAWEICLOUD_SDK_CREDENTIALS_FILE": "/nowhere/at/all"}, "cannot be read"),
    ],
)
def test_where_there_are_no_keys_it_says_where_they_would_be_found(
    tmp_path: Path, environ: dict[str, str], told: str
) -> None:
    with pytest.raises(UnusableSecretError, match=told):
        profile_source({}, {"HOME": str(tmp_path), **environ}, Keyring())


async def test_a_file_whose_keys_were_refused_is_read_again(tmp_path: Path) -> None:
    path = written(tmp_path, f"[basic]\nak={AK}\nsk=old\n")
    source = profile_source({}, {"HOME": str(tmp_path)}, Keyring())
    source._next_look_s = float("inf")  # the refusal alone has it read again
    async with serving(WRONG, STARTED) as server, CloudDC({"ops": source}, connections=1) as fleet:
        path.write_text(f"[basic]\nak={AK}\nsk=renewed\n")
        first = await fleet.start_export(target(server.url), asks_limits=False)
        second = await fleet.start_export(target(server.url), asks_limits=False)
    assert isinstance(first, Problem)
    assert first.renewed
    assert not isinstance(second, Problem)
