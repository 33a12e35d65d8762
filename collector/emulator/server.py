"""The emulator as a server, with pages about itself."""

from __future__ import annotations

import ipaddress
import socket
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from collector.emulator.errors import ScenarioError
from collector.emulator.gateway import Gateway
from collector.emulator.inventory import inventory
from collector.emulator.projects import Projects
from collector.emulator.roster import Fleet
from collector.emulator.service import Service
from collector.emulator.statistics import Statistics
from collector.emulator.tokens import moment
from collector.emulator.working import in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from collector.emulator.principals import UserSpec
    from collector.emulator.scenario import Scenario, ServerSpec
    from collector.emulator.tokens import Token

_BACKLOG = 4096
_LAST_ANSWERS_S = 0.1


class Emulator:
    """The API of a scenario on a real port, while its context is entered.

    It may be entered again and continues on the same port, as after an outage.

    Besides the API and IAM it serves `/emulator/statistics`, `/emulator/truth` (what every archive
    is), `/emulator/inventory` and, to this machine alone, `/emulator/token` (a fresh token),
    unthrottled, uncounted and without a token.

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
        return self._issued(user, project_id).value

    def _issued(self, user: str | UserSpec, project_id: str | None) -> Token:
        known = self.scenario.users
        spec = next((of for of in known if user in (of, of.name, of.label)), None)
        if spec is None:
            raise ScenarioError(f"no such user: {user!r}")
        projects = spec.projects
        if project_id is not None:
            if all(project.id != project_id for project in self.scenario.projects):
                raise ScenarioError(f"no such project: {project_id!r}")
            if projects is not None and project_id not in projects:
                raise ScenarioError(f"{spec.label} has no project {project_id!r}")
            projects = (project_id,)
        return self._gateway.tokens.issue(spec, projects, time.monotonic())

    def statistics(self) -> dict[str, Any]:
        """Return what it has seen so far, ready for JSON."""
        return self._statistics.as_json()

    def inventory(self) -> dict[str, Any]:
        """Return the inventory of its fleet, while it listens."""
        return inventory(self.scenario, self.url)

    def truth(self, server_id: str) -> dict[str, Any]:
        """Return facts on a server's archive: `sha256`, `bytes`, `members`, `file_name`, `covers`.

        It is hashed each time: some 100 ms for 100 MB.

        Raises:
            ScenarioError: If the fleet has no such server.
        """
        if server_id not in self._servers:
            raise ScenarioError(f"the fleet has no server {server_id!r}")
        return self._truth(self._servers[server_id])

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
        if not request.raw_path.startswith("/emulator/"):
            return await self._gateway.answer(request)
        match request.raw_path.partition("?")[0]:
            case "/emulator/statistics":
                return web.json_response(self.statistics())
            case "/emulator/inventory":
                return web.json_response(self.inventory())
            case "/emulator/truth":
                return web.json_response(await in_thread(self._truths))
            case "/emulator/token":
                return self._token_page(request)
            case _:
                return web.Response(status=404)

    def _token_page(self, request: web.BaseRequest) -> web.Response:
        """A fresh token: as text, or as JSON with its end; only for this machine."""
        if not _is_loopback(request.remote):
            return web.Response(status=403, text="only on the emulator's own machine\n")
        asked = request.rel_url.query
        try:
            token = self._issued(asked.get("user", self.scenario.users[0]), asked.get("project"))
        except (ScenarioError, IndexError) as error:
            return web.Response(status=404, text=f"{error}\n")
        if asked.get("format") != "json":
            return web.Response(text=f"{token.value}\n")
        life_s = (token.ends_s or 0.0) - time.monotonic()
        ends = moment(time.time() + self.scenario.clock_skew_s + life_s)
        return web.json_response({"token": token.value, "expires_at": ends})

    def _truths(self) -> dict[str, Any]:
        return {server.id: self._truth(server) for server in self._servers.values()}


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    """Resolve the addresses to listen on, before anything runs."""
    infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, str(address[0])) for family, *_, address in infos))


def _url(host: str, port: int) -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound here
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _is_loopback(address: str | None) -> bool:
    try:
        return address is not None and ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
