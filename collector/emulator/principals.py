"""Who may call: fixed tokens, users who sign in, access keys."""

from __future__ import annotations

from dataclasses import dataclass

from collector.emulator.calls import CallKind  # noqa: TC001 - scenario_file reads it at run time
from collector.emulator.errors import require

ACCOUNT = "emulator"


@dataclass(frozen=True, slots=True)
class TokenSpec:
    """An accepted token.

    Attributes:
        value: What `X-Auth-Token` must carry.
        user: The account it belongs to; `user` policies count all its tokens together.
        expires_after_s: Seconds from the emulator's start until it is refused.
        expires_after_calls: Calls it is good for.
        projects: The ids of the projects it is good for; None means all.
        denied: The calls that it has no permission for: 403 iMetal.0004.
    """

    value: str = "emulator-token"
    user: str = ACCOUNT
    expires_after_s: float | None = None
    expires_after_calls: int | None = None
    projects: tuple[str, ...] | None = None
    denied: tuple[CallKind, ...] = ()


@dataclass(frozen=True, slots=True)
class UserSpec:
    """A user who signs in at `POST /v3/auth/tokens`, with a password, for a project.

    Attributes:
        domain: The domain's name: of the account that the user is in.
        name: The user's name.
        password: The user's password.
        account: The account that `user` policies count; empty means the domain.
        projects: The ids of the user's projects; None means all.
        token_life_s: Seconds until a token of this user is refused; None means 24 hours.
        token_life_calls: Calls that a token of this user is good for.
        denied: The calls that the user has no permission for: 403 iMetal.0004.
    """

    domain: str = ACCOUNT
    name: str = "oncall"
    password: str = "emulator-password"  # noqa: S105 - the demo's, good for nothing else
    account: str = ""
    projects: tuple[str, ...] | None = None
    token_life_s: float | None = None
    token_life_calls: int | None = None
    denied: tuple[CallKind, ...] = ()

    def __post_init__(self) -> None:
        require(bool(self.domain and self.name), "user: a domain and a name are needed")
        require(self.token_life_s is None or self.token_life_s > 0, "token_life_s: must be over 0")
        require(
            self.token_life_calls is None or self.token_life_calls >= 1,
            "token_life_calls: must be 1 or more",
        )

    @property
    def label(self) -> str:
        """The user in statistics: `acme/oncall`."""
        return f"{self.domain}/{self.name}"


@dataclass(frozen=True, slots=True)
class KeySpec:
    """An access key, with which requests are signed.

    Attributes:
        ak: The access key's id.
        sk: The secret key.
        security_token: What `X-Security-Token` must carry; None makes it a permanent key.
        account: The account that `user` policies count.
        projects: The ids of the projects it is good for; None means all.
        expires_after_s: Seconds from the emulator's start until it is refused.
        expires_after_calls: Calls it is good for.
        denied: The calls that it has no permission for: 403 iMetal.0004.
    """

    ak: str = "EMULATORACCESSKEY001"
    sk: str = "emulator-secret-key"
    security_token: str | None = None
    account: str = ACCOUNT
    projects: tuple[str, ...] | None = None
    expires_after_s: float | None = None
    expires_after_calls: int | None = None
    denied: tuple[CallKind, ...] = ()

    def __post_init__(self) -> None:
        require(bool(self.ak and self.sk), "key: ak and sk are needed")
        require(self.security_token != "", "key: a security_token is a text, or none")


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of an authenticated call.

    Attributes:
        account: What `user` policies count.
        credential: What `app` policies count: the token, the access key's id.
        label: The credential in statistics.
        projects: The ids of its projects; None means all.
        denied: The calls that it has no permission for.
    """

    account: str
    credential: str
    label: str
    projects: tuple[str, ...] | None = None
    denied: tuple[CallKind, ...] = ()

    def may_use(self, project_id: str) -> bool:
        """Whether it is good for that project at all."""
        return self.projects is None or project_id in self.projects
