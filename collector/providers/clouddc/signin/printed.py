"""What a program prints that is asked for a credential: a token as plain text, or JSON."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Any

from collector.providers.clouddc.signin.iam import LONGEST_LIFE_S, ends_s
from collector.providers.clouddc.signin.issued import Issue
from collector.providers.clouddc.signin.keys import checked
from collector.providers.clouddc.signin.reading import UnusableSecretError, sendable
from collector.providers.clouddc.signin.secret import Token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.providers.clouddc.signin.secret import Keyring, Keys


class OddOutputError(ValueError):
    """What was printed is no credential. Its text says why, and repeats nothing of it."""


def issue_of(printed: bytes, keyring: Keyring, now_s: float | None = None) -> Issue:
    """Return what a program has printed.

    Args:
        printed: a token in one line; or JSON with `token`, or with `ak` and `sk` and perhaps
            `security_token`, and perhaps with `expires_at`: ISO 8601, or Unix seconds.
        keyring: of the run.
        now_s: the time in Unix seconds, instead of this machine's.

    Raises:
        OddOutputError: it is none.
    """
    try:
        text = printed.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise OddOutputError("printed something that is not UTF-8") from None
    if not text:
        raise OddOutputError("printed nothing")
    if text[0] not in "{[":
        return Issue(_token(text))
    fields = _json(text)
    life_s = _life_s(fields.get("expires_at"), time.time() if now_s is None else now_s)
    token, ak, sk, security_token = (
        _text(fields, name) for name in ("token", "ak", "sk", "security_token")
    )
    if token is not None and ak is None and sk is None:
        return Issue(_token(token), life_s)
    if token is None and ak is not None and sk is not None:
        return Issue(_keys(ak, sk, security_token, keyring), life_s)
    raise OddOutputError("printed JSON that has neither just a token, nor ak and sk")


def _json(text: str) -> Mapping[str, Any]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        raise OddOutputError("printed JSON that cannot be read") from None
    if not isinstance(fields, dict):
        raise OddOutputError("printed JSON that is no object")
    return fields


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    found = fields.get(name)
    if found is not None and not isinstance(found, str):
        raise OddOutputError(f"printed JSON whose {name} is not text")
    return found or None


def _token(text: str) -> Token:
    if "\n" in text or "\r" in text:
        raise OddOutputError("printed more than one line, and not JSON")
    try:
        return Token(sendable("token", text, "its output"))
    except UnusableSecretError:
        raise OddOutputError("printed a token that no HTTP header can carry") from None


def _keys(ak: str, sk: str, security_token: str | None, keyring: Keyring) -> Keys:
    where = "its output"
    also = [] if security_token is None else [(security_token, where)]
    try:
        return checked(keyring, (ak, where), (sk, where), *also)
    except UnusableSecretError:
        raise OddOutputError("printed keys that cannot be sent") from None


def _life_s(expires_at: object, now_s: float) -> float:
    if expires_at is None:
        return math.inf
    if isinstance(expires_at, int | float) and not isinstance(expires_at, bool):
        at_s: float | None = float(expires_at) if abs(expires_at) < 1e15 else None  # noqa: PLR2004
    else:
        at_s = ends_s(expires_at)
    if at_s is None or not math.isfinite(at_s):
        raise OddOutputError("printed an expires_at that is neither ISO 8601 nor Unix seconds")
    if at_s <= now_s:
        raise OddOutputError(
            "printed a credential that has expired already; see whether this machine's clock is "
            "right"
        )
    return min(LONGEST_LIFE_S, at_s - now_s)
