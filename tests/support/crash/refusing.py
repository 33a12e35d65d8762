"""A disk that refuses one call, or every call from one on."""

from __future__ import annotations

import errno
import os
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from collector import files
from tests.support.crash.recording import CALLS, real

if TYPE_CHECKING:
    import pytest

NEVER = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which calls fail.

    Attributes:
        number: the first that does, counted from one; `NEVER` for none.
        code: how, as the system numbers it. A write to a full disk writes half first.
        for_ever: all later calls fail too.
    """

    number: int
    code: int
    for_ever: bool

    def __str__(self) -> str:
        when = "from call" if self.for_ever else "call"
        return f"{errno.errorcode[self.code]} {when} {self.number}"


@dataclass
class Refusing:
    """`collector.files` with a refusal.

    Attributes:
        calls: how many there were.
        hit: the first that was refused, in words.
    """

    refusal: Refusal
    calls: int = 0
    hit: str | None = None
    _half: bool = False
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        for name in CALLS:
            patch.setattr(files, name, partial(self._call, name))

    def _call(self, name: str, *args: Any, **options: Any) -> Any:  # noqa: ANN401  # as the call's
        with self._turn:
            self.calls += 1
            refused = self._half or self._is_due()
            self._half = False
            if refused and self.hit is None:
                self.hit = f"{name} {args[0]}"
                if name == "write" and self.refusal.code == errno.ENOSPC:
                    self._half = True  # the next call meets with the full disk
                    descriptor, data = args
                    return os.write(descriptor, data[: (len(data) + 1) // 2])
            if refused:
                raise OSError(self.refusal.code, os.strerror(self.refusal.code))
            return getattr(real, name)(*args, **options)

    def _is_due(self) -> bool:
        number, for_ever = self.refusal.number, self.refusal.for_ever
        return number != NEVER and (self.calls >= number if for_ever else self.calls == number)
