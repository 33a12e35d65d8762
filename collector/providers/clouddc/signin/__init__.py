"""Signing in: every request to the API passes a `Credential` on its way out, and is answered to it.

A *source* says which secret is carried now: a token or a pair of keys. It comes from a variable, a
file, IAM, the vendor's profiles or a program. `SignIn` carries it: a token as a header, keys as a
signature. Until the service has accepted a secret, one call alone carries it, and the others wait.
"""
