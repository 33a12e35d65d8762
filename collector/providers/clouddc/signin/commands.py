"""`kind: command`: a program that prints a credential, as vaults have one."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from collector.providers.clouddc.signin import programs
from collector.providers.clouddc.signin.issued import Issue, Issued
from collector.providers.clouddc.signin.printed import OddOutputError, issue_of
from collector.providers.clouddc.signin.problems import final, passing
from collector.providers.clouddc.signin.source import Source
from collector.providers.clouddc.signin.which import check_command
from collector.providers.http.words import told
from collector.providers.rules import seconds_of, words_of
from collector.redaction import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from collector.model.answers import Problem
    from collector.providers.clouddc.signin.secret import Keyring, Secret
    from collector.providers.clouddc.signin.source import Means, Offer
    from collector.providers.protocol import ProjectAddress
    from collector.redaction import Secrets

TIMEOUT_S: Final = 30.0
"""How long it may take unless `timeout` says so: a vault may be far away."""
AGAIN_S, AGAIN_MOST_S = 2.0, 60.0
"""Before it is run again after it has failed; doubled each time, up to a minute."""
SHOWN_MAX: Final = 120
"""Characters of its stderr that are shown."""
_BETWEEN: Final = re.compile(r"[\s\"'\\,:;={}\[\]]+")
"""Between the words of what was printed, be it JSON or not."""
_CODE: Final = re.compile(r"[\w+=-]{16,}", re.ASCII)
_DIGIT: Final = re.compile(r"\d")
_log = logging.getLogger(__name__)


class CommandSource(Source):
    """A credential that a program prints: it is run again before that expires, and after a 401.

    Args:
        words: the program and its arguments.
        environ: its environment.
        keyring: of the run.
        timeout_s: seconds that it may take.

    Attributes:
        runs: how often it was run.
    """

    def __init__(
        self,
        words: Sequence[str],
        environ: Mapping[str, str],
        keyring: Keyring,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.runs = 0
        self._words = tuple(words)
        self._environ = environ
        self._keyring = keyring
        self._timeout_s = timeout_s
        self._name = Path(words[0]).name
        self._has_worked = False
        self._failures = 0
        self._issued: Issued | None = None
        self._secrets: Secrets | None = None

    @classmethod
    def of(
        cls, options: Mapping[str, str], environ: Mapping[str, str], keyring: Keyring
    ) -> CommandSource:
        """Return the source that an inventory's `command` credentials name.

        Raises:
            UnusableCommandError: there is no such program.
        """
        program = check_command(options, environ)
        words = words_of(options["command"])
        timeout_s = seconds_of(options["timeout"]) if "timeout" in options else TIMEOUT_S
        return cls([program, *words[1:]], environ, keyring, timeout_s)

    def __repr__(self) -> str:
        return f"CommandSource({self._name!r})"

    @property
    def hint(self) -> str:
        """What to do where the service refuses what it prints."""
        return (
            f"see what the command {self._name} prints, then --resume the run with --retry-failed"
        )

    def make_known(self, secrets: Secrets) -> None:
        """Make known what it will print."""
        self._secrets = secrets

    def enter(self, means: Means) -> None:
        """Begin."""
        what = f"what the command {self._name} printed"
        self._issued = Issued(self._issue, means.tasks, what=what, hint=self.hint)

    async def offer(self, project: ProjectAddress) -> Offer | Problem:
        """Return what it printed last."""
        del project  # the same for all
        return await self._entered.offer()

    async def refused(self, secret: Secret, project: ProjectAddress) -> bool:
        """Take in that it was refused; tell whether another would be carried."""
        del project
        return self._entered.refused(secret)

    def accepted(self, secret: Secret, project: ProjectAddress) -> None:
        """Take in that it was accepted."""
        del project
        self._entered.accepted(secret)

    @property
    def _entered(self) -> Issued:
        assert self._issued is not None  # noqa: S101  # no call is made before
        return self._issued

    async def _issue(self) -> Issue | Problem:
        """Run the program."""
        self.runs += 1
        ran = await programs.run(self._words, self._environ, self._timeout_s)
        if ran.failure is not None:
            return self._failed(ran.failure, ran)
        try:
            issue = issue_of(ran.printed, self._keyring)
        except OddOutputError as odd:
            return self._failed(str(odd), ran)
        self._has_worked, self._failures = True, 0
        if self._secrets is not None:
            for part in issue.secret.parts():
                self._secrets.add_issued(part)
        _log.info(
            f"the command {self._name} printed a credential", extra={"facts": {"runs": self.runs}}
        )
        return issue

    def _failed(self, why: str, ran: programs.Ran) -> Problem:
        """Return what to say of a run that brought nothing; it may do so later, if it ever has."""
        message = f"the command {self._name} {why}"
        if words := self._last_words(ran):
            message += f": {words}"
        if not (self._has_worked and ran.may_pass):
            return final(message, self.hint)
        self._failures += 1
        again_s = min(AGAIN_MOST_S, AGAIN_S * 2.0 ** min(self._failures - 1, 16))
        return passing(message, again_s, self.hint)

    def _last_words(self, ran: programs.Ran) -> str:
        """Return the last line of its stderr, without what is a secret or may be one."""
        if self._secrets is None:
            return ""
        printed = _BETWEEN.split(ran.printed.decode("utf-8", "replace"))
        secrets = self._secrets.and_also(printed)
        lines = ran.errors.decode("utf-8", "replace").strip().splitlines()
        return told(_without_codes(secrets.out_of(lines[-1])), secrets, SHOWN_MAX) if lines else ""


def _without_codes(line: str) -> str:
    """Return a line without words that look like a token or a key: nobody else knows them."""
    return _CODE.sub(lambda found: HIDDEN if _DIGIT.search(found[0]) else found[0], line)
