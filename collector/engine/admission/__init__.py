"""Admission: whether calls may leave at all, whatever the rate limits say.

Four things stop a call:

- `circuit_breaker`: an endpoint that answers nobody, or a disk that takes no archives. The breaker
  is closed while calls leave, open while none does, and half-open while only probes do.
- `probes` chooses the calls that find out whether an endpoint is back: of a witness, if there is
  one.
- `credential_health`: a credential that is not proven sends one call alone. One that is refused for
  good fails the servers that need it.
- `in_flight`: there are as many calls under way as the ceilings allow. A call that hangs gives its
  place to others. `throughput` finds the downloads that are far slower than the rest.
"""
