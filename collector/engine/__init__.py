"""Decisions: what to do next, when, and what an answer means.

No I/O, no clock and no randomness of its own: time and a seeded generator are arguments. So a run
and a simulation of one are driven alike, and thousands of servers pass in milliseconds.

`Scheduler` is the face: ask it what is `due`, perform that, give it what was `answered`, and tell
it of every event that was `applied`. Behind it stand five packages, each with a page of its own:

- `pacing`: how many calls may leave, learned from what the service says and refuses.
- `polling`: when a status is worth asking for.
- `queueing`: where servers wait, and whose turn it is.
- `admission`: what may hold a call back beside limits: endpoints, credentials, calls in flight.
- `outcomes`: what an answer means for its server, and what it teaches beside.
"""

from __future__ import annotations

from collector.engine.outcomes.facts import reused
from collector.engine.scheduler import Scheduler

__all__ = ["Scheduler", "reused"]
