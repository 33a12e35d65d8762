"""Polling: when a running export is worth asking about.

To ask too early costs a call that says "not yet"; to ask too late costs time. How many calls there
are decides which is worse, so each export has two times (`timing.py`):

    early      worth a call to spare: the end is noticed soon after
    certain    worth a call that others want: the answer is "completed" in nine of ten cases

Durations (`durations.py`)
==========================

How long exports of a project take is taken to be log-normal, since they are products of many things
that vary: ln D ~ N(m, s). An export is never seen to end. It is known that it took longer than its
age at one call, and no longer than its age at the next. Each one counts with the logarithm, and
its square, that its bounds let expect (incremental expectation maximisation):

    m = mean of E[ln D | low < D <= high]           s^2 = mean of E[(ln D)^2 | ...] - m^2

To count only exports that have completed would favour the short ones. The distribution is gone by
after 12 exports (`ENOUGH`), with a deadline after 8, and earlier runs count as 20 at most.

Before that (`scouts.py`) the first dozen exports of a group are *scouts*, asked about from half
a second on. Of n that were asked about at ages a[i], k had ended. With s = 1 the estimate is the
m that makes this most likely,

    (n - k) h(z) - k h(-z) = doubt(m),    z = mean(ln a) - m,    h = density / upper tail

beside a guess of 120 seconds that is easily off by a factor of 1.5 (`DOUBT`: 0.4 in logarithms).

Exports of different models differ: those of a model have a distribution of their own (`groups.py`)
where the project has others beside it, and twelve of its servers are in the run or it was known
before. What is not known of a model is what is known of its project.

The first look
==============

    early      exp(m - 1.75 s): four in a hundred exports are shorter
    certain    the 90th percentile

Both are corrected by what such calls were answered: each "completed" that comes too often moves
them earlier, each "not yet" later (0.1 of the excess). That is right whatever the distribution is.

The next looks
==============

The time gone since the start grows by the same factor from look to look, as narrow as makes 11.3
calls over the whole distribution, and no wider than 15.5 % (`POLLS_ON_AVERAGE`, `WIDEST`: with the
scouts' it comes to the twelve calls an export that were allowed). It is narrower under pressure:
4 % where exports wait for places, 1.5 % for the last 20 servers of a run. Nobody is asked about
more often than every half second. A longer gap is taken while fewer than 2.5 % of the exports that
still run are thought to end in it.

Percentages
===========

Where a service tells p percent at age a, the export takes 100 a / (p + step) to 100 a / p seconds.
The steps are the common divisor of all percentages seen. One more look at about 60 % of that
narrows it, then the end is asked for. This is believed until more exports than two, and a fifth of
those that kept it, ended otherwise.

Where statuses wait (`statuses.py`)
===================================

In their project's lane, planned when the last answer came. They are planned anew when exports turn
out to take less than 85 % of what was thought: two for each answer that has come since, so that
what is learned costs no more than what taught it. If exports take longer, that is seen when their
time comes. `watch.py` keeps what answers have said of each export.
"""
