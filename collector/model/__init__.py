"""The vocabulary that every room shares: words without decisions.

    answer ──► engine ──► event ──► journal ──► apply(state, event)
       ▲                                              │
       └──── performer ◄──── action ◄──── engine ◄────┘

An *answer* is what a provider or the archive said (`answers`). An *event* is what is recorded
(`events`): a fact before anything depends on it, an observation when it is convenient. An *action*
is what to do next (`actions`). No other room invents a fourth kind.

`RunState` (`state`) is all that is known of a run: the fold of its events and nothing else. Each
event replaces frozen rows (`rows`) by the table in `transitions`. What a server needs next is read
off its row: `lifecycle` draws how a server gets from queued to collected, and which call each phase
asks for. So a resume is a fold, and two processes that fold the same journal agree.

All three kinds have one serialised form (`messages`). `fields` names what events hold, and
`collector.rundir.journal.values` has the ranges. `ceilings` are what a person and the machine allow
at once, `prior` is what earlier runs have taught, `wall_time` is how the engine's clock reads for
people. Everything here is frozen data of the standard library.
"""
