"""What is observed of credentials, and of what they are allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.model.events.base import Observation, event

if TYPE_CHECKING:
    from collector.model.fields import AnyTime, CallWord, Count, Index


@event
class SignInPaused(Observation):
    """Signing in with a credential does not work, and may later: its servers wait for that."""

    credential: str
    message: str
    hint: str
    until: AnyTime


@event
class SignInWentOn(Observation):
    """It works again."""

    credential: str


@event
class CredentialStopped(Observation):
    """A credential is given up in one `project`, or in all that use it: `servers` fail."""

    credential: str
    project: Index | None
    servers: Count
    message: str
    hint: str


@event
class PermissionDoubted(Observation):
    """A call of a project may be forbidden: one server finds out before any other needs it."""

    project: Index
    call: CallWord
    message: str
    hint: str | None = None


@event
class PermissionConfirmed(Observation):
    """A call that was doubted is allowed."""

    project: Index
    call: CallWord


@event
class PermissionMissing(Observation):
    """A call is forbidden to a whole project: `servers` that need it fail without a call each."""

    project: Index
    call: CallWord
    servers: Count
    message: str
    hint: str
