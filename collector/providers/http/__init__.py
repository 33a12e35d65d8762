"""What two HTTP vendors would both write: nothing here knows whose API is spoken.

`transport` sends one request, `calls` makes a small call of it, and `downloads` opens an archive,
over redirections and from the byte on which an earlier try ended. `replies` reads what came, `wire`
says what broke, and `times`, `ranges`, `checksums` and `disposition` read headers. A vendor
adds its URLs, its credentials, and a `downloads.Dialect`: what its refusals mean.
"""
