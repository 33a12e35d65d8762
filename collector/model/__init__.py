"""The vocabulary that all packages share: data without decisions.

    answer ──► engine ──► event ──► journal ──► apply(state, event)
       ▲                                              │
       └──── performer ◄──── action ◄──── engine ◄────┘

An *answer* is what a provider or the archive said (`answers`). An *event* is what is recorded
(`events`): a fact is on disk before anything depends on it, and a crash may lose an observation. An
*action* is what to do next (`actions`). There is no fourth kind.

`RunState` (`state`) is all that is known of a run: the fold of its events. `transitions` says how
each event changes it; rows of servers and projects (`rows`) are frozen and replaced. A server's row
says what the server needs next: `lifecycle` draws the way from queued to collected, with the call
that each phase needs. So a resume is a fold, and two processes that fold the same journal agree.

All three kinds have one serialised form (`messages`). `fields` names what events hold, and
`collector.rundir.journal.values` has the ranges. `ceilings` are our own limits, `prior` is what
earlier runs have learned, `wall_time` converts the engine's time to UTC. All data are frozen but
`RunState`. Everything here needs only the standard library.
"""
