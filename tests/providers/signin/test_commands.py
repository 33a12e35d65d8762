"""Programs that print a credential: run as rarely as can be, ended in any case, never quoted."""

from __future__ import annotations

import json
import os
import stat
import time
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from collector.model.answers import ExportSaid, Problem
from collector.providers.clouddc.client import CloudDC
from collector.providers.clouddc.signin.commands import CommandSource
from collector.providers.clouddc.signin.printed import OddOutputError, issue_of
from collector.providers.clouddc.signin.secret import Keyring, Keys, Token
from collector.providers.clouddc.signin.which import UnusableCommandError
from collector.redaction import Secrets
from tests.support.loopback import Answer, serving, target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.loopback import Server

pytestmark = pytest.mark.anyio
TOKEN = "canary-printed-token"
STARTED = Answer(202, {"export_id": "e1", "status": "processing"})
EXPIRED = Answer(401, {"error_code": "APIGW.0301", "error_msg": "token expires"})


@pytest.fixture
async def service() -> AsyncIterator[Server]:
    async with serving(STARTED) as server:
        yield server


class Vault:
    """A program in a directory, which counts how often it is run."""

    def __init__(self, folder: Path, body: str) -> None:
        self.path = folder / "vault"
        self._runs = folder / "runs"
        self._runs.write_text("")
        text = f"#!/bin/sh\necho x >> {self._runs}\n{body}\n"
        self.path.write_text(text)
        self.path.chmod(0o700)

    @property
    def runs(self) -> int:
        return len(self._runs.read_text().splitlines())

    def source(self, **options: str) -> CommandSource:
        words = {"command": json.dumps([str(self.path), "read", "secret/x"])}
        return CommandSource.of(words | options, os.environ, Keyring())


def fleet_of(source: CommandSource, secrets: Secrets | None = None) -> CloudDC:
    return CloudDC({"ops": source}, connections=10, secrets=secrets)


async def start(fleet: CloudDC, url: str) -> Any:  # noqa: ANN401
    return await fleet.start_export(target(url), asks_limits=False)


async def problem_of(vault: Vault, url: str, **options: str) -> Problem:
    async with fleet_of(vault.source(**options)) as fleet:
        said = await start(fleet, url)
    assert isinstance(said, Problem)
    assert said.sign_in
    return said


async def test_a_token_that_is_printed_is_carried_and_the_program_runs_once(
    tmp_path: Path, service: Server
) -> None:
    vault = Vault(tmp_path, f"sleep 0.05; echo {TOKEN}")
    async with fleet_of(vault.source()) as fleet, anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(start, fleet, service.url)
    assert {heard.headers["X-Auth-Token"] for heard in service.heard} == {TOKEN}
    assert len(service.heard) == 20
    assert vault.runs == 1


async def test_it_runs_without_a_shell_or_an_input_in_a_session_of_its_own(
    tmp_path: Path, service: Server
) -> None:
    (tmp_path / "seen").write_text("")
    vault = Vault(
        tmp_path,
        f'cat >> {tmp_path}/seen; echo "$@" >> {tmp_path}/seen; '
        f"ps -o sid= -p $$ >> {tmp_path}/seen; echo {TOKEN}",
    )
    words = json.dumps([str(vault.path), "a;b", "$HOME", "*"])
    source = CommandSource.of({"command": words}, os.environ, Keyring())
    async with fleet_of(source) as fleet:
        assert isinstance(await start(fleet, service.url), ExportSaid)
    seen = (tmp_path / "seen").read_text().splitlines()
    assert seen[0] == "a;b $HOME *"
    assert int(seen[1]) != os.getsid(0)


async def test_after_a_refusal_it_runs_once_however_many_calls_were_refused(
    tmp_path: Path,
) -> None:
    vault = Vault(tmp_path, f"echo {TOKEN}-$(wc -l < {tmp_path}/runs)")
    answers = [STARTED, *[EXPIRED] * 5, STARTED]
    async with serving(*answers) as server, fleet_of(vault.source()) as fleet:
        await start(fleet, server.url)
        for _ in range(2):
            async with anyio.create_task_group() as tasks:
                for _ in range(5):
                    tasks.start_soon(start, fleet, server.url)
    assert vault.runs == 2
    assert {heard.headers["X-Auth-Token"][-1] for heard in server.heard[6:]} == {"2"}


async def test_it_runs_again_before_what_it_printed_expires(
    tmp_path: Path, service: Server
) -> None:
    vault = Vault(
        tmp_path,
        f'echo "{{\\"token\\": \\"{TOKEN}-$(wc -l < {tmp_path}/runs)\\", '
        f'\\"expires_at\\": $(($(date +%s) + 3600))}}"',
    )
    async with fleet_of(vault.source()) as fleet:
        await start(fleet, service.url)
        source = fleet._sources["ops"]
        assert isinstance(source, CommandSource)
        issued = source._entered
        issued._renews_s = 0.0  # its last minutes have begun
        await start(fleet, service.url)
        if issued._under_way is not None:
            await issued._under_way.wait()
        await start(fleet, service.url)
    assert vault.runs == 2
    assert service.last.headers["X-Auth-Token"] == f"{TOKEN}-2"


async def test_keys_that_are_printed_sign(tmp_path: Path, service: Server) -> None:
    printed = json.dumps({"ak": "AK1", "sk": "sk-canary", "security_token": "st-canary"})
    vault = Vault(tmp_path, f"echo '{printed}'")
    async with fleet_of(vault.source()) as fleet:
        assert isinstance(await start(fleet, service.url), ExportSaid)
    assert service.last.headers["X-Security-Token"] == "st-canary"
    assert "Access=AK1," in service.last.headers["Authorization"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("exit 3", "the command vault ended with exit code 3"),
        ("kill -9 $$", "was ended by signal 9"),
        ("true", "printed nothing"),
        ("echo one; echo two", "more than one line"),
        ("printf '\\377\\376'", "not UTF-8"),
        ("printf 'a\\001b'", "no HTTP header can carry"),
        ("echo '{'", "JSON that cannot be read"),
        ("echo '[1]'", "JSON that is no object"),
        ("echo '{}'", "neither just a token, nor ak and sk"),
        ('echo \'{"token": "t", "ak": "a", "sk": "s"}\'', "neither just a token"),
        ('echo \'{"ak": "a"}\'', "neither just a token"),
        ("echo '{\"token\": 5}'", "token is not text"),
        ('echo \'{"token": "t", "expires_at": "soon"}\'', "neither ISO 8601 nor Unix seconds"),
        ('echo \'{"token": "t", "expires_at": 5}\'', "expired already"),
        ("yes", "printed more than 64 KiB"),
        (
            "head -c 80000 /dev/zero >&2; echo >&2; echo to be seen >&2; exit 1",
            "exit code 1: to be seen",
        ),
    ],
)
async def test_each_way_to_bring_nothing_has_words_of_its_own(
    tmp_path: Path, service: Server, body: str, told: str
) -> None:
    problem = await problem_of(Vault(tmp_path, body), service.url)
    assert told in problem.message
    assert problem.retry_after_s is None
    assert "what the command vault prints" in str(problem.hint)
    assert service.heard == []


async def test_one_that_does_not_end_is_ended_with_all_that_it_has_started(
    tmp_path: Path, service: Server
) -> None:
    vault = Vault(tmp_path, f"sleep 77 & echo $! > {tmp_path}/child; wait")
    problem = await problem_of(vault, service.url, timeout="0.3s")
    assert "has not ended within 0.3 s" in problem.message
    await gone(int((tmp_path / "child").read_text()))


async def test_the_end_of_a_run_ends_a_program_that_is_running(tmp_path: Path) -> None:
    vault = Vault(tmp_path, f"sleep 78 & echo $! > {tmp_path}/child; wait")
    async with fleet_of(vault.source()) as fleet, anyio.create_task_group() as tasks:
        tasks.start_soon(start, fleet, "http://127.0.0.1:1")
        child = tmp_path / "child"
        with anyio.fail_after(10):
            while not child.exists() or not child.read_text().strip():  # noqa: ASYNC110  # a file
                await anyio.sleep(0.005)
        tasks.cancel_scope.cancel()
    await gone(int(child.read_text()))


async def gone(pid: int) -> None:
    """Wait until a process has ended: whoever adopts it may be slow to say so."""
    with anyio.fail_after(10):
        while True:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return
            state = (await anyio.Path(f"/proc/{pid}/stat").read_text()).rpartition(")")[2].split()
            if state[0] == "Z":
                return
            await anyio.sleep(0.005)


async def test_output_that_a_started_program_holds_open_is_not_waited_for(
    tmp_path: Path, service: Server
) -> None:
    vault = Vault(tmp_path, f"echo {TOKEN}; sleep 60 & echo $! > {tmp_path}/child")
    async with fleet_of(vault.source()) as fleet:
        assert isinstance(await start(fleet, service.url), ExportSaid)
    os.kill(int((tmp_path / "child").read_text()), 9)


async def test_stderr_is_shown_by_its_last_line_alone_and_without_secrets(
    tmp_path: Path, service: Server
) -> None:
    body = (
        f"echo {TOKEN}; echo first line >&2; "
        f"echo 'known-canary and {TOKEN} password=parameter-canary denied' >&2; exit 1"
    )
    secrets = Secrets()
    secrets.add("known-canary")
    async with fleet_of(Vault(tmp_path, body).source(), secrets) as fleet:
        problem = await start(fleet, service.url)
    assert "denied" in problem.message
    for unseen in ("first line", "known-canary", TOKEN, "parameter-canary"):
        assert unseen not in problem.message


@pytest.mark.parametrize(
    "body",
    [
        f"echo '{{\"token\": \"{TOKEN}\"}}'; echo 'no lease for {TOKEN}' >&2; exit 1",
        f'echo \'{{"ak":"a","sk":"{TOKEN}"}}\'; echo \'no lease for {TOKEN}\' >&2; exit 1',
        "echo 'no lease for s3cr3tCanaryOfStderr' >&2; exit 1",
        "echo s3cr3tCanaryOfStderr >&2",
    ],
)
async def test_what_may_be_a_secret_of_its_own_is_not_shown_from_stderr(
    tmp_path: Path, service: Server, body: str
) -> None:
    problem = await problem_of(Vault(tmp_path, body), service.url)
    assert "***" in problem.message
    assert "anary" not in problem.message


async def test_of_a_long_line_of_stderr_no_half_secret_is_shown(
    tmp_path: Path, service: Server
) -> None:
    body = "printf 'canary:%05000d' 7 >&2; sleep 0.1; printf canary >&2; exit 1"
    problem = await problem_of(Vault(tmp_path, body), service.url)
    assert problem.message.endswith("ended with exit code 1")


async def test_one_that_has_worked_before_may_work_again(tmp_path: Path) -> None:
    vault = Vault(tmp_path, f"[ -e {tmp_path}/broken ] && exit 1; echo {TOKEN}")
    async with serving(STARTED, EXPIRED) as server, fleet_of(vault.source()) as fleet:
        await start(fleet, server.url)
        (tmp_path / "broken").write_text("")
        assert (await start(fleet, server.url)).renewed
        said = [await start(fleet, server.url) for _ in range(3)]
    assert all(one.sign_in and one.retry_after_s > 0 for one in said)
    assert vault.runs == 2


async def test_one_that_has_worked_and_cannot_be_started_may_be_about_to_be_replaced(
    tmp_path: Path,
) -> None:
    vault = Vault(tmp_path, f"echo {TOKEN}")
    async with serving(STARTED, EXPIRED) as server, fleet_of(vault.source()) as fleet:
        await start(fleet, server.url)
        vault.path.unlink()
        assert (await start(fleet, server.url)).renewed
        said = await start(fleet, server.url)
    assert "is not found" in said.message
    assert said.retry_after_s > 0


async def test_what_is_printed_is_a_known_secret(tmp_path: Path, service: Server) -> None:
    secrets = Secrets()
    source = Vault(tmp_path, f"echo {TOKEN}").source()
    async with fleet_of(source, secrets) as fleet:
        await start(fleet, service.url)
    assert TOKEN not in secrets.out_of(f"a {TOKEN} b")
    assert repr(source) == "CommandSource('vault')"


def test_a_program_that_is_not_there_is_named_before_any_call(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("#!/bin/sh\n")
    plain.chmod(stat.S_IRUSR)
    for name, told in [
        ("no-such-program-of-ours", "is not found"),
        (str(tmp_path / "nothing"), "is not found"),
        (str(tmp_path), "is not found"),
        (str(plain), "is not executable"),
        ("a\0b", "NUL"),
    ]:
        with pytest.raises(UnusableCommandError, match=told):
            CommandSource.of({"command": json.dumps([name])}, os.environ, Keyring())


async def test_a_script_without_its_first_line_is_told_to_need_it(
    tmp_path: Path, service: Server
) -> None:
    vault = Vault(tmp_path, "")
    vault.path.write_bytes(b"\x00\x01 no program")
    problem = await problem_of(vault, service.url)
    assert "#! in its first line" in problem.message


@pytest.mark.parametrize(
    ("printed", "life_s"),
    [
        (TOKEN, float("inf")),
        (f'\ufeff{{"token": "{TOKEN}", "sk": null}}', float("inf")),
        (f'{{"token": "{TOKEN}", "expires_at": "2026-11-30T02:00:00Z"}}', 7200.0),
        (f'{{"token": "{TOKEN}", "expires_at": "2026-11-30T03:00:00+01:00"}}', 7200.0),
        (f'{{"token": "{TOKEN}", "expires_at": "2026-11-30T02:00:00"}}', 7200.0),
        (f'{{"token": "{TOKEN}", "expires_at": 1796004000.5}}', 7200.5),
        (f'{{"token": "{TOKEN}", "lease": {{"id": 5}}}}', float("inf")),
    ],
)
def test_plain_text_and_json_are_understood(printed: str, life_s: float) -> None:
    now_s = 1_796_004_000.0 - 7200.0
    issue = issue_of(f"{printed}\n".encode(), Keyring(), now_s)
    assert isinstance(issue.secret, Token)
    assert issue.secret.value == TOKEN
    assert issue.life_s == life_s


def test_keys_are_understood() -> None:
    issue = issue_of(b'{"ak": "a", "sk": "s"}', Keyring(), time.time())
    assert isinstance(issue.secret, Keys)


@pytest.mark.parametrize(
    "expires_at", ["true", "[]", "1e400", "NaN", "-Infinity", '""', '"9999999-01-01"', "1e15"]
)
def test_an_odd_expiry_is_refused(expires_at: str) -> None:
    with pytest.raises(OddOutputError, match="expires_at"):
        issue_of(f'{{"token": "t", "expires_at": {expires_at}}}'.encode(), Keyring())


def test_deep_json_is_refused() -> None:
    with pytest.raises(OddOutputError):
        issue_of(b"[" * 50_000, Keyring())
