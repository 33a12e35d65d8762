"""A user's mark on what a journal says of secrets."""

from __future__ import annotations

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest

import collector
from collector import files
from collector.emulator import Emulator, ProjectSpec, Scenario, ServerSpec
from collector.model import events as e
from collector.model.state import RunState, apply
from collector.runtime import trust

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

AT = "2026-11-23T08:41:03Z"
KEY = bytes(32)
CREDENTIAL = e.CredentialNamed(
    at=AT, name="ops", kind="token", account="ops", options={"token_env": "OPS"}
)
PROJECT = e.ProjectSelected(
    at=AT, project=0, id="p1", name="pay", endpoint="https://a.example", credential="ops",
    directory="pay", requests_per_second=None, exports_in_flight=None, share=0.95,
)  # fmt: skip
FIRST = [CREDENTIAL, PROJECT, e.SelectionEnded(at=AT, servers=0)]


def folded(events: Iterable[e.Event]) -> RunState:
    state = RunState()
    for event in events:
        apply(state, event)
    return state


def test_what_is_marked_is_believed_with_the_same_key_alone() -> None:
    state = folded(trust.vouched(FIRST, RunState(), KEY, AT))
    assert trust.is_vouched(state, KEY)
    assert not trust.is_vouched(state, bytes([1]) * 32)
    assert not trust.is_vouched(state, None)
    assert not trust.is_vouched(folded(FIRST), KEY)


@pytest.mark.parametrize(
    "later",
    [
        replace(CREDENTIAL, kind="command"),
        replace(CREDENTIAL, account="x"),
        replace(CREDENTIAL, options={"token_env": "OTHER"}),
        replace(CREDENTIAL, options={"token_file": "OPS"}),
        replace(PROJECT, endpoint="https://b.example"),
        replace(PROJECT, credential="x"),
        replace(PROJECT, id="p2"),
        replace(PROJECT, project=1),
        replace(PROJECT, provider="redfish"),
    ],
)
def test_what_is_said_after_the_mark_breaks_it(later: e.Event) -> None:
    state = folded([*trust.vouched(FIRST, RunState(), KEY, AT), later])
    assert not trust.is_vouched(state, KEY)
    assert trust.is_vouched(folded([*trust.vouched([*FIRST, later], RunState(), KEY, AT)]), KEY)


def test_a_mark_from_before_projects_named_their_providers_still_holds() -> None:
    mark = "156b18541ceb107b1359c4e969f10b2e75c1be4f6fb0505b416de8025f7d78da"
    assert trust.is_vouched(folded([*FIRST, e.EndpointsVouched(at=AT, mark=mark)]), KEY)


def test_a_selection_that_is_complete_has_its_mark_already() -> None:
    events = [*trust.vouched(FIRST, RunState(), KEY, AT)]
    assert [type(event) for event in events[-2:]] == [e.EndpointsVouched, e.SelectionEnded]
    state = folded(events)
    assert [*trust.vouched([], state, KEY, AT)] == []


def test_all_who_make_a_key_at_once_use_the_same(tmp_path: Path) -> None:
    place = tmp_path / "state" / "collector"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: trust.key_of(place, make=True), range(8)))
    assert len(keys) == 1
    assert keys == {trust.key_of(place, make=False)}
    assert [path.name for path in place.iterdir()] == [trust.KEY]
    assert (place / trust.KEY).stat().st_mode & 0o777 == 0o600


def test_a_key_is_made_where_files_have_one_name_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_old: Path, _new: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(files, "make_hard_link", refuse)
    key = trust.key_of(tmp_path, make=True)
    assert key is not None
    assert key == trust.key_of(tmp_path, make=False)


@pytest.mark.parametrize("odd", ["link", "pipe", "directory", "long", "text", "mode"])
def test_what_is_no_key_of_ours_is_not_used_nor_replaced(tmp_path: Path, odd: str) -> None:
    assert trust.key_of(tmp_path, make=True) is not None
    key = tmp_path / trust.KEY
    content = key.read_bytes()
    if odd == "mode":
        key.chmod(0o640)
    else:
        key.unlink()
        if odd == "link":
            (tmp_path / "aim").write_bytes(content)
            key.symlink_to("aim")
        elif odd == "pipe":
            os.mkfifo(key)
        elif odd == "directory":
            key.mkdir()
        else:
            key.write_bytes(content * 2 if odd == "long" else b"no key\n")
            key.chmod(0o600)
    before = key.lstat()
    assert trust.key_of(tmp_path, make=True) is None
    assert os.path.samestat(before, key.lstat())


def test_the_library_asks_as_well(tmp_path: Path) -> None:
    async def main() -> None:
        spec = ProjectSpec("p1", "fleet", (ServerSpec("id-1", "bms-1"),))
        async with Emulator(Scenario(projects=(spec,), export_duration_s=60.0)) as api:
            environ = {"CLOUDDC_TOKEN": api.token}
            inventory = tmp_path / "fleet.json"
            inventory.write_text(json.dumps(api.inventory()))
            access = collector.Access(environ=environ)
            selection = collector.load(inventory, environ=environ).select()
            for memory, asks in ((None, True), (tmp_path / "state", False)):
                terms = collector.Terms(deadline_s=0.3, memory=memory)
                async with collector.collect(
                    selection, tmp_path / "out", access=access, terms=terms
                ) as run:
                    pass
                assert run.state.pending == 1
                if asks:
                    with pytest.raises(trust.UntrustedJournal, match="trust-journal"):
                        collector.resume(run.directory, access=access, terms=terms)
                for known in ({"selection": selection}, {"trust_journal": True}) if asks else ({},):
                    again = collector.resume(run.directory, access=access, terms=terms, **known)
                    async with again:
                        pass
                    assert again.state.resumed

    anyio.run(main)
