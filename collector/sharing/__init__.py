"""Exports that runs under one output directory share, so that no server is exported twice at once.

Before a POST leaves, its run claims the export by a line in `OUT/.collector/exports.jsonl`, under a
lock that is held for an instant (`exports_file`). What came of it is another line. `ledger` decides
what all lines of a server come to: nothing, an export in progress elsewhere to wait for, or one
that has been started and can be reused. `Claims` is one run's part in this.

It saves work and is never needed: where the file cannot be used, a run shares nothing, says so
once, and goes on. Nobody outside knows how it is done, so it can be replaced.
"""
