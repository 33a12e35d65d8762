"""Serving: the page of a run over HTTP, live, for whoever is allowed to look.

`server.py` takes requests within bounds, and `guard.py` says who may ask. `run_site.py` answers for
one run, `runs_site.py` for a directory of runs. What they show comes from a source: `own.py` is the
run of this process, `followed.py` one that another process works on. A source keeps a `Picture`
(`picture.py`): which servers changed when, so that each onlooker is told what changed since it was
told last, at its own pace, and nothing is queued for anybody.

Nothing here may slow a run or end it: what goes wrong is a warning.
"""
