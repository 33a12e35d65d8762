"""Outcomes: what an answer means for its server, and what it teaches besides.

    answer ──► outcomes ──► retry (for a problem) ──► facts ──► events
       └─────► feedback ──► pacing, admission, observations

- `outcomes` turns an answer into the events that follow from it. It keeps what must be remembered
  of a server between two facts.
- `retry` is the one retry policy: `TABLE` maps a call and a problem to a rule, and `decide` applies
  the rule.
- `facts` builds these events, and `hints` says what a person can do about a failure.
- `feedback` passes on what an answer says of limits, credentials, endpoints and clocks.
- `observations` collects counters and notices until they are written to the journal.
"""
