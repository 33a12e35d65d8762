"""Credentials for programs that sign in by themselves: fresh tokens and temporary keys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from collector.emulator.errors import ScenarioError
from collector.emulator.tokens import moment

if TYPE_CHECKING:
    from collector.emulator.authentication import Authentication
    from collector.emulator.principals import UserSpec
    from collector.emulator.scenario import Scenario


class Issuing:
    """Issues credentials to users without asking for a password, and without counting as a sign-in.

    Args:
        scenario: Which users there are.
        authentication: Who accepts what is issued.
    """

    def __init__(self, scenario: Scenario, authentication: Authentication) -> None:
        self._scenario = scenario
        self._authentication = authentication

    def token(self, user: str | UserSpec | None, project_id: str | None) -> dict[str, str]:
        """Return a fresh token: `token`, `expires_at`. The arguments are `Emulator.issue_token`'s.

        Raises:
            ScenarioError: If there is no such user or project.
        """
        spec, projects = self._asked(user, project_id)
        now_s = time.monotonic()
        token = self._authentication.tokens.issue(spec, projects, now_s)
        life_s = 0.0 if token.ends_s is None else token.ends_s - now_s
        return {"token": token.value, "expires_at": self._moment(life_s)}

    def key(self, user: str | UserSpec | None, project_id: str | None) -> dict[str, str]:
        """Return a temporary key: `ak`, `sk`, `security_token`, `expires_at`.

        Raises:
            ScenarioError: If there is no such user or project.
        """
        spec, projects = self._asked(user, project_id)
        key = self._authentication.keys.issue(spec, projects, time.monotonic())
        return {
            "ak": key.ak,
            "sk": key.sk,
            "security_token": key.security_token or "",
            "expires_at": self._moment(key.expires_after_s or 0.0),
        }

    def _asked(
        self, user: str | UserSpec | None, project_id: str | None
    ) -> tuple[UserSpec, tuple[str, ...] | None]:
        """Return the user, and the projects that the credential is for (None: all)."""
        known = self._scenario.users
        spec = next((of for of in known if user in (None, of, of.name, of.label)), None)
        if spec is None:
            raise ScenarioError(f"no such user: {user!r}" if user else "users: there is none")
        if project_id is None:
            return spec, spec.projects
        if all(project.id != project_id for project in self._scenario.projects):
            raise ScenarioError(f"no such project: {project_id!r}")
        if spec.projects is not None and project_id not in spec.projects:
            raise ScenarioError(f"{spec.label} has no project {project_id!r}")
        return spec, (project_id,)

    def _moment(self, later_s: float) -> str:
        return moment(time.time() + self._scenario.clock_skew_s + later_s)
