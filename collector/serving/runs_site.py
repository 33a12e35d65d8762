"""The site of `serve`: a list of the runs under a directory, and the page of each."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio
import msgspec

from collector.pages import render
from collector.serving.followed_run import FollowedRun
from collector.serving.guard import Refused
from collector.serving.run_list import RunList, named_in_url
from collector.serving.run_site import RunSite
from collector.serving.server import Answer, as_json, check_method, with_token_kept

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

    from collector.serving.guard import Guard
    from collector.serving.server import Asked

OPEN: Final = 8
"""Runs whose pages are shown at once: each has its state in memory."""
IDLE_S: Final = 60.0
"""How long a run is kept that nobody looks at."""
_SWEEP_S: Final = 1.0


@dataclass(slots=True)
class _Open:
    """A run that is looked at, or was a moment ago."""

    source: FollowedRun
    site: RunSite
    used_s: float
    answering: int = 0


class RunsSite:
    """Answers whoever looks at the runs under a directory. Nobody can change anything.

    Args:
        out: the directory.
        guard: says what a browser keeps the token as.
    """

    def __init__(self, out: Path, guard: Guard) -> None:
        self._list = RunList(out)
        self._guard = guard
        self._open: dict[str, _Open] = {}

    async def keep(self) -> None:
        """Look for news of the runs that somebody looks at, until cancelled."""
        try:
            while True:
                await anyio.sleep(_SWEEP_S)
                self._close_idle()
                async with anyio.create_task_group() as tasks:
                    for one in list(self._open.values()):
                        tasks.start_soon(one.site.look_if_wanted)
        finally:
            for one in self._open.values():
                one.source.close()

    async def answer(self, asked: Asked) -> web.StreamResponse:
        """Answer a request.

        Raises:
            Refused: there is no such thing.
        """
        check_method(asked)
        room, _, rest = asked.raw_path.removeprefix("/").partition("/")
        if room == "runs" and "/" in rest:
            return await self._of_a_run(asked, *rest.split("/", 1))
        path = asked.raw_path
        if path == "/":
            return await asked.send(with_token_kept(asked, self._guard.cookie) or self._page())
        if path == "/runs":
            listed = await self._list.listed()
            return await asked.send(Answer(msgspec.json.encode(listed), "application/json"))
        if path == "/healthz":
            listed = await self._list.listed()
            running = sum(run.state == "running" for run in listed.runs)
            return await asked.send(as_json({"runs": len(listed.runs), "running": running}))
        if path == "/favicon.ico":
            return await asked.send(Answer(b"", status=204))
        raise Refused(404, "There is nothing here.")

    def _page(self) -> Answer:
        headers = {"Content-Security-Policy": render.runs_policy()}
        return Answer(render.runs(), "text/html; charset=utf-8", headers=headers)

    async def _of_a_run(self, asked: Asked, quoted: str, name: str) -> web.StreamResponse:
        one = self._open.get(quoted)
        if one is None:
            directory = await self._list.find(quoted)
            if directory is None:
                raise Refused(404, "There is no such run.")
            one = self._opened(named_in_url(directory), directory)
        one.answering += 1
        try:
            return await one.site.answer(asked, name)
        finally:
            one.answering -= 1
            one.used_s = time.monotonic()

    def _opened(self, quoted: str, directory: Path) -> _Open:
        """Open a run, and close the one that nobody has looked at for longest."""
        if quoted in self._open:  # somebody else was faster
            return self._open[quoted]
        if len(self._open) >= OPEN:
            idle = [name for name, one in self._open.items() if not one.answering]
            if not idle:
                raise Refused(503, "As many runs are looked at as may be; try again later.")
            oldest = min(idle, key=lambda name: self._open[name].used_s)
            self._open.pop(oldest).source.close()
        source = FollowedRun(directory)
        one = self._open[quoted] = _Open(
            source, RunSite(source, self._guard, runs_url="../../"), time.monotonic()
        )
        return one

    def _close_idle(self) -> None:
        before_s = time.monotonic() - IDLE_S
        for name, one in list(self._open.items()):
            if not one.answering and one.used_s < before_s:
                self._open.pop(name).source.close()
