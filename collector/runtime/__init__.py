"""Where decisions meet I/O: the library's interface, and the loop that drives a run.

    collect(), resume()            the first events: `beginning`, `reconciling`, `trust`
          │
          ▼
      Collection ── assembly ──► Loop: record what was answered, ask what is due, dispatch
          │                        │             │                │
          ▼                        ▼             ▼                ▼
        Feed ◄───────────────  Recorder      Scheduler        Performer
                          (journal, state)  (the engine)  (provider, archive store)

The write-ahead rule is `Recorder.record`: other runs are told, the journal is written, the state
changes, then the feed, the scheduler and the list of members see the event. Facts are synced to
disk before the state changes; observations are not. While a run is under way, nothing else writes
its journal or changes its state. Before that, a resume folds the journal and may repair it
(`collector.rundir.journal`). An action with an intent (a POST, or a server that is given up) takes
effect after its intent is recorded: a crash can lose an answer, but not the question.

The loop decides nothing. It takes from the scheduler what is due, hands it to the performer, and
hands the answers back. A performer is given actions and reports answers. Both have one serialised
form, so it may be another process.

A run ends by itself, by a stop (which waits a few seconds for POSTs and downloads under way), or at
once. However it ends, the last event and the manifest are written where nothing cancels them.
"""
