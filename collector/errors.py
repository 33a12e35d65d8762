"""The root of what `collector` raises: configuration and bugs, never what a wire did."""


class CollectorError(Exception):
    """Something a person must change before the command can do its work.

    The text says what happened, where, and what to do about it; subclasses carry the facts.
    """
