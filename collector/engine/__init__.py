"""Decisions: what to do next, when, and what an answer means.

The engine is pure. It reads no clock, sends nothing, writes nothing and never waits: time and the
seed of all randomness are arguments. So a run, a test of one and a benchmark of one are driven
alike, and a fleet's hours pass in milliseconds.

This package's face is `Scheduler`. Whoever drives it does three things, over and over:

    due = scheduler.due(now_s)              # what to do now, and when to ask again
    events = scheduler.answered(action, answer, now_s)     # what follows from an answer
    scheduler.applied(event)                # an event has been recorded and applied

An *intent*, which an action may carry, is recorded before the action is performed; the events that
follow from an answer are recorded before the scheduler is asked again. Nobody outside imports
anything deeper than this package: `tests/test_architecture.py` holds that.

The rooms, each with a page of its own:

- `queueing`: where servers wait for their turn, and whose turn it is.
- `pacing`: when a scope's limit lets a call leave, told or found out.
- `admission`: whether calls may leave at all: breakers, credentials, calls in flight.
- `polling`: when a status is worth asking for.
- `outcomes`: what an answer means for its server.
"""

from collector.engine.outcomes.facts import reused
from collector.engine.scheduler import Scheduler

__all__ = ["Scheduler", "reused"]
