from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING

import anyio
import pytest

from collector.providers.clouddc.signin.reading import UnusableSecretError
from collector.providers.clouddc.signin.secret import Token
from collector.providers.clouddc.signin.tokens import TokenSource
from tests.support.loopback import target

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
SECRET = "s3cret-t0ken"
PROJECT = target("http://127.0.0.1:9").project


def test_a_token_comes_from_the_variable_that_the_inventory_names() -> None:
    source = TokenSource.of({"token_env": "OPS_TOKEN"}, {"OPS_TOKEN": f" {SECRET}\n"})
    assert source.token == SECRET


def test_a_token_comes_from_the_processs_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_TOKEN", SECRET)
    assert TokenSource.of({"token_env": "OPS_TOKEN"}).token == SECRET


def test_a_token_comes_from_the_file_that_the_inventory_names(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{SECRET}\r\n")
    assert TokenSource.of({"token_file": str(path)}).token == SECRET


@pytest.mark.parametrize("value", ["", " \n", f"{SECRET}\nX-Evil: 1", f"{SECRET}\0", f"{SECRET}é"])
def test_a_token_that_no_header_can_carry_is_refused_by_its_variables_name(value: str) -> None:
    with pytest.raises(UnusableSecretError, match="OPS_TOKEN") as refusal:
        TokenSource.from_variable("OPS_TOKEN", {"OPS_TOKEN": value})
    assert SECRET not in str(refusal.value)


def test_an_unset_variable_is_named() -> None:
    with pytest.raises(UnusableSecretError, match="OPS_TOKEN is missing"):
        TokenSource.from_variable("OPS_TOKEN", {})


@pytest.mark.parametrize("content", [None, b"", b"a\nb", b"x" * 70_000])
def test_an_unusable_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnusableSecretError, match=r"file .*token"):
        TokenSource.from_file(path)


def test_a_token_is_in_no_representation() -> None:
    source = TokenSource.from_variable("OPS_TOKEN", {"OPS_TOKEN": SECRET})
    assert "OPS_TOKEN" in repr(source)
    assert SECRET not in f"{source!r} {source}"


async def secret_of(source: TokenSource) -> Token:
    """What a call carries now."""
    offered = (await source.offer(PROJECT)).secret
    assert isinstance(offered, Token)
    return offered


async def test_a_file_is_read_again_when_its_token_was_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    source = TokenSource.from_file(path)
    old = await secret_of(source)
    assert not await source.refused(old, PROJECT)
    path.write_text("new")
    assert await source.refused(old, PROJECT)
    assert source.token == "new"


async def test_a_second_refusal_of_the_old_token_finds_it_changed_too(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    source = TokenSource.from_file(path)
    old = await secret_of(source)
    path.write_text("new")
    assert await source.refused(old, PROJECT)
    path.unlink()
    assert await source.refused(old, PROJECT)
    assert not await source.refused(await secret_of(source), PROJECT)


@pytest.mark.parametrize("content", [None, b"", b"half\0"])
async def test_a_file_that_became_unusable_changes_nothing(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    source = TokenSource.from_file(path)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    assert (await secret_of(source)).value == "old"
    assert not await source.refused(await secret_of(source), PROJECT)
    assert source.token == "old"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
async def test_a_pipe_in_place_of_the_file_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    source = TokenSource.from_file(path)
    path.unlink()
    os.mkfifo(path)
    with anyio.fail_after(4):
        assert (await secret_of(source)).value == "old"
        assert not await source.refused(await secret_of(source), PROJECT)


def test_a_byte_order_mark_is_no_part_of_a_token(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(b"\xef\xbb\xbfmarked\r\n")
    assert TokenSource.from_file(path).token == "marked"


async def test_a_file_that_changes_is_read_before_anything_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    source = TokenSource.from_file(path)
    path.write_text("newer")
    assert (await secret_of(source)).value == "newer"


async def test_what_a_file_held_before_is_a_spare_until_the_new_token_is_accepted(
    tmp_path: Path,
) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    source = TokenSource.from_file(path)
    old = await secret_of(source)
    old.accepted(old.leaves())
    path.write_text("newer")
    source._next_look_s = 0.0
    offer = await source.offer(PROJECT)
    assert offer.spare is old
    source.accepted(offer.secret, PROJECT)
    assert (await source.offer(PROJECT)).spare is None


async def test_a_file_that_was_read_while_it_was_written_leaves_what_it_held_before(
    tmp_path: Path,
) -> None:
    path = tmp_path / "token"
    path.write_text("the-old-token")
    source = TokenSource.from_file(path)
    old = await secret_of(source)
    old.accepted(old.leaves())
    path.write_text("the-new")
    source._next_look_s = 0.0
    half = await secret_of(source)
    assert await source.refused(half, PROJECT)
    assert source.token == "the-old-token"
    path.write_text("the-new-token")
    source._next_look_s = 0.0
    assert (await secret_of(source)).value == "the-new-token"


async def test_an_environment_variable_does_not_change() -> None:
    environ = {"OPS_TOKEN": "old"}
    source = TokenSource.from_variable("OPS_TOKEN", environ)
    environ["OPS_TOKEN"] = "new"
    assert not await source.refused(await secret_of(source), PROJECT)


def warnings_of(path: Path, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.set_level(logging.DEBUG, "collector")
    assert TokenSource.from_file(path).token == SECRET
    assert {line.levelname for line in caplog.records} <= {"WARNING"}
    return [line.getMessage() for line in caplog.records]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_tokens_file_that_others_may_read_or_change_is_told(
    tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    path.write_text(SECRET)
    path.chmod(mode)
    (told,) = warnings_of(path, caplog)
    assert told.endswith(f"chmod 600 {path}")


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_tokens_file_of_its_owner_alone_is_told_to_nobody(
    tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    path.write_text(SECRET)
    path.chmod(mode)
    assert warnings_of(path, caplog) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_tokens_file_of_another_user_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    path.write_text(SECRET)
    path.chmod(0o600)
    os.chown(path, 12345, 12345)
    (told,) = warnings_of(path, caplog)
    assert told.endswith(f"chown 0 {path}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes root's directories")
def test_a_tokens_file_as_kubernetes_mounts_it_is_told_to_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "token").write_text(SECRET)
    (tmp_path / "..2026" / "token").chmod(0o644)
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "token").symlink_to("..data/token")
    assert warnings_of(tmp_path / "token", caplog) == []


def test_a_token_through_a_pipe_is_told_to_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    os.mkfifo(path, 0o666)
    path.chmod(0o666)
    writer = threading.Thread(target=path.write_text, args=(SECRET,))
    writer.start()
    assert warnings_of(path, caplog) == []
    writer.join()
