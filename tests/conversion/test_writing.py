from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from collector.conversion import ConversionError, form_of, text_of, write_new

texts = st.one_of(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
    st.text("0123456789abcdefEoxX_.:+-", min_size=1, max_size=12),  # numbers and dates
    st.sampled_from(
        [
            *("yes", "No", "null", "~", "1", "0x1F", "1e5", "1_000", ".5", "2026-01-01", "=", "<<"),
            *("- a", "a: b", "a #b", "'", '"', "\\", "{", "}", "!x", "&x", "*x", "%", "@", "`"),
            *("\u2028", "\x85", "\ufeff", "\U0001f4a9", "a\nb", "\0", "x" * 2_000, "é" * 1_100),
        ]
    ),
)


@given(st.dictionaries(texts, texts, max_size=5), texts, texts)
def test_every_reader_of_yaml_finds_the_same_texts(
    tags: dict[str, str], name: str, title: str
) -> None:
    servers = [{"id": "a", "name": name, "tags": tags}]
    project = {"id": name, "region": "cn-east-3", "credentials": "T", "servers": servers}
    credentials = {"T": {"kind": "token", "token_env": "T"}}
    data = {"version": 1, "credentials": credentials, "projects": [project]}
    text = text_of(data, "yaml", title)
    assert yaml.safe_load(text) == data
    assert YAML(typ="safe", pure=True).load(text) == data
    assert json.loads(text_of(data, "json", title)) == data


@pytest.mark.parametrize(
    ("name", "form"), [("a.yaml", "yaml"), ("a.YML", "yaml"), ("a.json", "json")]
)
def test_the_form_follows_the_extension(name: str, form: str) -> None:
    assert form_of(Path(name)) == form


@pytest.mark.parametrize("name", ["a.toml", "a.csv", "a", "yaml", "a.yaml.bak"])
def test_other_extensions_are_refused(name: str) -> None:
    with pytest.raises(ConversionError, match=r"\.yaml, \.yml or \.json"):
        form_of(Path(name))


def names(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir()]


def test_a_file_is_made_whole_and_private(tmp_path: Path) -> None:
    write_new(tmp_path / "a.yaml", "text")
    assert (tmp_path / "a.yaml").read_text() == "text"
    assert (tmp_path / "a.yaml").stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["a.yaml"]


def test_nothing_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_text("old")
    (tmp_path / "link.yaml").symlink_to("nowhere")
    (tmp_path / "folder.yaml").mkdir()
    for name in ("file.yaml", "link.yaml", "folder.yaml"):
        with pytest.raises(ConversionError, match="exists; choose a new name"):
            write_new(tmp_path / name, "new")
    assert (tmp_path / "file.yaml").read_text() == "old"
    assert len(names(tmp_path)) == 3


def test_what_appears_meanwhile_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "collector.files.sync", lambda _: (tmp_path / "a.yaml").write_text("somebody else's")
    )
    with pytest.raises(ConversionError, match="exists; choose a new name"):
        write_new(tmp_path / "a.yaml", "new")
    assert (tmp_path / "a.yaml").read_text() == "somebody else's"
    assert names(tmp_path) == ["a.yaml"]


@pytest.mark.parametrize("name", ["missing/a.yaml", "file.yaml/a.yaml", "x" * 300 + ".yaml"])
def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.yaml").write_text("old")
    with pytest.raises(ConversionError, match="choose another place"):
        write_new(tmp_path / name, "new")
    assert names(tmp_path) == ["file.yaml"]


def test_where_there_are_no_second_names_the_file_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("collector.files.make_hard_link", refuse)
    write_new(tmp_path / "a.yaml", "text")
    assert (tmp_path / "a.yaml").read_text() == "text"
    assert names(tmp_path) == ["a.yaml"]
