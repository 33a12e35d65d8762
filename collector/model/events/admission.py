"""What is observed of credentials, and of what they are allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.model.events.base import Observation

if TYPE_CHECKING:
    from collector.model.fields import AnyTime, CallWord, Count, Index


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInPaused(Observation):
    """Signing in with a credential does not work, and may later: its servers wait for that."""

    credential: str
    message: str
    hint: str
    until: AnyTime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInWentOn(Observation):
    """It works again."""

    credential: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialStopped(Observation):
    """A credential is given up in one `project`, or in all that use it: `servers` fail."""

    credential: str
    project: Index | None
    servers: Count
    message: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionDoubted(Observation):
    """A call of a project may be forbidden: one server finds out before any other needs it."""

    project: Index
    call: CallWord
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionConfirmed(Observation):
    """A call that was doubted is allowed."""

    project: Index
    call: CallWord


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionMissing(Observation):
    """A call is forbidden to a whole project: `servers` that need it fail without a call each."""

    project: Index
    call: CallWord
    servers: Count
    message: str
    hint: str
