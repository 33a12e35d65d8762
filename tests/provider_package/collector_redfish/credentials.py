"""From an entry under `credentials` to the header that signs requests."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

from collector.errors import CollectorError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.providers.protocol import Access


class NoPasswordError(CollectorError):
    """A password cannot be had; the text names where it should be."""


def authorization(options: Mapping[str, str], access: Access) -> str:
    """Return the value of the Authorization header, and make known what of it is secret.

    Args:
        options: of kind `basic` or `login`, as `rules.RULES` has them.
        access: where variables are looked up.

    Raises:
        NoPasswordError: there is none.
    """
    if "login_env" in options:
        login = _variable(options["login_env"], access)
    else:
        login = f"{options['user']}:{_password(options, access)}"
    access.secrets.add(login)
    access.secrets.add(login.partition(":")[2])
    return f"Basic {base64.b64encode(login.encode()).decode()}"


def _password(options: Mapping[str, str], access: Access) -> str:
    if "password_env" in options:
        return _variable(options["password_env"], access)
    try:
        return Path(options["password_file"]).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise NoPasswordError(f"cannot read the password: {error}; repair that file") from error


def _variable(name: str, access: Access) -> str:
    value = access.environ.get(name, "").strip()
    if not value:
        raise NoPasswordError(f"environment variable {name} is not set; set it and start again")
    return value
