from __future__ import annotations

import pytest

from collector.model import events as e
from collector.model.state import RunState, apply
from collector.providers.connecting import own_secret_of, providers_of

AT = "2026-11-23T08:41:03.000Z"


@pytest.mark.parametrize(
    ("kind", "own"), [("password", True), ("token", False), ("aksk", False), ("odd", False)]
)
def test_projects_that_sign_in_by_themselves_have_secrets_of_their_own(
    kind: str, *, own: bool
) -> None:
    state = RunState()
    named = e.CredentialNamed(at=AT, name="ops", kind=kind, account="ops", options={})
    for number, credential in enumerate(["ops", "nowhere described"]):
        project = e.ProjectSelected(
            at=AT, project=number, id=f"p{number}", name="p", endpoint="http://e",
            credential=credential, directory=f"p{number}", requests_per_second=None,
            exports_in_flight=None, share=1.0,
        )  # fmt: skip
        apply(state, project)
    apply(state, named)
    own_secret = own_secret_of(state, providers_of(state))
    assert own_secret(0) is own
    assert own_secret(1) is False
