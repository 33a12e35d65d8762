"""Admission: whether calls may leave at all, whatever the limits say.

Limits say when a call may leave (`pacing`). This package says whether it is of any use: whether the
endpoint answers, whether the credential is accepted, whether the disk takes archives, and whether
there is room for one more call in flight.

An endpoint's breaker (`endpoint_breaker.py`, `question.py`)
===========================================================

The states are those of any circuit breaker:

    closed      calls pass
    open        no call passes but one probe at a time; calls that failed count as no attempts
    half-open   in question: probes are out; other calls pass, unless they would fare no better

One server's trouble is no evidence against its endpoint. What is: three servers in a row without an
answer (`SUSPECTS`), where none was answered in between; calls that wait for 1.5 seconds
(`SILENCE_S`) in which nobody is answered; one call that could not be sent. An endpoint with fewer
servers left than three is in question by all that it has left, so that one of a single server is
in question by that one.

A question is put to somebody who is no suspect, and one answer closes the breaker again. If the
probes are not answered within two seconds, or four round trips (`PROBE_S`, `LATENCIES`), it opens.
Where nobody else can be asked, it opens if nothing can be sent, if calls wait in silence, or if
three servers were asked and none was ever answered. Otherwise the servers' own tries decide: one
server that answers with errors is no outage. So an endpoint of one server whose connections are
refused is waited for, and one that answers 502 fails by its attempts.

While it is open, a probe leaves after 1 second, 2, and then every 3: its return is noticed within
seconds. It is given up after a minute if it never answered, since its name may be wrong; after a
quarter of an hour if it accepts connections and answers nobody; else after an hour. Where there
is a deadline, that is waited for. Its servers stay pending.

Witnesses (`probes.py`)
=======================

To ask for the status of an export that the endpoint knows harms nobody, and any answer is one. So
the servers with such exports are *witnesses*: the latest 64 of each endpoint, three asked at once,
since some may have trouble of their own. Before there are any, a server that waits is asked by its
own call; a POST last, because one that nobody answers may have started an export.

A credential that was accepted and is refused asks one witness alone: some services lock a key that
is refused more than five times.

In a turn only those endpoints are looked at of which a call came back, or whose time has come.

Credentials (`credential_health.py`, `project_admission.py`)
===========================================================

Until it is accepted, a credential sends one call alone, and another where that stalls (`alone.py`):
a wrong token costs one call. Once refused, it is not accepted until a call is that left since:

    renewed             its secret is another one: at once again, alone
    accepted before     again at once and after 5 seconds: whoever renews it may be about to
    never accepted      that was all, if no other project of it can be asked

Three refusals in a row end it, whatever is renewed. Refusals of calls that were in flight together
are one. A server that is refused while others are accepted has trouble of its own.

A credential serves projects by one secret, or by one each, as its kind says. Of one secret, each
project sends its first call alone: a token may be good for one project only. Where the first that
is tried refuses it, it waits until another has answered, three at most. If that accepts it, the
first one's servers fail, and no others; the same if a project refuses twice what others accept.

Signing in (`sign_in.py`)
=========================

A provider that cannot sign in says so in place of an answer, and no call was made. If it may pass,
the next try is alone and leaves after 1 second, 2, 4, up to 60, or when the other service says. A
credential that was never accepted is given up after four tries or two minutes, any other after a
quarter of an hour. Meanwhile its servers wait; those of projects that have signed in go on.

Permissions (`permissions.py`)
==============================

A server that is forbidden a call fails alone. A call that six servers of a project were forbidden
and nobody was allowed is forbidden to all of it: whoever still needs it fails without another call.
From the first refusal on such calls leave alone. Where somebody was told before the run that a call
is forbidden (`PermissionDoubted`), one refusal is enough, and until it is known one server goes
ahead alone: not one export is started in vain. It has ten minutes before a second one follows.

Calls in flight (`in_flight.py`, `throughput.py`)
=================================================

A call in flight holds a place: 256 small calls, as many downloads as `--downloads` says, and 64
archives that have arrived and are not yet on disk. One that *stalls* gives its place up and takes
it again when it goes on, so that a server which hangs holds up nobody:

    a small call    after five times the usual round trip, 0.1 to 1 second
    a download      after 0.25 seconds without a byte, 10 at most where such downloads went on
    or              bringing less than a tenth of an even share of the best second of the last ten

The disk has a breaker too: its first error opens it. One download tries every now and then, after 1
second, 2, up to every 30, and after ten minutes the disk is given up.
"""
