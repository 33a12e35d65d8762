"""IAM: a password is exchanged for a token (Keystone v3, IAM reference)."""

from __future__ import annotations

import asyncio
import hmac
import json
import math
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING

from collector.emulator import refusals
from collector.emulator.chance import fraction, opaque
from collector.emulator.locks import Locks
from collector.emulator.refusals import JSON, Refusal
from collector.emulator.strikes import Strikes
from collector.emulator.throttling import Caller, Gate
from collector.emulator.tokens import moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from collector.emulator.iam_faults import IamFault
    from collector.emulator.principals import UserSpec
    from collector.emulator.scenario import ProjectSpec, Scenario
    from collector.emulator.statistics import Statistics
    from collector.emulator.tokens import Token, Tokens

SIGN_IN_PATH = "/v3/auth/tokens"
_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_CODES = {
    400: "IAM.0011",
    401: "IAM.0101",
    403: "IAM.0002",
    404: "IAM.0004",
    429: "IAM.0429",
    500: "IAM.0006",
    503: "IAM.0006",
}


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
        answer = self._failure(fault) if fault is not None else None
        if fault is not None and fault.name == "reset":
            return None
        if answer is None:
            answer = self._sign_in(body, request.remote or "", now_s, clock_s, fault)
        response = answer.response(headers)
        self._statistics.iam_answered(response.status)
        return response

    def _sign_in(
        self, body: bytes, remote: str, now_s: float, clock_s: float, fault: IamFault | None
    ) -> Refusal:
        signing_in = SignIn.parse(body)
        if signing_in is None:
            return self._error(400, "Request body is invalid.")
        name = f"{signing_in.domain}/{signing_in.user}"
        refused = self._gate.admit(Caller("sign_in", name, name, remote, signing_in.project), now_s)
        if refused is not None:
            throttle, wait_s = refused
            self._statistics.iam_throttled += 1
            later = {
                "none": {},
                "seconds": {"Retry-After": str(math.ceil(wait_s))},
                "date": {"Retry-After": formatdate(math.ceil(clock_s + wait_s), usegmt=True)},
            }[throttle.retry_after]
            return self._error(429, "The number of requests exceeds the limit.", later)
        user = self._user(signing_in, name, now_s)
        if isinstance(user, Refusal):
            return user
        project = self._project(signing_in, user)
        if project is None:
            status = self._scenario.iam_project_status
            return self._error(
                status,
                "The request you have made requires authentication."
                if status == 401  # noqa: PLR2004 - HTTP's
                else f"Could not find project: {signing_in.project}.",
            )
        token = self._tokens.issue(user, (project.id,), now_s)
        return self._issued(token, user, project, now_s, clock_s, fault)

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

    def _issued(
        self,
        token: Token,
        user: UserSpec,
        project: ProjectSpec,
        now_s: float,
        clock_s: float,
        fault: IamFault | None,
    ) -> Refusal:
        domain = {"id": opaque(user.domain, "domain"), "name": user.domain}
        body: dict[str, object] = {
            "expires_at": moment(clock_s + (token.ends_s or now_s) - now_s),
            "issued_at": moment(clock_s),
            "methods": ["password"],
            "project": {"id": project.id, "name": project.name or project.id, "domain": domain},
            "user": {
                "id": opaque(user.label, "user"),
                "name": user.name,
                "domain": domain,
                "password_expires_at": "",
            },
            "roles": [{"id": "0", "name": "clouddc_user"}],
            "catalog": [],
        }
        headers = {"X-Subject-Token": token.value}
        text = json.dumps({"token": body})
        match fault.name if fault is not None else "":
            case "no_token":
                headers = {}
            case "not_json":
                text = "<token/>"
            case "no_expiry":
                text = json.dumps({"token": {**body, "expires_at": None}})
            case "odd_expiry":
                text = json.dumps({"token": {**body, "expires_at": "tomorrow"}})
        return Refusal(201, text.encode(), JSON, headers)

    def _failure(self, fault: IamFault) -> Refusal | None:
        """Return what is answered in place of an answer; None if the sign-in is acted on."""
        later = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
        match fault.name:
            case "error_500":
                return self._error(500, "An unexpected error prevented the server from answering.")
            case "bad_gateway":
                return refusals.html_page(502, "502 Bad Gateway")
            case "unavailable":
                return self._error(503, "The service is unavailable.", later)
            case "throttled":
                return self._error(429, "The number of requests exceeds the limit.", later)
            case "html":
                return refusals.html_page(200, "Sign in to the network")
            case _:
                return None

    def _error(
        self, status: int, message: str, headers: Mapping[str, str] | None = None
    ) -> Refusal:
        """IAM's error, in one of its two forms."""
        form = self._scenario.iam_errors
        if form == "mixed":
            chance = fraction(self._scenario.seed, "iam error", self._statistics.iam_calls)
            form = "keystone" if chance < 0.5 else "code"  # noqa: PLR2004 - evenly
        body: dict[str, object] = {"error_msg": message, "error_code": _CODES[status]}
        if form == "keystone":
            body = {"error": {"code": status, "message": message, "title": _TITLES[status]}}
        return Refusal(status, json.dumps(body).encode(), JSON, headers or {})
