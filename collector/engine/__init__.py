"""Decisions: what to do next, when, and what an answer means.

    due(now_s)    ──► queueing, admission, pacing, polling ──► actions
    answered(...) ──► outcomes ──► events; and all of the above learn from the answer

`Scheduler` is the interface, the only one: `Scheduler.due` returns the actions that are due, and
`Scheduler.answered` turns an answer into events. Each package behind it answers one question:

| package | question |
| --- | --- |
| `queueing` | where does a server wait, and whose turn is it? |
| `admission` | may a call leave at all: endpoint, credential, disk, calls in flight? |
| `pacing` | when may it leave, under the service's rate limits? |
| `polling` | when is a status worth a call? |
| `outcomes` | what does an answer mean: an event, another try, or a failure? |

The engine does no I/O and reads no clock: the time is an argument, and randomness comes from a
seed. So a simulation drives it as a run does, and the same answers at the same times give the same
plan.
"""

from __future__ import annotations

from collector.engine.outcomes.facts import reused
from collector.engine.scheduler import Scheduler

__all__ = ["Scheduler", "reused"]
