"""The journal: a write-ahead log, one JSON object a line, and the truth about a run.

Each line ends in the SHA-256 of the line before and this one, so a line that was altered, dropped
or moved is noticed (`lines`). What a crash leaves of the last line is cut off; the longest valid
prefix is the run (`reading`). Damage elsewhere keeps the old file under another name, and the run
goes on from the prefix (`repair`).

A journal may come from anybody. A line is believed if its fields are in range (`values`) and its
event can follow those before it (`sequence`); what is not believed is damage. Whether a journal may
say where secrets come from and go to is another question: `collector.runtime.trust`.

`Journal.record` writes the events of one turn together. If one of them is a fact they are synced
before the call returns; syncs cost milliseconds, so a turn under load shares one.
"""
