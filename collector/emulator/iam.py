"""IAM: a password is exchanged for a token (Keystone v3, IAM reference)."""

from __future__ import annotations

import asyncio
import hmac
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.emulator import iam_answers, refusals
from collector.emulator.chance import fraction
from collector.emulator.locks import Locks
from collector.emulator.refusals import Refusal
from collector.emulator.strikes import Strikes
from collector.emulator.throttling import Caller, Gate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from collector.emulator.principals import UserSpec
    from collector.emulator.scenario import ProjectSpec, Scenario
    from collector.emulator.statistics import Statistics
    from collector.emulator.tokens import Tokens

SIGN_IN_PATH = "/v3/auth/tokens"


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a request to sign in says.

    Attributes:
        domain: The domain's name.
        user: The user's name.
        password: The password.
        project: The project that the token is for: its id or its name.
    """

    domain: str
    user: str
    password: str
    project: str

    @classmethod
    def parse(cls, body: bytes) -> SignIn | None:
        """Read it from a request's body; None if that is not what the reference documents."""
        try:
            auth = json.loads(body)["auth"]
            user = auth["identity"]["password"]["user"]
            project = auth["scope"]["project"]
            texts = (
                user["domain"]["name"],
                user["name"],
                user["password"],
                project["id"] if "id" in project else project["name"],
            )
            is_good = auth["identity"]["methods"] == ["password"]
        except (ValueError, LookupError, TypeError, RecursionError):
            return None
        if not is_good or not all(type(text) is str and text for text in texts):
            return None
        return cls(*texts)


class Iam:
    """Answers sign-ins.

    Args:
        scenario: Who may sign in, and what goes wrong.
        statistics: Where everything is counted.
        tokens: Where tokens are issued.
    """

    def __init__(self, scenario: Scenario, statistics: Statistics, tokens: Tokens) -> None:
        self._scenario = scenario
        self._statistics = statistics
        self._tokens = tokens
        self._users = {(user.domain, user.name): user for user in scenario.users}
        self._projects = {project.id: project for project in scenario.projects}
        names = {project.name: project for project in scenario.projects if project.name}
        self._projects_by_name = names
        self._faults = Strikes(scenario.iam_faults)
        self._gate = Gate(
            () if scenario.iam_throttle is None else (scenario.iam_throttle,),
            throttled_calls_count=scenario.throttled_calls_count,
        )
        self._locks = Locks(
            scenario.iam_lock_after,
            within_s=scenario.iam_lock_s,
            for_s=scenario.iam_lock_s,
        )

    async def answer(
        self, request: web.BaseRequest, headers: Mapping[str, str], now_s: float, clock_s: float
    ) -> web.Response | None:
        """Answer a sign-in; None means that its connection is reset.

        Args:
            request: The request.
            headers: The headers of every answer.
            now_s: The emulator's monotonic clock.
            clock_s: The service's clock, in seconds since 1970.
        """
        self._statistics.iam_calls += 1
        body = await request.read()
        fault = self._faults.strike()
        if fault is not None:
            self._statistics.struck(f"iam_{fault.name}")
        if fault is not None and fault.name == "silent":
            # Until the client has had enough: its going cancels the request.
            await asyncio.Event().wait()
        if fault is not None and fault.name == "reset":
            return None
        answer = None if fault is None else iam_answers.failure(fault, self._form(), request.host)
        if answer is None:
            answer = self._sign_in(body, request.remote or "", now_s, clock_s)
            if fault is not None and answer.status == 201:  # noqa: PLR2004 - HTTP's
                await asyncio.sleep(fault.for_s or 0.0)
                answer = iam_answers.oddly(answer, fault)
        response = answer.response(headers)
        self._statistics.iam_answered(response.status)
        return response

    def _sign_in(self, body: bytes, remote: str, now_s: float, clock_s: float) -> Refusal:
        signing_in = SignIn.parse(body)
        if signing_in is None:
            return self._error(400, "Request body is invalid.")
        name = f"{signing_in.domain}/{signing_in.user}"
        refused = self._gate.admit(Caller("sign_in", name, name, remote, signing_in.project), now_s)
        if refused is not None:
            throttle, wait_s = refused
            self._statistics.iam_throttled += 1
            later = refusals.retry_after(throttle.retry_after, wait_s, clock_s)
            return self._error(429, iam_answers.TOO_MANY, later)
        user = self._user(signing_in, name, now_s)
        if isinstance(user, Refusal):
            return user
        project = self._project(signing_in, user)
        if project is None:
            status = self._scenario.iam_project_status
            words = f"Could not find project: {signing_in.project}."
            if status == 401:  # noqa: PLR2004 - HTTP's
                words = "The request you have made requires authentication."
            return self._error(status, words)
        token = self._tokens.issue(user, (project.id,), now_s)
        life_s = 0.0 if token.ends_s is None else token.ends_s - now_s
        return iam_answers.issued(token, user, project, issued_s=clock_s, life_s=life_s)

    def _user(self, signing_in: SignIn, name: str, now_s: float) -> UserSpec | Refusal:
        if self._locks.is_locked(name, now_s):
            return self._error(401, "The account is locked.")
        user = self._users.get((signing_in.domain, signing_in.user))
        password = "" if user is None else user.password
        if user is None or not hmac.compare_digest(
            password.encode(), signing_in.password.encode("utf-8", "surrogatepass")
        ):
            self._statistics.wrong_passwords += 1
            if user is not None:
                self._locks.failed(name, now_s)
                self._statistics.users_locked = self._locks.locks
                self._statistics.wrong_passwords_in_a_row = max(self._locks.most_in_a_row.values())
            return self._error(401, "The username or password is wrong.")
        self._locks.succeeded(name)
        return user

    def _project(self, signing_in: SignIn, user: UserSpec) -> ProjectSpec | None:
        """Return the project that a token is wanted for; None if it is none of the user's."""
        wanted = signing_in.project
        project = self._projects.get(wanted) or self._projects_by_name.get(wanted)
        if project is None or (user.projects is not None and project.id not in user.projects):
            return None
        return project

    def _error(
        self, status: int, message: str, headers: Mapping[str, str] | None = None
    ) -> Refusal:
        return iam_answers.error(self._form(), status, message, headers)

    def _form(self) -> iam_answers.Form:
        form = self._scenario.iam_errors
        if form == "mixed":
            chance = fraction(self._scenario.seed, "iam error", self._statistics.iam_calls)
            return "keystone" if chance < 0.5 else "code"  # noqa: PLR2004 - evenly
        return form
