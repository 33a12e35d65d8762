"""Pacing: when the next call may leave, under limits that are stated or have to be inferred.

The problem
===========

A call passes six *scopes*: its kind of call, project, credential, account, address and endpoint.
Any scope may have a limit of N calls in T seconds, in a sliding window, in fixed ones, or as a
token bucket. A call over the limit is refused with a 429. N, T and the scope may be stated or
not, other programs may use part of the limit, and it may change. A call leaves when all of its
scopes let it, and each answer is learned from. Nothing here reads a clock or sends anything:
times are handed in.

The controller is AIMD, as in TCP's congestion control (additive increase, multiplicative
decrease), on top of a sliding window over our own calls. The window keeps to what is believed; a
*probe*, one window with a little more in it, finds out whether more is allowed; a refusal makes
it *back off*. TCP asks how much is allowed. Here two more questions are open: whose limit it is,
and how long its window.

The window (`sliding_window.py`, `latency.py`)
==============================================

With N calls in T seconds believed, and a margin m, call n leaves at

    t[n] >= t[n-N] + T + m                 as many at once as fit, where N is stated
    t[n] >= t[n-1] + (T + m) / N           and one after the other (*paced*), where it is estimated
                                           or others use part of it

No stretch of T seconds holds more than N calls then, so no kind of limit is exceeded: a fixed
window is such a stretch, and a bucket of N that fills at N/T never runs dry. Of paced calls a
limit refuses one, of a burst all that are left of it.

m is the *jitter margin*, since calls that leave T apart may arrive closer together:

    m = f u + 1 ms, at most T
    u = 3 mean absolute deviations of the latest 32 round trips: 98 % of normally distributed errors
    f = 1 at first, x 1.5 with a refusal that nothing else explains, x 0.9999 with one let through

The factors of f balance at one such refusal in ln 1.5 / 0.0001 = 4,000 calls: a quarter of the
0.1 % of calls that a stated limit may cost.

If u is more than the gap between calls, T/N, they overtake each other all the time: they are
*jitter-dominated*, and no margin would keep all of them apart. Then f is steered, x 1.08 with a
refusal and x (1 - 0.08 p) with a call let through, which balances where a part p is refused. p is
1.5 %, half of what may be refused there; from 1.2 % to 2 % the makespan is the same within 1 %.

The beginning (`slow_start.py`)
===============================

Nothing is known, so what would be refused together must be few: one call is under way at once,
two where a round trip takes over 50 ms, and as many as make 6 a second over a longer way. After
256 calls let through the number doubles, and again after every 64, until nothing but the
connection holds a run up. A first refusal, or a limit that is stated, ends it.

Whose limit it is (`attribution.py`)
====================================

A refusal at 85 % or more of what is believed is no surprise. Any other is looked into:

1. Is it about one kind of call? The next call goes alone, and is of another kind. If that passes
   and the first kind is refused right after, twice, they share no limit (`kind_test.py`). Then it
   may be one on exports that run at once (`concurrency.py`).
2. Which N and T (`inference.py`)? With c(t) the calls counted in the T seconds before t, those
   let through say c < N, and those refused c >= N. So a guess of a scope and T has the bounds

       max c over calls let through  <=  N  <=  min c over calls refused      (within 15 %)

   and is dropped when they contradict each other. Of what is left the shortest T is taken, of 1, 10
   and 60 s: it is tested soonest. The latest 8 refusals have to be explained; with 4 or 16 nothing
   changes.
3. Which scope (`ownership.py`)? The widest that fits, since keeping to it is safe where a narrower
   one has the limit. Nothing contradicts a wide guess by itself, so pairs and coincidences do.

The guess is tested when a quarter of its window is free again: an answer says more then.

Using it (`belief.py`, `utilization.py`)
========================================

Of N, `share` is used. What happens next depends on who said N.

*Stated* (`told_limit.py`): N is never exceeded. Where only a refusal stated it, nobody would say
that it was raised, so one call in 4,000 goes over it; one in 100 after it was lowered.

*Estimated* (`estimated_limit.py`): after 80 calls a probe lets max(1, 2 % of N) more into one
window.

    let through:  N grows by the step, and the next probe is twice as large, at once
    refused:      N is what it was (*revert*); the next probe is after 80, 80, 160, 320, 500 calls

In the end probes cost one call in 500, of the 1 % that may be refused. A raise that is refused
within 10 s and a window lived on what a bucket had saved, and is undone.

*Others* use part of it, as a refusal says that comes too early. The level backs off to what was
let through, and by a tenth with each further refusal. After 3 s and a window, max(1, 5 % of N)
more is sent for one window. If that is let through, all is used again (*recover*). If not, the
next try comes after as long again, from the fifth on twice as long each time, up to 30 s; the
eighth failure lowers an estimate. Who came before is expected back for two minutes, and to stay
as long as the last time.

*Silence*: after several refusals with nothing let through between them, a scope pauses for 0.25
s, 0.5 s, ... up to a minute, and one call goes alone (`pauses.py`).

Where the numbers come from
===========================

What may be refused (0.1 % where a limit is stated, 1 % where it is found out, 3 % with neighbours
and jitter) is set in `benchmarks/pacing/promises.py`. Rates follow from that, as said above. The
other numbers were tried: `python -m benchmarks.pacing.ablation` switches one mechanism off at a
time, and shows what each is good for. What gained less than 2 % in every scenario was removed.

`pacer.py` brings it together, `tracks.py` says which calls pass which scopes, `scope.py` is one
scope, and `findings.py` what is reported.
"""
