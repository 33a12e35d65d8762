from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collector.emulator.fleets import fleet
from collector.emulator.inventory import inventory as emulated
from collector.inventory import Credential, InventoryError, ProjectLimits, Server, load

if TYPE_CHECKING:
    from tests.support.reader import Reader

SAMPLES = Path(__file__).parents[2] / "inventories"
ENVIRON = {"CLOUDDC_TOKEN": "x"}
SERVERS = "region: cn-east-3, servers: [{id: s1}]"


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_the_same_fleet_in_each_format_is_the_same_model(suffix: str) -> None:
    one = load(SAMPLES / "fleet.yaml", environ=ENVIRON)
    other = load(SAMPLES / f"fleet.{suffix}", environ=ENVIRON)
    assert other.projects == one.projects
    assert other.credentials == one.credentials
    assert (other.downloads, other.bytes_per_second) == (one.downloads, one.bytes_per_second)


def test_a_csv_holds_the_same_projects_and_servers() -> None:
    one = load(SAMPLES / "fleet.yaml", environ=ENVIRON)
    other = load(SAMPLES / "fleet.csv", environ=ENVIRON)
    for ours, theirs in zip(one.projects, other.projects, strict=True):
        assert theirs.servers == ours.servers
        assert (theirs.id, theirs.name, theirs.endpoint) == (ours.id, ours.name, ours.endpoint)
        assert theirs.region == ours.region


def test_the_demo_is_the_fleet_that_the_emulator_serves_by_itself() -> None:
    written = load(SAMPLES / "demo.yaml", environ=ENVIRON)
    served = json.dumps(emulated(fleet(), "http://127.0.0.1:18080")).encode()
    assert written.projects == load(io.BytesIO(served), environ=ENVIRON).projects


def test_every_field_arrives_and_defaults_stand_behind_it(reader: Reader) -> None:
    inventory = reader.load("""
version: 1
credentials:
  ops: {kind: token, token_env: CLOUDDC_TOKEN}
  night: {kind: token, token_env: CLOUDDC_TOKEN, account: acme}
defaults:
  credentials: ops
  limits:
    {share: 0.5, downloads: 3, bytes_per_second: 2MiB, requests_per_second: 2, exports_in_flight: 9}
projects:
  - id: p1
    region: cn-south-1
    servers: [{id: s1}, {id: s2, name: bms-2, tags: {role: db}}]
  - id: p2
    name: search
    endpoint: HTTPS://Example.org:443/base/
    credentials: night
    limits: {share: 1, exports_in_flight: 20}
    servers: []
""")
    first, second = inventory.projects
    assert inventory.version == 1
    assert (inventory.downloads, inventory.bytes_per_second) == (3, 2 * 1024**2)
    assert (first.id, first.name, first.region) == ("p1", "p1", "cn-south-1")
    assert first.endpoint == "https://clouddc.cn-south-1.myhuaweicloud.com"
    assert first.credentials == "ops"
    assert first.limits == ProjectLimits(2, 9, 0.5)
    assert first.servers == (Server("s1", "s1", {}), Server("s2", "bms-2", {"role": "db"}))
    assert (second.name, second.endpoint) == ("search", "https://example.org/base")
    assert second.region is None
    assert second.limits == ProjectLimits(2, 20, 1)
    assert second.credentials == "night"
    assert inventory.credentials["night"] == Credential(
        "night",
        "token",
        "acme",
        {"token_env": "CLOUDDC_TOKEN"},
        provider="clouddc",
        variables=("CLOUDDC_TOKEN",),
    )
    assert inventory.credentials["ops"].account == "ops"


def test_without_limits_only_the_share_holds(reader: Reader) -> None:
    inventory = reader.load(f"version: 1\nprojects: [{{id: p1, {SERVERS}}}]")
    assert inventory.projects[0].limits == ProjectLimits(None, None, 0.95)
    assert (inventory.downloads, inventory.bytes_per_second) == (8, None)


def test_the_hash_is_that_of_the_bytes(reader: Reader) -> None:
    raw = b"\xef\xbb\xbf" + f"version: 1\r\nprojects: [{{id: p1, {SERVERS}}}]\r\n".encode()
    inventory = reader.load(raw)
    assert inventory.sha256 == hashlib.sha256(raw).hexdigest()
    assert inventory.source_name == str(reader.folder / "fleet.yaml")


@pytest.mark.parametrize("suffix", [".yaml", ".json", ".toml", ".csv", ".txt"])
def test_a_byte_order_mark_is_read_over(suffix: str, reader: Reader) -> None:
    texts = {
        ".toml": 'version = 1\n[[projects]]\nid = "p1"\nregion = "cn-east-3"\n'
        'servers = [{id = "s1"}]\n',
        ".csv": "project_id,server_id,region\r\np1,s1,cn-east-3\r\n",
        ".yaml": f"version: 1\nprojects: [{{id: p1, {SERVERS}}}]",
    }
    data = {
        "version": 1,
        "projects": [{"id": "p1", "region": "cn-east-3", "servers": [{"id": "s1"}]}],
    }
    text = texts.get(suffix, json.dumps(data))
    assert reader.load(b"\xef\xbb\xbf" + text.encode(), suffix).projects[0].servers[0].id == "s1"


@pytest.mark.parametrize(
    "text",
    [
        f"version: 1\nprojects: [{{id: p1, {SERVERS}}}]",
        ' {"version": 1, "projects": [{"id": "p1", "region": "cn-east-3", "servers": []}]}',
    ],
)
def test_a_stream_is_json_if_it_begins_with_a_brace_and_else_yaml(text: str) -> None:
    inventory = load(io.BytesIO(text.encode()), environ=ENVIRON)
    assert inventory.source_name == "<stdin>"
    assert inventory.projects[0].id == "p1"


def test_a_file_that_is_not_there_is_told_with_the_reason(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "no.yaml", "No such file"), (tmp_path, "directory")):
        with pytest.raises(InventoryError, match=reason) as caught:
            load(path, environ=ENVIRON)
        assert str(caught.value).startswith(f"{path}:1:1: ")


def test_keys_dates_and_odd_words_of_yaml_are_text(reader: Reader) -> None:
    inventory = reader.load(f"""
version: 1
projects:
  - id: p1
    name: 2024-02-31
    {SERVERS.replace(", ", chr(10) + "    ", 1).replace("s1", "s1, tags: {1: '1', yes: =, on: <<}")}
""")
    assert inventory.projects[0].name == "2024-02-31"
    assert inventory.projects[0].servers[0].tags == {"1": "1", "yes": "=", "on": "<<"}


def test_a_project_id_may_stand_at_two_endpoints_and_a_server_in_two_projects(
    reader: Reader,
) -> None:
    inventory = reader.load(
        "version: 1\nprojects:\n"
        "- {id: p1, region: cn-east-3, servers: [{id: s1}]}\n"
        "- {id: p1, region: cn-south-1, servers: [{id: s1}]}\n"
        "- {id: p2, region: cn-east-3, servers: [{id: s1}]}\n"
    )
    assert len(inventory.projects) == 3


class TestCredentials:
    def test_without_any_the_token_comes_from_the_vendors_variable(self, reader: Reader) -> None:
        inventory = reader.load(f"version: 1\nprojects: [{{id: p1, {SERVERS}}}]")
        name = inventory.projects[0].credentials
        assert inventory.credentials[name].options == {"token_env": "CLOUDDC_TOKEN"}

    def test_without_any_the_vendors_variable_must_be_set(self, reader: Reader) -> None:
        text = f"version: 1\nprojects: [{{id: p1, {SERVERS}}}]"
        (told,) = reader.mistakes(text, environ={})
        assert told.startswith("fleet.yaml:1:1: environment variable CLOUDDC_TOKEN is not set")

    def test_the_only_entry_needs_no_mention(self, reader: Reader) -> None:
        inventory = reader.load(
            f"version: 1\ncredentials: {{a: {{kind: token, token_env: CLOUDDC_TOKEN}}}}\n"
            f"projects: [{{id: p1, {SERVERS}}}]"
        )
        assert inventory.projects[0].credentials == "a"

    def test_a_kind_of_a_later_version_may_stand_unused(self, reader: Reader) -> None:
        inventory = reader.load(
            "version: 1\ncredentials:\n"
            "  a: {kind: token, token_env: CLOUDDC_TOKEN}\n"
            "  b: {kind: password, domain: acme, user: oncall, password_env: NOT_SET}\n"
            f"defaults: {{credentials: a}}\nprojects: [{{id: p1, {SERVERS}}}]"
        )
        assert inventory.credentials["b"].account == "acme"

    def test_a_token_file_is_looked_for_beside_the_inventory(self, reader: Reader) -> None:
        (reader.folder / "token").write_text("abc\n")
        inventory = reader.load(
            "version: 1\ncredentials: {a: {kind: token, token_file: token}}\n"
            f"projects: [{{id: p1, {SERVERS}}}]"
        )
        assert inventory.credentials["a"].options == {"token_file": str(reader.folder / "token")}

    def test_a_tilde_in_a_path_is_the_home_directory(
        self, reader: Reader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(reader.folder))
        (reader.folder / "token").write_text("abc\n")
        inventory = reader.load(
            "version: 1\ncredentials: {a: {kind: token, token_file: ~/token}}\n"
            f"projects: [{{id: p1, {SERVERS}}}]"
        )
        assert inventory.credentials["a"].options == {"token_file": str(reader.folder / "token")}

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (None, "is a directory"),
            (b" \n", "is empty"),
            (b"a\nb", "must be one line"),
            (b"a" * 70_000, "must be one line"),
        ],
    )
    def test_a_token_file_that_cannot_be_used_is_refused(
        self, content: bytes | None, reason: str, reader: Reader
    ) -> None:
        file = reader.folder / "token"
        if content is None:
            file.mkdir()
        else:
            file.write_bytes(content)
        (told,) = reader.mistakes(
            f"version: 1\ncredentials: {{a: {{kind: token, token_file: {file}}}}}\n"
            f"projects: [{{id: p1, {SERVERS}}}]"
        )
        assert told.startswith("fleet.yaml:2:44: ")
        assert reason in told

    def test_a_csv_names_variables_and_an_empty_cell_is_the_vendors(self, reader: Reader) -> None:
        text = "project_id,server_id,region,credentials\np1,s1,cn-east-3,A\np2,s2,cn-east-3,\n"
        inventory = reader.load(text, ".csv", {"A": "x", "CLOUDDC_TOKEN": "y"})
        variables = [
            inventory.credentials[project.credentials].options["token_env"]
            for project in inventory.projects
        ]
        assert variables == ["A", "CLOUDDC_TOKEN"]


def test_rows_of_a_project_need_not_stand_together(reader: Reader) -> None:
    text = "project_id, server_id, region\np1,s1,cn-east-3\np2,s2,cn-east-3\n\np1, s3 ,cn-east-3\n"
    projects = reader.load(text, ".csv").projects
    assert [[one.id for one in project.servers] for project in projects] == [["s1", "s3"], ["s2"]]


def test_white_space_around_cells_is_none_of_theirs(reader: Reader) -> None:
    text = 'project_id , server_id, region, name\np1 ,s1, cn-east-3, "one, two"\n'
    assert reader.load(text, ".csv").projects[0].servers == (Server("s1", "one, two"),)
