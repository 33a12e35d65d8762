"""Redaction: known secrets, and whatever looks like one, are taken out of text that leaves.

Text leaves through service messages, through the arguments of a run, and through stderr.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections import deque
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HIDDEN: Final = "***"
SHORTEST: Final = 6
"""Secrets shorter than this are not searched for, since they occur in words by chance."""
LONG: Final = 64
BEGINNING: Final = 24
"""Of a secret as long as that, so much of its beginning is hidden too: whoever quotes it may cut it
short."""
ISSUED_KEPT: Final = 64
"""Secrets that were issued one after the other and are still searched for: the others are dead."""

_QUOTE = r"\\?[\"']"
_IS = rf"(?:{_QUOTE}\s*,\s*(?=b?{_QUOTE})|(?:{_QUOTE})?\s*[:=]\s*)(?:b(?={_QUOTE}))?"
"""Between a name and its value: in a header, in JSON, and as Python writes mappings and pairs."""
# Of several words: all up to the line's or the quotation's end.
_OF_WORDS = re.compile(
    rf"(?i)((?:authorization|cookie){_IS})(?:({_QUOTE}).*?(?:\2|$)|[^\r\n\"'\\]+)", re.MULTILINE
)
_OF_ONE_WORD = re.compile(
    rf"(?i)(x-(?:auth|subject|security)-token{_IS})({_QUOTE})?[^\s\"',;\\]+(?:\2)?"
)
_PARAMETER = re.compile(
    r"(?i)((?:token|signature|password|passwd|secret|access_?key_?id|x-(?:amz|obs)-credential)=)"
    r"[^\s&\"',;\\]+"
)
_QUERY = re.compile(r"(?i)(https?://[^\s?#\"']+)\?[^\s\"']+")
_USER = re.compile(r"(?i)([a-z][a-z0-9+.-]{0,20}://)[^\s/?#\"']+@")
_NAME = re.compile(r"(?i)(token|authorization|password|secret|signature|cookie|^(ak|sk)$)")
_OPTION = re.compile(
    r"(?i)(--?(?:[\w-]*[-_])?"
    r"(?:token|secret|password|passwd|signature|cookie|authorization|(?:api|access)-?key|ak|sk))"
    r"(=.*)?",
    re.DOTALL,
)


def hide(text: str) -> str:
    """Return `text` without anything that looks like a secret.

    That is: values of headers and parameters that carry one; in URLs, the user and the query, since
    a signed link needs no more than its query.
    """
    text = _USER.sub(rf"\1{HIDDEN}@", text)
    text = _QUERY.sub(rf"\1?{HIDDEN}", text)
    text = _OF_WORDS.sub(rf"\1{HIDDEN}", text)
    text = _OF_ONE_WORD.sub(rf"\1{HIDDEN}", text)
    return _PARAMETER.sub(rf"\1{HIDDEN}", text)


def hide_fact(name: object, value: object) -> object:
    """Return what is said under a name without secrets, however deep they are in it."""
    if isinstance(name, bytes):
        name = name.decode("latin-1")
    if isinstance(name, str) and _NAME.search(name):
        return HIDDEN
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, dict):
        return {key: hide_fact(key, inner) for key, inner in value.items()}
    if isinstance(value, tuple) and len(value) == 2:  # noqa: PLR2004  # a header as a pair, perhaps
        return (hide_fact(None, value[0]), hide_fact(*value))
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)(hide_fact(None, inner) for inner in value)
    return value


def arguments(argv: Iterable[str]) -> Iterator[str]:
    """Yield a command's arguments without the secrets among them."""
    is_value = False
    for argument in argv:
        option = _OPTION.fullmatch(argument)
        if is_value:
            yield HIDDEN
        elif option is not None and option[2] is not None:
            yield f"{option[1]}={HIDDEN}"
        else:
            yield hide(argument)
        is_value = not is_value and option is not None and option[2] is None


class Arguments:
    """A command's arguments, without the secrets that are known when they are read.

    Args:
        argv: the arguments.
        secrets: of the process.
    """

    def __init__(self, argv: Iterable[str], secrets: Secrets) -> None:
        self._argv = tuple(argv)
        self._secrets = secrets

    def __iter__(self) -> Iterator[str]:
        return map(self._secrets.out_of, self._argv)


class Secrets:
    """The secrets that this process has read, to be taken out of text in any usual encoding."""

    def __init__(self) -> None:
        self._written: tuple[str, ...] = ()
        self._bytes: tuple[bytes, ...] = ()
        self._long: tuple[str, ...] = ()
        self._issued: deque[tuple[str, ...]] = deque()

    def __repr__(self) -> str:
        return f"Secrets({len(self._written)} writings)"

    def add(self, secret: str) -> None:
        """Add a secret; one of only a few characters is ignored."""
        if len(secret) < SHORTEST or secret in self._written:
            return
        written = {*self._written, *_writings(secret)}
        # The longest first: if one starts with another, no rest of it may stay.
        self._written = tuple(sorted(written, key=len, reverse=True))
        self._bytes = tuple(text.encode() for text in self._written)
        if len(secret) >= LONG:
            self._long = (*self._long, secret)

    def add_issued(self, secret: str) -> None:
        """Add one of many secrets that follow each other; the oldest of them are forgotten.

        A long run may be issued thousands, and each text is searched for each of them.
        """
        known = set(self._written)
        self.add(secret)
        if added := tuple(text for text in self._written if text not in known):
            self._issued.append(added)
        if len(self._issued) > ISSUED_KEPT:
            gone = set(self._issued.popleft())
            self._written = tuple(text for text in self._written if text not in gone)
            self._bytes = tuple(text.encode() for text in self._written)
            self._long = tuple(text for text in self._long if text not in gone)

    def and_also(self, others: Iterable[str]) -> Secrets:
        """Return a copy with more secrets, which are forgotten with it."""
        both = Secrets()
        both._written, both._bytes, both._long = self._written, self._bytes, self._long
        for other in others:
            both.add(other)
        return both

    def out_of(self, text: str) -> str:
        """Return `text` without the secrets."""
        for secret in self._written:
            if secret in text:
                text = text.replace(secret, HIDDEN)
        for secret in self._long:
            if secret[:BEGINNING] in text:
                text = _without_beginnings(text, secret)
        return text

    def out_of_bytes(self, body: bytes) -> bytes:
        """Return bytes without the secrets."""
        for secret in self._bytes:
            if secret in body:
                body = body.replace(secret, HIDDEN.encode())
        return body

    def hide(self, text: str) -> str:
        """Return `text` without the secrets, and without what looks like one."""
        return hide(self.out_of(text))


def _without_beginnings(text: str, secret: str) -> str:
    """Return `text` without what a secret begins with, as far as it is there."""
    before, *others = text.split(secret[:BEGINNING])
    rest = secret[BEGINNING:]
    return before + "".join(HIDDEN + other[_alike(other, rest) :] for other in others)


def _alike(one: str, other: str) -> int:
    """Return with how many equal characters two texts begin."""
    pairs = enumerate(zip(one, other, strict=False))
    unlike = (at for at, (a, b) in pairs if a != b)
    return next(unlike, min(len(one), len(other)))


def _writings(secret: str) -> Iterator[str]:
    """Yield a secret's encodings: plain, in URLs, in JSON and HTML, in base64."""
    in_json = json.dumps(secret)[1:-1]
    yield from (secret, in_json, in_json.replace("/", r"\/"), html.escape(secret))
    for quoted in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield quoted
        yield re.sub("%..", lambda found: found[0].lower(), quoted)
    for encoded in (base64.b64encode, base64.urlsafe_b64encode):
        yield encoded(secret.encode()).decode().rstrip("=")
