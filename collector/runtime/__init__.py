"""Where decisions meet I/O: the library's face, and the loop that drives a run.

    collect(), resume()            the first events: `beginning`, `reconciling`, `trust`
          │
          ▼
      Collection ── assembly ──► Loop: record what was answered, ask what is due, dispatch
          │                        │             │                │
          ▼                        ▼             ▼                ▼
        Feed ◄───────────────  Recorder      Scheduler        Performer
                          (journal, state)  (the engine)  (provider, archive store)

The write-ahead rule is `Recorder.record`, and nothing else writes the journal or changes the state:
other runs are told, the line is on disk, the state changes, then the scheduler, the list of members
and the feed see the event. An action with an intent (a POST) is performed after its intent is
recorded, so a crash can forget an answer but not a question.

The loop decides nothing: it takes from the scheduler what is due, hands it to the performer, and
hands the answers back. A performer sees actions and answers alone, which have one serialised form.

A run ends by itself, by a stop (answers of POSTs that have left are awaited for a few seconds) or
at once. However it ends, the last event and the manifest are written where nothing cancels them.
"""
