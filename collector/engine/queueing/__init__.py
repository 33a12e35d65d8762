"""Queueing: where servers wait, and whose turn it is.

- A server waits in a *lane*, for its project and kind of call (`lanes`). `layout` makes all lanes.
- `ready` knows which lanes hold a call that could leave now. A lane that is held up stands in a
  line at what holds it up: the pace of a scope, a breaker, a credential, the limit on running
  exports (`running_exports`).
- `fair_queue` says whose turn it is: weighted fair queueing among projects, then among the kinds of
  call.
- `dispatch` takes the calls that leave now, in that order.
- `deadline` finds out whether the rest can be collected by the deadline, and starts fewer exports
  if not. `alarms` wakes what waits for a time.
"""
