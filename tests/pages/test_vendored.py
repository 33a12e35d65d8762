"""What the page takes from others is what they released."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import pytest


@pytest.mark.parametrize(
    ("name", "sha256"),
    [
        ("uPlot.iife.min.js", "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"),
        ("uPlot.min.css", "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04"),
    ],
)
def test_uplot_is_as_it_was_released(name: str, sha256: str) -> None:
    content = files("collector.pages").joinpath(name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == sha256  # of uplot 1.6.32, from npm


def test_uplots_licence_is_beside_it() -> None:
    licence = files("collector.pages").joinpath("uPlot.LICENSE").read_text(encoding="utf-8")
    assert "The MIT License" in licence
    assert "Leon Sorokin" in licence
