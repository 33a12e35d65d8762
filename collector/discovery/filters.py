"""Which of the servers that were listed belong to a project, as its `discover` says."""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from collector.inventory.models import Discover
    from collector.providers.directory import ListedServer

_WILD = re.compile(r"[*?\[]")


def sent_state(discover: Discover) -> str | None:
    """Return the one state that the API itself is asked for; None where servers are looked at."""
    states = discover.manage_state
    return states[0] if len(states) == 1 and not _WILD.search(states[0]) else None


class Filter:
    """The conditions of a `discover`, ready to be asked about many servers."""

    def __init__(self, discover: Discover) -> None:
        self._any_of = [
            (field, [_pattern(word) for word in words])
            for field, words in (
                ("manage_state", discover.manage_state),
                ("health", discover.health),
                ("rack", discover.rack),
                ("name", discover.name),
            )
            if words
        ]
        self._tags = [(key, _pattern(word)) for key, word in discover.tags.items()]

    def matches(self, server: ListedServer) -> bool:
        """Tell whether a server meets all conditions; letter case counts, as in selections."""
        return all(
            _fits(getattr(server, field), patterns) for field, patterns in self._any_of
        ) and all(_fits(server.tags.get(key), (pattern,)) for key, pattern in self._tags)

    def of(self, servers: Iterable[ListedServer]) -> list[ListedServer]:
        """Return the servers that match, in their order."""
        if not self._any_of and not self._tags:
            return list(servers)
        return [server for server in servers if self.matches(server)]


def _pattern(word: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(word))


def _fits(value: str | None, patterns: Sequence[re.Pattern[str]]) -> bool:
    return value is not None and any(pattern.match(value) for pattern in patterns)
