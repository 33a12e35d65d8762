"""Servers that nobody has listed: discovered before a run, and written into inventories."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from collector.emulator import (
    AlarmSpec,
    KeySpec,
    ListFault,
    ProjectSpec,
    Scenario,
    ServerSpec,
    TokenSpec,
    UserSpec,
)
from tests.support.command import Command, Service, serving
from tests.support.directory import TOKEN, Asked, Directory, Said, alarm, entry, listing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.emulator.list_faults import ListFaultName


def fleet(**options: Any) -> Scenario:  # noqa: ANN401  # Scenario's own members
    """Two projects: p1 with three servers, one of them in alarm, and p2 with one."""
    servers = (
        ServerSpec("id-1", "bms-1", {"role": "db"}, rack="r1"),
        ServerSpec("id-2", "bms-2", {"role": "web"}, rack="r2", alarms=(AlarmSpec(1),)),
        ServerSpec("id-3", "bms-3", {"role": "db"}, rack="r2", health="Critical"),
    )
    projects = (ProjectSpec("p1", servers=servers), ProjectSpec("p2", servers=(ServerSpec("x"),)))
    return Scenario(
        **{"projects": projects, "export_duration_s": 0.0, "archive_bytes": 1000, **options}
    )


def write(service: Service, *projects: dict[str, Any], name: str = "fleet.json") -> None:
    entries = [{"endpoint": service.emulator.url, **one} for one in projects]
    (service.home / name).write_text(json.dumps({"version": 1, "projects": entries}))


def lists(service: Service) -> int:
    calls: int = service.emulator.statistics()["list_calls"]
    return calls


@contextmanager
def directing(directory: Directory, home: Path) -> Iterator[Command]:
    with listing(directory):
        yield Command(home, TOKEN)


def discover(command: Command, url: str, *arguments: str) -> Any:  # noqa: ANN401  # as `run`'s
    return command.run("inventory", "discover", "--endpoint", url, *arguments)


def test_collect_lists_first_and_a_resume_lists_nothing(tmp_path: Path) -> None:
    with serving(fleet(), tmp_path) as service:
        write(service, {"id": "p1", "discover": {"with_alarms": "24h"}})
        first = service.run("collect", "fleet.json", "--first", "alarm=critical")
        assert first.returncode == 0, first.stderr
        assert lists(service) == 1
        manifest = service.manifest()
        assert manifest["totals"]["collected"] == 3
        counted = service.emulator.statistics()
        assert counted["alarm_calls"] == 1
        assert manifest["totals"]["requests"] == counted["calls"]["total"]
        lines = (service.latest / "journal.jsonl").read_text().splitlines()
        chosen = [one for one in map(json.loads, lines) if one["event"] == "ServerSelected"]
        assert [(one["id"], one.get("alarm"), one["first"]) for one in chosen] == [
            ("id-2", "critical", True),
            ("id-1", None, False),
            ("id-3", None, False),
        ]
        assert {one["health"] for one in chosen} == {"OK", "Critical"}

        next((service.latest / "p1" / "bms-1").iterdir()).unlink()
        again = service.run("collect", "fleet.json", "--resume", "latest")
        assert again.returncode == 0, again.stderr
        assert "outside the selection" not in again.stderr
        assert service.run("collect", "--resume", "latest").returncode == 0
        assert lists(service) == 1
        assert service.manifest()["totals"]["collected"] == 3


def test_a_resume_applies_what_else_the_inventory_says(tmp_path: Path) -> None:
    with serving(fleet(), tmp_path) as service:
        write(service, {"id": "p1", "discover": {}})
        assert service.run("collect", "fleet.json").returncode == 0
        write(service, {"id": "p1", "discover": {}}, {"id": "p2", "servers": [{"id": "x"}]})
        again = service.run("collect", "fleet.json", "--resume", "latest", "--select", "name=*")
        assert again.returncode == 0, again.stderr
        assert service.manifest()["totals"]["collected"] == 4
        assert lists(service) == 1


def test_a_project_that_cannot_be_listed_leaves_a_run_incomplete(tmp_path: Path) -> None:
    with serving(fleet(), tmp_path) as service:
        write(service, {"id": "p1", "discover": {}}, {"id": "nowhere", "discover": {}})
        ended = service.run("collect", "fleet.json", "--json")
        assert ended.returncode == 3
        told = json.loads(ended.stdout)
        assert told["run"]["state"] == "partial"
        assert told["totals"]["collected"] == 3
        assert (
            service.manifest()["projects"][1]["discovery_error"]
            == (told["projects"][1]["discovery_error"])
        )
        error = told["projects"][1]["discovery_error"]
        assert error["stage"] == "discovery"
        assert error["http_status"] in (403, 404)
        assert "new run" in error["hint"]
        assert "discovery_error" not in told["projects"][0]
        shown = service.run("status", "latest")
        assert "  1 project not listed: " in shown.stdout
        assert "\n    nowhere\n    -> " in shown.stdout
        assert shown.stdout.endswith(
            "\nAll 3 known servers collected and verified; 1 project not listed.\n"
        )
        assert service.run("collect", "--resume", "latest").returncode == 3
        assert service.verify()["ok"]


def test_a_run_without_servers_claims_none_to_be_collected(tmp_path: Path) -> None:
    with serving(fleet(), tmp_path) as service:
        write(service, {"id": "nowhere", "discover": {}})
        assert service.run("collect", "fleet.json").returncode == 5
        again = service.run("collect", "--resume", "latest")
        assert again.returncode == 5
        assert "nothing left to do: this run has no servers" in again.stderr


def test_what_a_request_lacks_is_told_as_options(tmp_path: Path) -> None:
    command = Command(tmp_path, "")
    url = "http://127.0.0.1:9"

    def refused(*arguments: str) -> str:
        ended = command.run("inventory", "discover", "--project", "p1", *arguments)
        assert ended.returncode == 2
        told: str = ended.stderr
        return told

    usual = refused("--endpoint", url)
    assert "or sign in another way: --credentials aksk, command, password or sdk" in usual
    password = refused("--endpoint", url, "--credentials", "password")
    assert "domain is missing; add --set domain=VALUE" in password
    assert "add --set iam_endpoint=https://HOST" in password
    assert "another way" not in password
    assert "(or use --endpoint URL)" in refused("--region", "cn-east-9")
    assert "use aksk, command, password, sdk or token" in refused(
        "--endpoint", url, "--credentials", "sso"
    )


def test_a_list_that_breaks_off_keeps_what_it_had(tmp_path: Path) -> None:
    everything = [entry(n) for n in range(1500)]

    def instead(asked: Asked, _number: int) -> Said | None:
        if asked.marker:
            return Said(404, {"error_code": "iMetal.0100", "error_msg": "gone"})
        return None

    with directing(Directory({"p1": everything}, instead=instead), tmp_path) as command:
        directory = Directory({"p1": everything})
        del directory
        (tmp_path / "fleet.yaml").write_text("")
        with listing(Directory({"p1": everything}, instead=instead)) as service:
            written = discover(command, service.url, "--project", "p1", "--output", "new.yaml")
        assert written.returncode == 3
        assert "1,000 servers in 1 project" in written.stderr
        checked = command.run("inventory", "check", "new.yaml")
        assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(("status", "code"), [(401, 5), (403, 5), (404, 4), (500, 4)], ids=str)
def test_a_run_of_which_nothing_could_be_listed_says_why(
    tmp_path: Path, status: int, code: int, impatient: None
) -> None:
    del impatient
    refusal = Said(status, {"error_code": "iMetal.0000", "error_msg": "because"})
    directory = Directory({"p1": []}, instead=lambda _asked, _number: refusal)
    with directing(directory, tmp_path) as command:
        project = {"id": "p1", "endpoint": directory.url, "discover": {}}
        inventory = {"version": 1, "projects": [project]}
        (tmp_path / "fleet.json").write_text(json.dumps(inventory))
        ended = command.run("collect", "fleet.json")
        assert ended.returncode == code, ended.stderr
        assert "project p1 cannot be listed: because" in ended.stderr
        manifest = command.manifest()
        assert manifest["run"]["state"] == "failed"
        assert manifest["projects"][0]["discovery_error"]["message"] == "because"
        shown = command.run("inventory", "show", "fleet.json")
        assert shown.returncode == code


def test_a_project_without_servers_is_a_selection_that_matches_nothing(tmp_path: Path) -> None:
    directory = Directory({"p1": []})
    with directing(directory, tmp_path) as command:
        project = {"id": "p1", "endpoint": directory.url, "discover": {}}
        (tmp_path / "f.json").write_text(json.dumps({"version": 1, "projects": [project]}))
        assert command.run("collect", "f.json").returncode == 2
        assert not command.out.exists()
        assert command.run("collect", "f.json", "--allow-empty").returncode == 0


def test_filters_choose_and_the_files_own_words_win(tmp_path: Path) -> None:
    with serving(fleet(), tmp_path) as service:
        write(
            service,
            {
                "id": "p1",
                "discover": {"tags": {"role": "d*"}, "rack": ["r1", "r2"], "name": "bms-*"},
                "servers": [{"id": "id-1", "name": "mine", "tags": {"owner": "me"}, "rack": "r7"}],
            },
        )
        shown = service.run("inventory", "show", "fleet.json", "--json")
        assert shown.returncode == 0, shown.stderr
        (project,) = json.loads(shown.stdout)["projects"]
        assert [one["id"] for one in project["servers"]] == ["id-1", "id-3"]
        mine = project["servers"][0]
        assert mine["name"] == "mine"
        assert mine["tags"] == {"role": "db", "owner": "me"}
        assert mine["rack"] == "r7"
        assert mine["health"] == "OK"
        again = service.run("inventory", "check", "-", stdin=shown.stdout)
        assert again.returncode == 0, again.stderr


def test_selections_by_what_is_listed(tmp_path: Path) -> None:
    with serving(fleet(), tmp_path) as service:
        write(
            service, {"id": "p1", "discover": {"with_alarms": "24h"}}, {"id": "p2", "discover": {}}
        )

        def names(*arguments: str) -> list[str]:
            shown = service.run("inventory", "show", "fleet.json", *arguments)
            assert shown.returncode == 0, shown.stderr
            return [line.split()[1] for line in shown.stdout.splitlines()[1:]]

        assert names("--select", "health=Crit*") == ["bms-3"]
        assert names("--select", "rack=r2", "--exclude", "alarm=*") == ["bms-3"]
        before = lists(service)
        assert names("--select", "project=p2") == ["x"]
        assert lists(service) == before + 1  # of the other project no server can be meant


def test_what_sends_nothing_says_what_it_does_not_know(tmp_path: Path) -> None:
    with serving(fleet(), tmp_path) as service:
        write(service, {"id": "p1", "discover": {}}, {"id": "p2", "servers": [{"id": "x"}]})
        planned = service.run("plan", "fleet.json")
        assert planned.returncode == 0, planned.stderr
        assert "servers that p1 would discover" in planned.stdout
        assert json.loads(service.run("plan", "fleet.json", "--json").stdout)["not_listed"] == [
            "p1"
        ]
        assert service.run("collect", "fleet.json", "--dry-run").returncode == 0
        checked = service.run("inventory", "check", "fleet.json")
        assert "1 server in 2 projects; 1 of them discovers servers" in checked.stdout
        assert service.emulator.statistics()["calls"]["total"] == 0


def test_discover_writes_an_inventory_that_collects(tmp_path: Path) -> None:
    with serving(fleet(), tmp_path) as service:
        url = service.emulator.url
        projects = ("--project", "p1", "--project", "p2")
        made = discover(service, url, *projects, "--with-alarms", "24h", "--output", "new.yaml")
        assert made.returncode == 0, made.stderr
        assert "new.yaml: 4 servers in 2 projects" in made.stderr
        assert service.run("inventory", "check", "new.yaml").returncode == 0
        text = (tmp_path / "new.yaml").read_text()
        assert "{kind: token, token_env: CLOUDDC_TOKEN}" in text
        assert "alarm: critical" in text
        assert service.token not in text
        ended = service.run("collect", "new.yaml", "--first", "alarm=critical")
        assert ended.returncode == 0, ended.stderr
        assert lists(service) == 2
        refused = discover(service, url, *projects, "--output", "new.yaml")
        assert refused.returncode == 2
        assert "--merge" in refused.stderr
        assert (tmp_path / "new.yaml").read_text() == text


@pytest.mark.parametrize("kind", ["password", "aksk", "sdk", "command"])
def test_discover_signs_in_in_each_way(tmp_path: Path, kind: str) -> None:
    with serving(fleet(), tmp_path) as service:
        url = service.emulator.url
        user, key = UserSpec(), KeySpec()
        fields = {
            "password": [
                *("--set", f"domain={user.domain}", "--set", f"user={user.name}"),
                *("--set", f"iam_endpoint={url}"),
            ],
            "command": ["--set", f"command=printf %s '{service.token}'"],
        }
        environ = service.environment(
            CLOUDDC_TOKEN="",
            CLOUDDC_PASSWORD=user.password,
            HUAWEICLOUD_SDK_AK=key.ak,
            HUAWEICLOUD_SDK_SK=key.sk,
        )
        sign_in = ("--credentials", kind, *fields.get(kind, ()))
        made = service.run(
            *("inventory", "discover", "--endpoint", url, "--project", "p1", *sign_in),
            *("--output", "new.yaml"),
            env=environ,
        )
        assert made.returncode == 0, made.stderr
        assert "3 servers in 1 project" in made.stderr
        text = (tmp_path / "new.yaml").read_text()
        for secret in (user.password, key.ak, key.sk):
            assert secret not in text + made.stdout + made.stderr
        again = service.run(
            *("inventory", "discover", "--merge", "--output", "new.yaml"),
            *("--project", "p1", "--project", "p2", "--endpoint", url),
            env=environ,
        )
        assert again.returncode == 0, again.stderr
        assert "1 project new, 1 server added" in again.stderr


def test_discover_prints_yaml_or_json(tmp_path: Path) -> None:
    with serving(fleet(), tmp_path) as service:
        url = service.emulator.url
        yaml = discover(service, url, "--project", "p2")
        assert yaml.returncode == 0, yaml.stderr
        assert service.run("inventory", "check", "-", stdin=yaml.stdout).returncode == 0
        document = discover(service, url, "--project", "p2", "--json")
        (project,) = json.loads(document.stdout)["projects"]
        assert [one["id"] for one in project["servers"]] == ["x"]
        written = discover(service, url, "--project", "p2", "--output", "f.json", "--json")
        (done,) = json.loads(written.stdout)["projects"]
        assert (done["listed"], done["added"], done["error"]) == (1, 1, None)
        assert service.run("inventory", "check", "f.json").returncode == 0


def test_merge_adds_and_marks_and_never_takes_away(tmp_path: Path) -> None:
    one, two, three = entry(1), entry(2), entry(3)
    directory = Directory({"p1": [one, two], "p2": [three]}, {"p1": [alarm(one, 2)]})
    file = tmp_path / "fleet.yaml"
    with directing(directory, tmp_path) as command:
        first = discover(command, directory.url, "--project", "p1", "--output", "fleet.yaml")
        assert first.returncode == 0, first.stderr
        text = file.read_text().replace("projects:\n", "projects:  # mine\n")
        file.write_text(text)
        file.chmod(0o640)

        merge = ("inventory", "discover", "--output", "fleet.yaml", "--merge")
        same = command.run(*merge)
        assert same.returncode == 0, same.stderr
        assert "nothing has changed" in same.stderr
        assert file.read_text() == text

        directory.servers["p1"] = [entry(1, health_state="Warning"), entry(4)]
        changed = command.run(*merge, "--with-alarms", "1h")
        assert changed.returncode == 0, changed.stderr
        assert "1 server added, 1 server changed, 1 server gone" in changed.stderr
        lines = file.read_text().splitlines()
        assert "projects:  # mine" in lines
        assert any("bms-1," in line and "health: Warning" in line for line in lines)
        assert any("bms-1," in line and "alarm: major" in line for line in lines)
        assert any("bms-2," in line and "gone: " in line for line in lines)
        assert "bms-4" in lines[-1]
        assert file.stat().st_mode & 0o777 == 0o640

        directory.servers["p1"] = [entry(1, health_state="Warning"), two, entry(4)]
        back = command.run(
            *merge, "--endpoint", directory.url, "--project", "p1", "--project", "p2"
        )
        assert back.returncode == 0, back.stderr
        assert "1 project new, 1 server added, 1 server back" in back.stderr
        assert "gone" not in file.read_text()
        assert command.run("inventory", "check", "fleet.yaml").returncode == 0


def test_a_merge_of_what_could_not_be_listed_marks_nothing(tmp_path: Path) -> None:
    directory = Directory({"p1": [entry(1)]})
    with directing(directory, tmp_path) as command:
        made = discover(command, directory.url, "--project", "p1", "--output", "f.yaml")
        assert made.returncode == 0
        text = (tmp_path / "f.yaml").read_text()
        del directory.servers["p1"]
        again = command.run("inventory", "discover", "--output", "f.yaml", "--merge")
        assert again.returncode == 4
        assert (tmp_path / "f.yaml").read_text() == text


def test_a_project_that_fails_does_not_keep_others_from_the_file(tmp_path: Path) -> None:
    with directing(Directory({"p1": [entry(1)]}), tmp_path) as command:
        del command
    directory = Directory({"p1": [entry(1)]})
    with directing(directory, tmp_path) as command:
        both = ("--project", "nowhere", "--project", "p1")
        made = discover(command, directory.url, *both, "--output", "f.yaml")
        assert made.returncode == 3
        assert "project nowhere cannot be listed" in made.stderr
        assert "nowhere" not in (tmp_path / "f.yaml").read_text()
        again = discover(
            command, directory.url, "--project", "nowhere", "--output", "f.yaml", "--merge"
        )
        assert "f.yaml: nothing has changed" in again.stderr
        first = command.run("inventory", "show", "f.yaml", "--first", "alarm=critical")
        assert "--first alarm=critical matches no selected server; no alarm is known of any" in (
            first.stderr
        )
        none = discover(command, directory.url, "--project", "nowhere", "--output", "g.yaml")
        assert none.returncode == 4
        assert not (tmp_path / "g.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--project ID"),
        (("--project", "p1"), "--region or --endpoint"),
        (("--project", "p1", "--region", "mars"), "unknown region 'mars'"),
        (("--project", "p1", "--region", "cn-east-3", "--endpoint", "http://h"), "not both"),
        (("--merge",), "--output FILE"),
        (("--merge", "--output", "f.json"), "YAML only"),
        (("--project", "a/b", "--region", "cn-east-3"), "not allowed in a URL"),
        (("--project", "p", "--region", "cn-east-3", "--credentials", "magic"), "of kind 'magic'"),
        (("--project", "p", "--region", "cn-east-3", "--set", "token=x"), "looks like a secret"),
        (("--project", "p", "--region", "cn-east-3", "--set", "x"), "KEY=VALUE"),
        (("--merge", "--output", "nothing.yaml"), "cannot read the inventory"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    answer = Command(tmp_path, TOKEN).run("inventory", "discover", *arguments)
    assert answer.returncode == 2
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr


def test_no_secret_is_told(tmp_path: Path) -> None:
    echo = Said(400, {"error_code": "iMetal.0001", "error_msg": f"bad token {TOKEN}"})
    shown = entry(1, name=TOKEN, tags=[{"key": "token", "value": TOKEN}])
    directory = Directory(
        {"p1": [shown], "p2": []}, instead=lambda asked, _n: echo if asked.project == "p2" else None
    )
    with directing(directory, tmp_path) as command:
        both = ("--project", "p1", "--project", "p2")
        made = discover(command, directory.url, *both, "--output", "f.yaml", "-vv")
        assert made.returncode == 3
        for text in (made.stdout, made.stderr, (tmp_path / "f.yaml").read_text()):
            assert TOKEN not in text


@pytest.mark.parametrize("fault", ["duplicate", "loop", "empty_page", "odd_types", "odd_records"])
def test_an_emulator_that_lists_oddly_is_survived(tmp_path: Path, fault: ListFaultName) -> None:
    with serving(fleet(list_faults=(ListFault(fault),)), tmp_path) as service:
        write(service, {"id": "p1", "discover": {}}, {"id": "p2", "servers": [{"id": "x"}]})
        ended = service.run("collect", "fleet.json")
        assert ended.returncode in (0, 3), ended.stderr
        assert "Traceback" not in ended.stderr
        assert lists(service) <= 4
        assert service.verify()["ok"]


def test_a_token_that_must_not_list_is_told_so(tmp_path: Path) -> None:
    tokens = (TokenSpec("t" * 40, denied=("list",)),)
    with serving(fleet(tokens=tokens), tmp_path) as service:
        write(service, {"id": "p1", "discover": {}})
        ended = service.run("collect", "fleet.json")
        assert ended.returncode == 5
        assert "ask for the permission clouddc:imetal:list" in ended.stderr


@pytest.mark.parametrize("kept", ["", "version: 1\n", "projects: [\n", None], ids=str)
def test_a_file_that_is_damaged_while_servers_are_listed_is_left_and_said(
    tmp_path: Path, kept: str | None
) -> None:
    file = tmp_path / "fleet.yaml"
    directory = Directory({"p1": [entry(1)]})
    with directing(directory, tmp_path) as command:
        discover(command, directory.url, "--project", "p1", "--output", "fleet.yaml")

        def instead(_asked: Asked, _number: int) -> None:
            file.unlink() if kept is None else file.write_text(kept)

        directory.instead = instead
        merged = command.run("inventory", "discover", "--merge", "--output", "fleet.yaml")
        assert merged.returncode == 2, merged.stderr
        assert "fleet.yaml" in merged.stderr.splitlines()[-1]
        assert (file.read_text() if file.exists() else None) == kept


def test_what_is_written_while_servers_are_listed_is_merged_with(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    one, two = entry(1), entry(2)
    directory = Directory({"p1": [one]})
    with directing(directory, tmp_path) as command:
        discover(command, directory.url, "--project", "p1", "--output", "fleet.yaml")
        before = file.read_text()

        def instead(_asked: Asked, _number: int) -> None:
            file.write_text(before.replace(one["id"], "mine"))

        directory.instead = instead
        directory.servers["p1"] = [one, two]
        merged = command.run("inventory", "discover", "--merge", "--output", "fleet.yaml")
        assert merged.returncode == 0, merged.stderr
        assert "2 servers added, 1 server gone" in merged.stderr
        assert all(word in file.read_text() for word in ("mine", one["id"], two["id"]))


def test_a_place_that_cannot_be_written_to_is_said_before_anything_is_listed(
    tmp_path: Path,
) -> None:
    directory = Directory({"p1": [entry(1)]})
    with directing(directory, tmp_path) as command:
        made = discover(command, directory.url, "--project", "p1", "--output", "no/such/f.yaml")
        assert made.returncode == 2
        assert "no/such" in made.stderr
        assert not directory.asked
        printed = discover(command, directory.url, "--project", "p1", "--output", "-")
        assert printed.stdout.startswith("#")
        assert not (tmp_path / "-").exists()


def test_a_list_that_never_comes_leaves_time_to_collect_what_others_have(tmp_path: Path) -> None:
    def silent(asked: Asked, _number: int) -> None:
        if asked.project == "p1":
            time.sleep(8)

    directory = Directory({"p1": []}, instead=silent)
    with listing(directory), serving(fleet(), tmp_path) as service:
        inventory = json.loads((tmp_path / "fleet.json").read_text())
        inventory["projects"][1:] = [{"id": "p1", "endpoint": directory.url, "discover": {}}]
        (tmp_path / "fleet.json").write_text(json.dumps(inventory))
        ended = service.run("collect", "fleet.json", "--deadline", "8s")
        assert ended.returncode == 3, ended.stderr
        assert "not listed in time" in ended.stderr
        manifest = service.manifest()
        assert manifest["run"]["state"] == "partial"
        assert manifest["totals"]["collected"] == 3
