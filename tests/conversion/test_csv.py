from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.conversion import ConversionError
from tests.support.converting import converted, ids, left_out, loaded, servers

ID = "7d9c1e0e-52f1-4c0b-9c53-0d6a7f1b2a01"
TABLE = "UUID{0}Hostname{0}Rolle\nid-1{0}München-1{0}db\nid-2{0}Köln-2{0}web\n"
EXPECTED = [
    {"id": "id-1", "name": "München-1", "tags": {"role": "db"}},
    {"id": "id-2", "name": "Köln-2", "tags": {"role": "web"}},
]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"],
)
def test_a_table_is_the_same_however_it_was_saved(delimiter: str, end: str, encoding: str) -> None:
    text = TABLE.format(delimiter).replace("\n", end)
    found = converted(text.encode(encoding), "csv", "tag:role=Rolle")
    assert servers(found) == EXPECTED
    assert not found.left_out
    assert loaded(found).projects[0].servers[0].name == "München-1"


def test_the_unicode_text_of_excel_is_read() -> None:
    text = '\ufeffUUID\tHostname\r\nid-1\t"two\r\nlines"\r\nid-2\t"a ""b"""\r\n'
    found = converted(text.encode("utf-16-le"), "csv")
    assert servers(found) == [
        {"id": "id-1", "name": "two\r\nlines"},
        {"id": "id-2", "name": 'a "b"'},
    ]


def test_excel_may_say_itself_what_separates_cells() -> None:
    found = converted("sep=;\r\nid;name\r\nid-1;a,b,c\r\n", "csv")
    assert servers(found) == [{"id": "id-1", "name": "a,b,c"}]


def test_commas_in_cells_do_not_outweigh_the_header() -> None:
    found = converted("id;name;notes\n1a;x;a,b,c,d\n2a;y;a,b,c,d\n", "csv")
    assert ids(found) == ["1a", "2a"]


@pytest.mark.parametrize(
    "header",
    ["id", "ID", "uuid", "Server ID", "server-id", "SERVER_ID", " ServerId ", "Instance Id"],
)
def test_the_column_of_ids_is_known_by_its_usual_names(header: str) -> None:
    assert ids(converted(f"{header},x\nid-1,y\n", "csv")) == ["id-1"]


def test_an_inventory_of_our_own_columns_converts_as_it_is() -> None:
    text = (
        "project_id,server_id,project_name,region,name,tag:role\n"
        "p7,s1,payments,cn-south-1,bms-1,db\n"
    )
    found = converted(text, "csv", project=None, region=None)
    (project,) = found.data["projects"]
    assert project == {
        "id": "p7", "name": "payments", "region": "cn-south-1", "credentials": "CLOUDDC_TOKEN",
        "servers": [{"id": "s1", "name": "bms-1", "tags": {"role": "db"}}],
    }  # fmt: skip


def test_a_rows_own_place_goes_before_the_options() -> None:
    text = "id,project_id,region,endpoint\na,,,\nb,p2,cn-south-1,\nc,,,https://other.example\n"
    found = converted(text, "csv")
    places = [(one["id"], one.get("region"), one.get("endpoint")) for one in found.data["projects"]]
    assert places == [
        ("p1", "cn-east-3", None),
        ("p2", "cn-south-1", None),
        ("p1", None, "https://other.example"),
    ]


def test_what_cannot_be_mapped_is_listed_by_line() -> None:
    text = (
        "id,name,region\n"
        "id-1,a,\n"
        "\n"
        ",b,\n"
        "x/y,c,\n"
        "id-1,d,\n"
        "id-2,e,moon\n"
        ",,\n"
        "id-3,f,,extra\n"
        '"id-4,g\n'
        "id-5,h\n"
    )
    found = converted(text, "csv")
    assert ids(found) == ["id-1", "id-5"]
    said = left_out(found)
    assert list(said) == ["line 4", "line 5", "line 6", "line 7", "line 9", "line 10"]
    assert said["line 4"] == "no server_id"
    assert "slashes or control characters" in said["line 5"]
    assert said["line 6"] == "server 'id-1' is listed twice; kept the one of line 2"
    assert "unknown region 'moon'" in said["line 7"]
    assert "4 cells under a header of 3" in said["line 9"]
    assert "a quote is not closed" in said["line 10"]
    assert found.read == 8


def test_a_title_above_the_header_is_told_and_is_no_server() -> None:
    found = converted("Servers of 2026\n\nid,name\nid-1,a\n", "csv")
    assert ids(found) == ["id-1"]
    assert "the header is line 3; what stands above it is no server" in found.notes


def test_of_columns_with_one_name_the_first_counts_and_that_is_told() -> None:
    found = converted("id,name,id\na,x,b\n", "csv")
    assert ids(found) == ["a"]
    assert any("2 columns are called 'id'" in note for note in found.notes)
    assert ids(converted("id,name,id\na,x,b\n", "csv", "server_id=3")) == ["b"]


def test_a_table_without_a_header_is_mapped_by_numbers() -> None:
    found = converted("rack1,id-1,a\nrack2,id-2,b\n", "csv", "server_id=2", "name=3")
    assert servers(found) == [{"id": "id-1", "name": "a"}, {"id": "id-2", "name": "b"}]


def test_a_header_stays_one_when_columns_are_mapped_by_numbers() -> None:
    assert ids(converted("rack,ident\nr1,id-1\n", "csv", "server_id=2")) == ["id-1"]


@pytest.mark.parametrize(
    ("maps", "said"),
    [
        (["server_id=uid"], "no column 'uid'; did you mean 'uuid'"),
        (["tag:x=missing", "server_id=uuid"], "no column 'missing'"),
        (["server_id=9"], "there is no such column; the header has 2"),
    ],
)
def test_a_column_that_is_not_there_is_an_error(maps: list[str], said: str) -> None:
    with pytest.raises(ConversionError, match=said):
        converted("uuid,name\nid-1,a1\n", "csv", *maps)


def test_a_table_without_ids_says_which_columns_it_has() -> None:
    with pytest.raises(ConversionError, match=r"--map server_id=COLUMN.*'rack', 'host'"):
        converted("rack,host\n1,a\n", "csv")


def test_credentials_are_copied_only_where_they_are_asked_for() -> None:
    text = "id,credentials\na,CANARY_PASSWORD\n"
    found = converted(text, "csv")
    assert "CANARY" not in json.dumps(found.data)
    assert any("--map credentials=credentials" in note for note in found.notes)
    asked = converted(text, "csv", "credentials=credentials")
    assert asked.data["credentials"] == {
        "CANARY_PASSWORD": {"kind": "token", "token_env": "CANARY_PASSWORD"}
    }
    secret = converted("id,credentials\na,can-ary!\n", "csv", "credentials=credentials")
    assert "environment variable" in left_out(secret)["line 2"]
    assert "can-ary" not in str(secret)


def test_thousands_of_columns_are_read() -> None:
    names = [f"column {number}" for number in range(5_000)]
    text = ",".join([*names, "uuid"]) + "\n" + ",".join(["x"] * 5_000 + ["id-1"]) + "\n"
    assert ids(converted(text, "csv")) == ["id-1"]


def test_a_huge_cell_costs_its_row_alone() -> None:
    text = "id,notes\na,x\nb," + "y" * 200_000 + "\nc,z\n"
    found = converted(text, "csv")
    assert ids(found) == ["a", "c"]
    assert left_out(found)["line 3"] == "the row: a cell of more than 131,072 characters"


def test_quotes_that_nobody_closes_cost_no_other_row_and_little_time() -> None:
    text = "id,name\n" + "".join(f'id-{number},"x\n' for number in range(1, 500))
    found = converted(text + "last,y\n", "csv")
    assert ids(found) == ["last"]
    assert len(found.left_out) == 499


def test_where_too_much_would_be_read_again_the_rest_is_listed_as_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("collector.conversion.csv_rows._READ_AGAIN_MAX", 100)
    found = converted("id,name\n" + 'a,"x\n' * 1_000 + "b,y\n", "csv")
    assert ids(found) == []
    assert found.left_out[-1].where == "line 13 to the end"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"PK\x03\x04 and so on", "Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel workbook"),
        (b"\x1f\x8b\x08\x00", "compressed"),
        (bytes(range(256)) * 10, "not text"),
        (b"\0" * 1000, "empty"),
        (b"", "empty"),
        (b"\r\n \r\n", "empty"),
        ("\ufeffid\n\ud800".encode("utf-16-le", "surrogatepass"), "not valid UTF-16-LE"),
    ],
    ids=["xlsx", "xls", "gzip", "binary", "zeros", "empty", "blank", "half"],
)
def test_what_is_no_text_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(ConversionError, match=said):
        converted(raw, "csv")


def test_a_zero_byte_costs_its_row_alone() -> None:
    found = converted("id,name\na\0b,x\nc,y\n" + "d,z\n" * 1, "csv")
    assert ids(found) == ["c", "d"]
    assert list(left_out(found)) == ["line 2"]


cells = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\ufeff", exclude_categories=["Cc"])
    | st.sampled_from('"\n\r,;\t')
)


@given(
    st.lists(st.tuples(cells, cells), min_size=1, max_size=20),
    st.sampled_from([csv.excel, csv.excel_tab, csv.unix_dialect]),
)
def test_whatever_csv_writes_every_row_is_converted_or_listed(
    rows: list[tuple[str, str]], dialect: type[csv.Dialect]
) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, dialect)
    writer.writerow(["server_id", "name", "note"])
    for number, (name, note) in enumerate(rows):
        writer.writerow([f"id-{number}", name, note])
    found = converted(file.getvalue(), "csv")
    assert ids(found) == [f"id-{number}" for number in range(len(rows))]
    assert not found.left_out
    names = [one.name for one in loaded(found).projects[0].servers]
    assert names == [
        name.strip().strip("\ufeff\u200b\u2060").strip() or f"id-{number}"
        for number, (name, _) in enumerate(rows)
    ]


@given(st.binary(max_size=400))
def test_any_bytes_are_converted_or_refused(raw: bytes) -> None:
    for kind in ("csv", "list", "terraform", "ansible"):
        for body in (raw, b"id,name\n" + raw):
            try:
                found = converted(body, kind)
            except ConversionError:
                continue
            if found.servers:
                assert sum(len(one.servers) for one in loaded(found).projects) == found.servers


def test_what_a_spreadsheet_keeps_as_text_by_a_formula_is_that_text() -> None:
    found = converted('UUID;Hostname\n"=""007""";="bms-1"\n=1+1;=cmd()\n', "csv")
    assert [(one["id"], one["name"]) for one in servers(found)] == [
        ("007", "bms-1"),
        ("=1+1", "=cmd()"),
    ]


def test_an_id_that_a_spreadsheet_has_shortened_is_left_out_and_said() -> None:
    found = converted("UUID,Hostname\n1.23457E+11,a\n1E+20,b\n12E34,1.5E+3\n", "csv")
    assert ids(found) == ["12E34"]
    assert [one.where for one in found.left_out] == ["line 2", "line 3"]
    assert all("spreadsheet" in one.what for one in found.left_out)
