from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from collector.providers.clouddc.credentials import TokenSource, UnusableTokenError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
SECRET = "s3cret-t0ken"


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
    with pytest.raises(UnusableTokenError, match="OPS_TOKEN") as refusal:
        TokenSource.from_variable("OPS_TOKEN", {"OPS_TOKEN": value})
    assert SECRET not in str(refusal.value)


def test_an_unset_variable_is_named() -> None:
    with pytest.raises(UnusableTokenError, match="OPS_TOKEN is missing"):
        TokenSource.from_variable("OPS_TOKEN", {})


@pytest.mark.parametrize("content", [None, b"", b"a\nb", b"x" * 70_000])
def test_an_unusable_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnusableTokenError, match=r"file .*token"):
        TokenSource.from_file(path)


def test_a_token_is_in_no_representation() -> None:
    source = TokenSource.from_variable("OPS_TOKEN", {"OPS_TOKEN": SECRET})
    assert "OPS_TOKEN" in repr(source)
    assert SECRET not in f"{source!r} {source}"


async def test_a_file_is_read_again_when_its_token_was_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    source = TokenSource.from_file(path)
    assert not await source.changed_since("old")
    path.write_text("new")
    assert await source.changed_since("old")
    assert source.token == "new"


async def test_a_second_refusal_of_the_old_token_finds_it_changed_too(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    source = TokenSource.from_file(path)
    path.write_text("new")
    assert await source.changed_since("old")
    path.unlink()
    assert await source.changed_since("old")
    assert not await source.changed_since("new")


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
    assert not await source.changed_since("old")
    assert source.token == "old"


async def test_an_environment_variable_does_not_change() -> None:
    environ = {"OPS_TOKEN": "old"}
    source = TokenSource.from_variable("OPS_TOKEN", environ)
    environ["OPS_TOKEN"] = "new"
    assert not await source.changed_since("old")
