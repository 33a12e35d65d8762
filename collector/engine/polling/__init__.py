"""Polling: when a status is worth a call.

The service does not say when an export completes, so its status is polled. To ask early wastes
calls, to ask late wastes time.

- `durations` learns how long a project's exports take: a log-normal distribution, from every export
  that was asked about, and from percentages if they prove right.
- `scouts` are the first exports of a project. They are asked about early, so that an estimate
  exists before a dozen exports have completed.
- `timing` computes two times for each export: when to ask if calls are to spare, and when to ask if
  they are scarce.
- `statuses` lets servers wait until then, and plans them anew when exports turn out to be shorter.
"""
