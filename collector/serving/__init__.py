"""Serving: the page of a run over HTTP, live, for whoever is allowed to look.

`server.py` takes requests within bounds, and `guard.py` says who may ask. `run_site.py` answers for
one run, `runs_site.py` for a directory of runs. What they show comes from a source: `own_run.py` is
the run of this process, `followed_run.py` one that another process works on. A source keeps a
`PageState` (`page_state.py`): which servers changed when, so that each onlooker is told what has
changed since it was told last, as fast as it reads, and nothing is queued for anybody.

Nothing here may slow a run or end it: what goes wrong is a warning.
"""
