"""One typed model of a run: the manifest, `--json` and every other view render it.

`building.Report(state, ...)` reads the model off a run's state. Servers' rows are made when they
are asked for, one after the other, so a fleet of 100,000 takes no more memory than one server.

    report = Report(state, lines=812, head="...")
    report.run.state, report.totals.collected
    for number, project in enumerate(report.projects):
        for server in report.servers(number):
            ...

The types are in `manifest.py` and `summary.py`. Their annotations are the contract: `schema.py`
derives the JSON Schema from them, and `json_text` and `as_json` write their fields in the order in
which they are declared. To add a column, add a field there, fill it in `building.py` (`_server`
fills a server's by position), and describe it in `docs/reference/run-directory.md`. It needs a
default if it is missing from earlier manifests. What the state does not know yet must come by an
event first: of a server, by `ServerSelected`.

While a run goes on, `glance.Watch` tells how it stands: rates, the limit that holds it, the time
left, what is wrong. `series.Follower` tells what happened over time, `reasons.grouped` why servers
are missing, `page.py` and `paging.py` all of it as a page shows it.
"""
