"""The providers of one run: found, given their credentials, and reached as one `Fleet`."""

from __future__ import annotations

import math
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector import providers
from collector.errors import CollectorError
from collector.model.ceilings import CALLS_IN_FLIGHT, STALLED
from collector.providers.directory import Directory
from collector.providers.protocol import Fleet, ProjectAddress
from collector.providers.rules import seconds_of, words_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from collector.model.answers import Call, ExportSaid, Problem, Scope
    from collector.model.events import CredentialNamed
    from collector.model.state import RunState
    from collector.providers.protocol import Access, Fetched, OpenArchive, Provider, Target

    Scopes = Callable[[int, Call], tuple[Scope, ...]]
    OwnSecret = Callable[[int], bool]


class UnusableCredentialError(CollectorError):
    """A run names credentials that its provider cannot use, or does not describe them.

    Attributes:
        name: of the entry.
    """

    def __init__(self, name: str, what: str, instead: str) -> None:
        self.name = name
        super().__init__(f"credentials {name!r} of this run {what}; {instead}")


def providers_of(state: RunState) -> dict[str, Provider]:
    """Return the providers of a run's projects, by name.

    Raises:
        UnknownProviderError: one is not installed.
        BrokenProviderError: one cannot be loaded.
    """
    names = dict.fromkeys(row.provider for row in state.projects)
    return {name: providers.find(name) for name in names}


def address(state: RunState, project: int) -> ProjectAddress:
    """Return where the calls for a project of a run go."""
    row = state.projects[project]
    named = state.credentials.get(row.credential)
    account = row.credential if named is None else named.account
    return ProjectAddress(row.provider, row.endpoint, row.id, row.credential, account)


def scopes_of(state: RunState, found: Mapping[str, Provider]) -> Scopes:
    """Return what says which scopes a call for a project of a run passes.

    Args:
        state: the run's.
        found: its providers, as `providers_of` returns them.
    """

    def scopes(project: int, call: Call) -> tuple[Scope, ...]:
        provider = found[state.projects[project].provider]
        return provider.scopes(call, address(state, project))

    return scopes


def own_secret_of(state: RunState, found: Mapping[str, Provider]) -> OwnSecret:
    """Return what says whether a project of a run has a secret of its own.

    Args:
        state: the run's.
        found: its providers, as `providers_of` returns them.
    """

    def own_secret(project: int) -> bool:
        row = state.projects[project]
        named = state.credentials.get(row.credential)
        kind = None if named is None else found[row.provider].rules.kinds.get(named.kind)
        return kind is not None and kind.per_project

    return own_secret


@dataclass(frozen=True, slots=True)
class Connection:
    """The providers of a run by name, and their fleets as one: to be entered when it begins."""

    providers: Mapping[str, Provider]
    fleet: AbstractAsyncContextManager[Fleet]


def connect(state: RunState, access: Access) -> Connection:
    """Give each provider of a run the credentials of its projects.

    Args:
        state: which projects and credentials there are, and how many downloads there may be.
        access: how to reach their services.

    Raises:
        UnusableCredentialError: the run does not say where a secret is, or not in words that its
            provider knows.
        CollectorError: a provider cannot be found, or lacks something.
    """
    found = providers_of(state)
    downloads = state.started.downloads if state.started is not None else 0
    fleets = {
        name: provider.connect(
            _credentials(state, name, provider),
            access,
            connections=CALLS_IN_FLIGHT + STALLED + downloads,
        )
        for name, provider in found.items()
    }
    (fleet,) = fleets.values() if len(fleets) == 1 else [_all_of(fleets)]
    return Connection(found, fleet)


def directory_of(fleet: Fleet, project: ProjectAddress) -> Directory | None:
    """Return what lists a project's servers; None where its provider lists none."""
    one = fleet.by_provider[project.provider] if isinstance(fleet, _Fleets) else fleet
    return one if isinstance(one, Directory) else None


def _credentials(state: RunState, name: str, provider: Provider) -> dict[str, CredentialNamed]:
    used = dict.fromkeys(row.credential for row in state.projects if row.provider == name)
    return {credential: _checked(credential, state, provider) for credential in used}


def _checked(name: str, state: RunState, provider: Provider) -> CredentialNamed:
    """Look at what a run says of credentials, as an inventory's are looked at."""
    rules = provider.rules
    named = state.credentials.get(name)
    if named is None:
        raise UnusableCredentialError(name, "are nowhere described", rules.suggestion)
    kind = rules.kinds.get(named.kind)
    if kind is None or not kind.implemented:
        raise UnusableCredentialError(name, f"are of kind {named.kind!r}", rules.suggestion)
    given = named.options.keys()
    if (
        not set(kind.required) <= given
        or not given <= set(kind.fields)
        or any(len(given & set(group)) != 1 for group in kind.one_of)
    ):
        fields = ", ".join(sorted(given)) or "no fields"
        raise UnusableCredentialError(name, f"have {fields}", rules.suggestion)
    for readable, fields_of_it, what in (
        (words_of, kind.lists, "a list of words"),
        (seconds_of, kind.seconds, "a duration above 0"),
    ):
        for field in fields_of_it & given:
            try:
                readable(named.options[field])
            except ValueError:
                wrong = f"have a {field} that is not {what}"
                raise UnusableCredentialError(name, wrong, rules.suggestion) from None
    return named


@asynccontextmanager
async def _all_of(
    fleets: Mapping[str, AbstractAsyncContextManager[Fleet]],
) -> AsyncIterator[Fleet]:
    async with AsyncExitStack() as stack:
        yield _Fleets({name: await stack.enter_async_context(one) for name, one in fleets.items()})


class _Fleets(Fleet):
    """Several fleets as one: each call is made by its project's provider."""

    def __init__(self, by_provider: Mapping[str, Fleet]) -> None:
        self.by_provider = by_provider

    async def start_export(self, target: Target, *, asks_limits: bool) -> ExportSaid | Problem:
        fleet = self.by_provider[target.project.provider]
        return await fleet.start_export(target, asks_limits=asks_limits)

    async def ask_status(
        self,
        target: Target,
        export_id: str,
        *,
        asks_limits: bool,
        within_s: float = math.inf,
        afresh: bool = False,
    ) -> ExportSaid | Problem:
        return await self.by_provider[target.project.provider].ask_status(
            target, export_id, asks_limits=asks_limits, within_s=within_s, afresh=afresh
        )

    def open_archive(
        self,
        target: Target,
        export_id: str,
        *,
        asks_limits: bool,
        location: str | None = None,
        fetched: Fetched | None = None,
    ) -> AbstractAsyncContextManager[OpenArchive | Problem]:
        return self.by_provider[target.project.provider].open_archive(
            target, export_id, asks_limits=asks_limits, location=location, fetched=fetched
        )
