"""What a command that calls or serves needs from the machine, checked before it starts."""

from __future__ import annotations

from collector import descriptors
from collector.errors import CollectorError


def prepare() -> None:
    """Raise the limit on open files, and load the HTTP library.

    Raises:
        CollectorError: the limit is too low, or TLS cannot be set up.
    """
    descriptors.raise_limit()
    if (few := descriptors.too_few()) is not None:
        raise CollectorError(few)
    try:
        import aiohttp  # noqa: F401, PLC0415  # takes long, and prepares TLS as it is loaded
    except OSError as error:
        raise CollectorError(
            f"cannot set up TLS: {error.filename}: {error.strerror}; fix or unset the environment "
            "variable that names this file, e.g. SSLKEYLOGFILE"
        ) from error
