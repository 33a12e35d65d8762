"""`kind: password`: tokens that IAM issues for a user, one for each project."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
from aiolimiter import AsyncLimiter
from multidict import CIMultiDict
from yarl import URL

from collector import clock, threads
from collector.errors import CollectorError
from collector.model.answers import Problem
from collector.providers.clouddc.rules import iam_endpoint_of
from collector.providers.clouddc.signin import iam
from collector.providers.clouddc.signin.issued import Issue, Issued
from collector.providers.clouddc.signin.kept import look
from collector.providers.clouddc.signin.problems import final, passing, wait_s
from collector.providers.clouddc.signin.reading import (
    UnusableSecretError,
    decoded,
    of_file,
    of_variable,
    one_line,
)
from collector.providers.clouddc.signin.source import Source
from collector.providers.http import calls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.providers.clouddc.signin.secret import Secret
    from collector.providers.clouddc.signin.source import Means, Offer
    from collector.providers.http.replies import Reply
    from collector.providers.protocol import ProjectAddress
    from collector.redaction import Secrets

CALLS_PER_S: Final = 5
"""Calls to IAM a second: it throttles, too."""
AGAIN_S, AGAIN_MOST_S = 1.0, 60.0
"""Before IAM is asked again that has failed; doubled each time, up to a minute."""
READ_AGAIN_S: Final = 1.0
"""The password's file is read again no more often."""
UNCLEAR: Final = 2
"""Refusals that do not say whom they are about, after which the password is taken to be wrong; and
how many calls are out at once, each of which may be such a one."""
_WHAT: Final = "password"
_log = logging.getLogger(__name__)


class PasswordSource(Source):
    """A user's password, from a variable or a file, and the tokens that IAM issues for it.

    While IAM has not accepted the password, one call to IAM is made at a time: a wrong one is
    told by the first, and sent no more, since accounts are locked, too.

    Attributes:
        calls: how many calls to IAM were made.
    """

    def __init__(
        self,
        password: str,
        *,
        domain: str,
        user: str,
        source: str,
        iam_endpoint: str | None = None,
        file: Path | None = None,
    ) -> None:
        self.calls = 0
        self._password = one_line(_WHAT, password, source)
        self._domain = domain
        self._user = user
        self._source = source
        self._iam_endpoint = iam_endpoint
        self._file = file
        self._next_read_s = 0.0
        self._is_accepted = False
        self._refused_password: Problem | None = None
        self._refused_projects: dict[tuple[str, str], Problem] = {}
        self._unclear = 0
        self._first = anyio.Lock()
        self._at_once = anyio.Semaphore(UNCLEAR)
        self._failures = 0
        self._down: Problem | None = None
        self._not_before_s = 0.0
        self._issued: dict[tuple[str, str], Issued] = {}
        self._limiter = AsyncLimiter(CALLS_PER_S, 1)
        self._means: Means | None = None
        self._secrets: Secrets | None = None

    @classmethod
    def of(cls, options: Mapping[str, str], environ: Mapping[str, str]) -> PasswordSource:
        """Return the source that an inventory's `password` credentials name.

        Raises:
            UnusableSecretError: there is no password, or it is not one line of text.
        """
        file = Path(options["password_file"]) if "password_file" in options else None
        if file is not None:
            source = f"file {file}"
            password = decoded(_WHAT, of_file(_WHAT, file, warns=True), source)
        else:
            source = f"environment variable {options['password_env']}"
            password = of_variable(_WHAT, options["password_env"], environ)
        return cls(
            password,
            domain=options["domain"],
            user=options["user"],
            source=source,
            iam_endpoint=options.get("iam_endpoint"),
            file=file,
        )

    def __repr__(self) -> str:
        return f"PasswordSource({self._source!r})"

    @property
    def hint(self) -> str:
        """What to do where the service refuses what IAM issues for it."""
        return (
            f"check the domain, the user and the password in {self._source}, then --resume the run "
            "with --retry-failed"
        )

    def make_known(self, secrets: Secrets) -> None:
        """Make the password known, and later the tokens."""
        self._secrets = secrets
        secrets.add(self._password)

    def enter(self, means: Means) -> None:
        """Begin."""
        self._means = means

    async def offer(self, project: ProjectAddress) -> Offer | Problem:
        """Return the token of a project."""
        return await self._of(project).offer()

    async def refused(self, secret: Secret, project: ProjectAddress) -> bool:
        """Take in that a token was refused; tell whether another would be carried."""
        return self._of(project).refused(secret)

    def accepted(self, secret: Secret, project: ProjectAddress) -> None:
        """Take in that a token was accepted."""
        self._of(project).accepted(secret)

    def _of(self, project: ProjectAddress) -> Issued:
        assert self._means is not None  # noqa: S101  # no call is made before
        key = project.endpoint, project.id
        if key not in self._issued:
            self._issued[key] = Issued(
                partial(self._issue, project),
                self._means.tasks,
                what="the token that IAM issued",
                hint=self.hint,
            )
        return self._issued[key]

    async def _issue(self, project: ProjectAddress) -> Issue | Problem:
        """Have a token issued for a project."""
        async with self._at_once:
            if self._is_accepted:
                return await self._issue_now(project)
            async with self._first:
                return await self._issue_now(project)

    async def _issue_now(self, project: ProjectAddress) -> Issue | Problem:
        await self._read_again()
        key = project.endpoint, project.id
        known = self._refused_password or self._refused_projects.get(key)
        if known is not None:
            return known
        now_s = clock.now_s()
        if self._down is not None and now_s < self._not_before_s:
            return passing(self._down.message, self._not_before_s - now_s, self._down.hint)
        endpoint = self._iam_endpoint or iam_endpoint_of(project.endpoint)
        if endpoint is None:
            return final(UnknownIAMError(project.endpoint).what, "add iam_endpoint: https://...")
        said = await self._ask(endpoint, project)
        if isinstance(said, Issue):
            self._is_accepted, self._unclear, self._failures, self._down = True, 0, 0, None
            if self._secrets is not None:
                for part in said.secret.parts():
                    self._secrets.add_issued(part)
            _log.info(
                f"signed in at {URL(endpoint).host} for project {project.id}",
                extra={"facts": {"calls_to_iam": self.calls}},
            )
            return said
        if isinstance(said, Problem):
            self._failures += 1
            self._down = said
            self._not_before_s = clock.now_s() + wait_s(said)
            return said
        return self._refused_by_iam(said, project)

    async def _ask(self, endpoint: str, project: ProjectAddress) -> Issue | iam.Refused | Problem:
        """Make one call to IAM."""
        assert self._means is not None  # noqa: S101  # no call is made before
        secrets = self._means.secrets
        again_s = min(AGAIN_MOST_S, AGAIN_S * 2.0 ** min(self._failures, 16))

        def read(reply: Reply) -> tuple[Issue | iam.Refused | Problem] | Problem:
            return (iam.said(reply, project_id=project.id, again_s=again_s, secrets=secrets),)

        await self._limiter.acquire()
        self.calls += 1
        body = iam.request_body(
            domain=self._domain, user=self._user, password=self._password, project_id=project.id
        )
        said = await calls.call(
            self._means.transport,
            "POST",
            URL(f"{endpoint}/v3/auth/tokens"),
            CIMultiDict({"Content-Type": "application/json;charset=utf8"}),
            body,
            read=read,
            secrets=secrets,
        )
        if isinstance(said, Problem):
            message = f"IAM at {URL(endpoint).host} gives no answer: {said.message}"
            return passing(message, again_s, said.hint or iam.DOWN)
        return said[0]

    def _refused_by_iam(self, refused: iam.Refused, project: ProjectAddress) -> Problem:
        """Keep in mind what IAM refuses: nobody asks it again with the same password.

        Where it does not say whether it refuses the user or the project, one other project may try.
        """
        is_unclear = not (refused.names_project or self._is_accepted or refused.names_user)
        if self._is_accepted and refused.names_user and not refused.names_project:
            # It may have been changed, or the account be locked: another project tells, alone.
            self._is_accepted, is_unclear = False, True
        self._unclear += is_unclear
        if refused.names_project or self._is_accepted or (is_unclear and self._unclear < UNCLEAR):
            hint = "check the project's id in the inventory, and ask for access to the project"
            if is_unclear:
                hint += f"; or check the domain, the user and the password in {self._source}"
            problem = final(
                f"IAM gives this user no token for the project ({refused.status}): "
                f"{refused.message}",
                f"{hint}; then --resume the run with --retry-failed",
            )
            self._refused_projects[project.endpoint, project.id] = problem
        else:
            problem = final(
                f"IAM refuses the domain, the user or the password ({refused.status}): "
                f"{refused.message}",
                self.hint,
            )
            self._refused_password = problem
        return problem

    async def _read_again(self) -> None:
        """Read the password's file anew: it may hold another one."""
        if self._file is None or clock.now_s() < self._next_read_s:
            return
        self._next_read_s = clock.now_s() + READ_AGAIN_S
        try:
            if await threads.run_sync(partial(look, self._file)) is None:
                return  # gone; or a pipe, which is read once
            content = await threads.run_sync(partial(of_file, _WHAT, self._file))
            fresh = one_line(_WHAT, decoded(_WHAT, content, self._source), self._source)
        except UnusableSecretError:
            return  # half-written, or gone: what we have stays
        if fresh != self._password:
            if self._secrets is not None:
                self._secrets.add(fresh)
            self._password = fresh
            self._is_accepted, self._refused_password, self._unclear = False, None, 0
            self._refused_projects.clear()


class UnknownIAMError(CollectorError):
    """Nobody says where IAM is, and a project's endpoint does not tell.

    Attributes:
        what: that, in words.
    """

    def __init__(self, endpoint: str) -> None:
        self.what = f"where IAM is cannot be told from {endpoint}"
        super().__init__(f"{self.what}; add iam_endpoint: https://... to the credentials")
