"""The emulator as a server, with pages about itself."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from collector.emulator.errors import ScenarioError
from collector.emulator.gateway import Gateway
from collector.emulator.inventory import SignIn, environment, inventory
from collector.emulator.issuing import Issuing
from collector.emulator.pages import PATH, page
from collector.emulator.projects import Projects
from collector.emulator.roster import Fleet
from collector.emulator.service import Service
from collector.emulator.statistics import Statistics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from collector.emulator.principals import UserSpec
    from collector.emulator.scenario import Scenario, ServerSpec

_BACKLOG = 4096
_LAST_ANSWERS_S = 0.1


class Emulator:
    """The API of a scenario on a real port, while its context is entered.

    It may be entered again and continues on the same port, as after an outage.

    Besides the API and IAM it serves `/emulator/statistics`, `/emulator/truth` (what every archive
    is), `/emulator/inventory` and, to this machine alone, `/emulator/token` and `/emulator/key` (a
    fresh token, a temporary key), unthrottled, uncounted and without a token.

    Args:
        scenario: How it behaves.
        host: The address to listen on.
        port: The port; 0 for any free one.
    """

    def __init__(self, scenario: Scenario, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.scenario = scenario
        self._host = host
        self._port = port
        self._statistics = Statistics()
        fleet = Fleet(scenario)
        self._service = Service(scenario, self._statistics, fleet)
        projects = Projects(scenario, self._statistics, fleet)
        self._gateway = Gateway(scenario, self._service, projects, self._statistics)
        self.issuing = Issuing(scenario, self._gateway.authentication)
        self._runners: list[web.ServerRunner] = []
        self._servers = {s.id: s for project in scenario.projects for s in project.servers}

    @property
    def url(self) -> str:
        """Where it listens: the endpoint of its fleet."""
        return _url(self._host, self._port)

    @property
    def token(self) -> str:
        """A token that it accepts: the scenario's first."""
        return self.scenario.tokens[0].value

    def issue_token(self, user: str | UserSpec, project_id: str | None = None) -> str:
        """Issue a token to a user, as a sign-in would.

        Args:
            user: The user, or the user's name: `oncall` or `acme/oncall`.
            project_id: The project it is for; None means all projects of the user.

        Raises:
            ScenarioError: If there is no such user or project.
        """
        return self.issuing.token(user, project_id)["token"]

    def issue_key(self, user: str | UserSpec, project_id: str | None = None) -> dict[str, str]:
        """Issue a temporary key, which lives as long as the user's tokens.

        Args:
            user: As in `issue_token`.
            project_id: As in `issue_token`.

        Returns:
            `ak`, `sk`, `security_token` and `expires_at`.

        Raises:
            ScenarioError: If there is no such user or project.
        """
        return self.issuing.key(user, project_id)

    def statistics(self) -> dict[str, Any]:
        """Return what it has seen so far, ready for JSON."""
        return self._statistics.as_json()

    def inventory(self, sign_in: SignIn = "token", *, discover: bool = False) -> dict[str, Any]:
        """Return the inventory of its fleet, while it listens.

        Args:
            sign_in: By what: the scenario's first token, user or key.
            discover: Whether it names no servers, and the API is asked for them.

        Raises:
            ScenarioError: If nobody may sign in so.
        """
        return inventory(self.scenario, self.url, sign_in=sign_in, discover=discover)

    def environment(self, sign_in: SignIn = "token") -> dict[str, str]:
        """Return the environment variables that such an inventory names, with their values.

        Raises:
            ScenarioError: If nobody may sign in so.
        """
        return dict(environment(self.scenario, sign_in))

    def truth(self, server_id: str) -> dict[str, Any]:
        """Return facts on a server's archive: `sha256`, `bytes`, `members`, `file_name`, `covers`.

        It is hashed each time: some 100 ms for 100 MB.

        Raises:
            ScenarioError: If the fleet has no such server.
        """
        if server_id not in self._servers:
            raise ScenarioError(f"the fleet has no server {server_id!r}")
        return self._truth(self._servers[server_id])

    def truths(self) -> dict[str, Any]:
        """Return the same facts for every server, by id."""
        return {server.id: self._truth(server) for server in self._servers.values()}

    def _truth(self, server: ServerSpec) -> dict[str, Any]:
        archive = self._service.downloads.archive(server)
        return {
            "sha256": archive.sha256(),
            "bytes": archive.size,
            "members": archive.members,
            "file_name": self.scenario.file_name(server),
            "covers": {"from": _moment(archive.oldest_s), "to": _moment(archive.newest_s)},
        }

    async def __aenter__(self) -> Self:
        try:
            self._port = await self._listen(self._answer, self._port)
            if self.scenario.redirect_downloads:
                port = await self._listen(self._service.object, 0)
                self._service.objects_url = _url(self._host, port)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        while self._runners:
            await self._runners.pop().cleanup()

    async def _listen(
        self, answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], port: int
    ) -> int:
        # A client that leaves cancels its request, so that a stalled download does not outlive it.
        server = web.Server(answer, access_log=None, handler_cancellation=True)
        runner = web.ServerRunner(server, shutdown_timeout=_LAST_ANSWERS_S)
        await runner.setup()
        self._runners.append(runner)
        for family, address in _addresses(self._host):
            listening = socket.create_server((address, port), family=family, backlog=_BACKLOG)
            await web.SockSite(runner, listening, backlog=_BACKLOG).start()
            port = int(runner.addresses[0][1])
        return port

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path.startswith(PATH):
            return await page(self, request)
        return await self._gateway.answer(request)


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    """Resolve the addresses to listen on, before anything runs."""
    infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, str(address[0])) for family, *_, address in infos))


def _url(host: str, port: int) -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound here
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
