from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.crash.rehearsal import make_impatient

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True, scope="module")
def _impatient() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        make_impatient(patch)
        yield
