"""A client that makes a collect's calls and nothing else: it proves, records and plans nothing.

Runs as a script; its one argument is JSON: `inventory` (a JSON file), `status` (calls of that kind
in all), `token`, `out` (a directory for the bodies), `at_once` and `uvloop`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import aiohttp
import uvloop

COMPLETED_AFTER_S = 0.6


async def main(plan: dict[str, Any]) -> None:
    """Export, ask and download as often as the plan says."""
    with open(plan["inventory"], encoding="utf-8") as file:  # noqa: ASYNC230, PTH123  # it may block
        inventory = json.load(file)
    servers = [
        f"{project['endpoint']}/v1/{project['id']}/physicalservers/{server['id']}/logs/exports"
        for project in inventory["projects"]
        for server in project["servers"]
    ]
    polls = plan["status"]
    out = Path(plan["out"])
    places = asyncio.Semaphore(plan["at_once"])
    async with aiohttp.ClientSession(headers={"X-Auth-Token": plan["token"]}) as session:

        async def collect(number: int, url: str) -> None:
            async with places:
                async with session.post(url, json={}) as answer:
                    export = f"{url}/{(await answer.json())['export_id']}"
                for _ in range(polls // len(servers) + (number < polls % len(servers))):
                    async with session.get(export) as answer:
                        await answer.json()
            await asyncio.sleep(COMPLETED_AFTER_S)
            async with places, session.get(f"{export}/content") as answer:
                answer.raise_for_status()
                body = await answer.read()
                (out / f"{number}.tar.gz").write_bytes(body)

        await asyncio.gather(*(collect(number, url) for number, url in enumerate(servers)))


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    (uvloop if asked["uvloop"] else asyncio).run(main(asked))
