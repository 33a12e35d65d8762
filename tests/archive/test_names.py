from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.archive.names import RUN_NAMES, is_safe_name, safe_name

# Every kind of character, with those that names break on far more often than by chance.
hostile = st.lists(
    st.one_of(
        st.characters(),
        st.characters(categories=["Cs", "Cc", "Cf", "Mn", "Lm"]),
        st.sampled_from(["/", "\\", ".", "..", " ", "\0", "\n", ".part", ".rejected", ".tar.gz"]),
        st.sampled_from(["con", "NUL", "lpt¹", "manifest.json", "SHA256SUMS", "journal.damaged-1"]),
        st.just("é" * 120),
    ),
    max_size=12,
).map("".join)


def assert_safe(name: str, limit_bytes: int) -> None:
    assert 0 < len(name.encode()) <= limit_bytes
    assert not set(name) & set('/\\<>:"|?*')
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for char in name)
    assert not name.startswith((".", " "))
    assert not name.endswith((".", " "))
    assert not name.lower().endswith((".part", ".rejected"))
    assert name.casefold() not in RUN_NAMES
    assert not name.casefold().startswith("journal.damaged-")
    assert name.partition(".")[0].strip().casefold() not in {"con", "nul", "lpt1", "lpt¹"}
    assert unicodedata.is_normalized("NFC", name)


@example(raw="\xa0con", fallback="", limit_bytes=32)
@given(raw=st.none() | hostile, fallback=hostile, limit_bytes=st.integers(32, 220))
def test_any_name_becomes_safe(raw: str | None, fallback: str, limit_bytes: int) -> None:
    assert_safe(safe_name(raw, fallback=fallback, limit_bytes=limit_bytes), limit_bytes)


@given(raw=hostile)
def test_a_safe_name_stays_as_it_is(raw: str) -> None:
    name = safe_name(raw, fallback="x")
    assert safe_name(name, fallback="y") == name


plain = st.lists(
    st.sampled_from(
        [
            *(
                "a",
                "Con",
                ".",
                "-",
                "part",
                "Rejected",
                "tar",
                "latest",
                "_9",
                "aux",
                "com1",
                "LPT9",
            ),
            *("com", "10", "nul", "prn", "journal.damaged-", "Journal", *sorted(RUN_NAMES)),
            *("\u017f", "\u212a"),  # which are s and k where letter case does not count
        ]
    ),
    max_size=4,
).map("".join)


@given(name=hostile | plain, limit_bytes=st.sampled_from([32, 200, 255]))
def test_a_name_is_safe_that_stays_as_it_is(name: str, limit_bytes: int) -> None:
    stays = safe_name(name, fallback="unnamed", limit_bytes=limit_bytes) == name
    assert is_safe_name(name, limit_bytes) == stays


@given(one=hostile, other=hostile)
def test_different_names_stay_different(one: str, other: str) -> None:
    normal_one, normal_other = (unicodedata.normalize("NFC", raw) for raw in (one, other))
    named_one, named_other = safe_name(one, fallback="\0"), safe_name(other, fallback="\0")
    nothing_left = safe_name("", fallback="\0")
    if normal_one != normal_other:
        assert named_one != named_other or named_one == nothing_left


@pytest.mark.parametrize(
    "raw",
    [
        "SN1-dump.tar.gz",
        "bms-001",
        "web.example.com",
        "a name with spaces",
        "журнал.tar.gz",
        "7d9c1e0e-0000-4000-8000-000000000001",
        "console.log",
        "manifest.json.gz",
        "partly.parts",
    ],
)
def test_an_ordinary_name_is_kept(raw: str) -> None:
    assert safe_name(raw, fallback="x") == raw


@pytest.mark.parametrize(
    ("raw", "before", "extension"),
    [
        ("../../etc/passwd", "_.._etc_passwd-", ""),
        ("/var/log/dump.tar.gz", "_var_log_dump-", ".tar.gz"),
        ("..\\boot.ini", "_boot-", ".ini"),
        (".hidden", "hidden-", ""),
        ("dump.tar.gz. ", "dump-", ".tar.gz"),
        ("CON", "_CON-", ""),
        ("nul.tar.gz", "_nul-", ".tar.gz"),
        ("Com1 .log", "_Com1 -", ".log"),
        ("dump.tar.gz.part", "dump.tar.gz_part-", ""),
        ("dump.REJECTED", "dump_REJECTED-", ""),
        ("Manifest.JSON", "Manifest-", ".JSON"),
        ("sha256sums", "sha256sums-", ""),
        ("latest", "latest-", ""),
        ("journal.damaged-1.jsonl", "_journal.damaged-1-", ".jsonl"),
        ("x" * 4000 + ".tar.gz", "x" * 184 + "-", ".tar.gz"),
        ("a\nb\u202eb\u2028", "a_b_b_-", ""),
        ("\ud800", "_-", ""),
    ],
)
def test_an_unsafe_name_is_marked_before_its_extension(
    raw: str, before: str, extension: str
) -> None:
    name = safe_name(raw, fallback="x")
    assert name.startswith(before)
    assert name.endswith(extension)
    assert len(name) == len(before) + 8 + len(extension)


def test_normalisation_alone_brings_no_mark() -> None:
    assert safe_name("e\u0301.log", fallback="x") == "\xe9.log"


@pytest.mark.parametrize("raw", [None, "", ".", "..", " . "])
def test_the_fallback_stands_for_a_name_of_which_nothing_is_left(raw: str | None) -> None:
    assert safe_name(raw, fallback="bms-001.tar.gz") == "bms-001.tar.gz"


def test_an_unsafe_fallback_is_made_safe_too() -> None:
    assert safe_name(None, fallback="../x").startswith("_x-")
    assert safe_name(None, fallback="").startswith("unnamed-")


def test_reserved_names_are_the_callers_choice() -> None:
    assert safe_name("latest", fallback="x", reserved=frozenset()) == "latest"
    assert safe_name("INDEX", fallback="x", reserved=frozenset({"Index"})) != "INDEX"
