"""The journal: a write-ahead log, read with distrust."""
