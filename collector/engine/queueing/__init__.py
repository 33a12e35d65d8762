"""Queueing: where servers wait for their next call, and whose turn it is.

Lanes (`lanes.py`, `layout.py`, `placement.py`)
===============================================

A server that wants a call waits in a *lane*: one for each project and kind of call (start an
export, ask for its status, fetch the archive). All calls of a lane pass the same scopes, carry the
same credential and go to the same endpoint. So what holds a lane up is found out once, however
many servers wait in it.

A server waits until a time. From then on it is *ready*: worth a call that nobody else wants. From a
second time on it is *due*: worth as much as any other call. A start or a download is due at once;
what a status is worth, `polling` says. A server that has failed is ready at once and due after 30
seconds (`YIELDS_S`), so that where calls are scarce it comes after those that have not failed.

Running exports that were never asked about wait for their *first look* in the order in which they
began. When that is hangs on how long exports of the project take. So one number moves all of them.

Readiness (`ready.py`, `alarms.py`)
===================================

A lane with something due or ready stands in a *line*: in the one of its kind of call, or in that
of the first *gate* that is closed to it. Gates are the room for calls in flight, an endpoint's
breaker, a credential, the pace of a scope, a limit on a project's exports, and the deadline. Each
turn looks at the heads of those lines alone whose gate may have opened: an answer touched it, or
its time has come. A lane that is still held up moves to the next gate, or its line waits on.

What a turn costs is therefore what can change in it. With n lanes a call costs O(log n), whether
they belong to one endpoint or to ten thousand, and a shared limit that is closed costs nothing
for those who wait for it. A scan of all lanes would cost 10,000 endpoints of one server 30,000
looks a turn.

`Alarms` keeps times that move often, as the end of a silence does at each call. A time that moves
later stays where it is in the heap, and is corrected when it comes up.

Turns (`fair_queue.py`, `dispatch.py`)
======================================

Among projects turns are shared by weighted fair queueing. Project p of weight w (its `share`) has a
time of its own, v. With V the time of the project that was served last:

    v[p] = max(v[p], V - 1/w[p])     who was idle is not paid back for it, but for one turn
    next:  the least (rank, v[p], p)     rank: servers of --first go before all others
    then:  v[p] = v[p] + 1/w[p]

Within a project, exports go before statuses and downloads, since a POST freezes logs that are about
to rotate: seven of eight turns (`TURNS_FOR_EXPORTS`). Where the number of running exports is
limited the two alternate, because a status may free a place. While a refusal is to be explained,
calls of another kind go first: see `pacing`.

When nothing that is due may leave, spare calls go to what is ready, one a lane and as evenly as
its tightest limit goes.

The deadline (`deadline.py`)
============================

A deadline is *tight* where a known limit of r calls a second does not let all through that are
still needed in the time that is left:

    3 starts + 2 statuses + 1 downloads > r t     servers, by the call that they wait for

Then an export is started only if it can be brought home: calls for it remain beside 1.1 times what
running exports need (`RESERVE`: some statuses are asked for twice), and a fifth of all exports
are no longer than t (`WORTH_STARTING`).

Calls that leave are made by `departures.py`; `running_exports.py` counts a project's exports.
"""
