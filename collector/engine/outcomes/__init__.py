"""Outcomes: what an answer means for its server, and what it teaches beside.

An answer goes two ways. `feedback.py` tells those who plan: the pacer learns of limits, the breaker
that the endpoint answers, the credential that it is accepted. `outcomes.py` turns the answer into
events of its server. They are recorded, applied, and only then acted on.

From answer to event
====================

    started                 ExportStarted            its status is wanted
    status: running         nothing                  the same is wanted again, later
    status: completed       ExportCompleted          its archive is wanted
    archive stored          ArchiveStored            the end
    a problem               what the retry table says:
        wait, or not sure   nothing; for a POST ExportNotStarted
        a failed attempt    AttemptFailed, and the same again, or a new export
        given up            ServerFailed             the end

Why there is an event for each of these and no more: a resume folds the journal, and must know what
was done. What only this process needs is in `memory.py`, and a crash may lose it: tries in a row,
waits that were asked for, what was said of progress.

The retry table (`retry.py`)
============================

`TABLE` is the one written policy. It has a rule for each pair of call and kind of problem, and
`docs/reference` prints it. A provider says what happened, out of a closed vocabulary
(`ProblemKind`); it never decides what follows. `decide` puts the rule into effect:

    wait         a 429: its scope's pace says when; counts as no attempt
    back off     any time up to min(60 s, 1 s * 2^attempts): full jitter, so that calls that
                 failed together do not come back together
    once more    a POST without an answer may have started an export: one more, after 2 to 5 s
    anew         the export failed, or was forgotten: a new one, once
    renew        a 401: again with a renewed credential; three in a row (one, if it never was
                 accepted) fail all that need it
    pause        the disk: one server fails, all downloads pause
    fail         nothing would change

No rule makes a call before the service has asked to be called again; a Retry-After of more than 15
minutes is taken as a minute. No attempt counts while the endpoint is in question, or this machine
slept meanwhile: such tries are remembered, and count if it turns out to have been the server's
fault.

What else is here
=================

`downloads.py` follows how far downloads are, `facts.py` writes events, `hints.py` says what a
person can do about each problem, and `observations.py` gathers what is worth a line of the journal
and may be lost: calls counted, limits learned, clocks compared, endpoints down and back.
"""
