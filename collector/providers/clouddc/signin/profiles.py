"""`kind: sdk`: keys where the vendor's SDK finds them, in its variables or in a profile file."""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import TYPE_CHECKING, Final

from collector.providers.clouddc.signin.kept import KeptSource, look
from collector.providers.clouddc.signin.keys import AK, SK, checked
from collector.providers.clouddc.signin.reading import UnusableSecretError, decoded, of_file
from collector.providers.clouddc.signin.secret import Keyring

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collector.providers.clouddc.signin.secret import Keys

VARIABLES: Final = (
    "HUAWEICLOUD_SDK_AK",
    "HUAWEICLOUD_SDK_SK",
    "HUAWEICLOUD_SDK_SECURITY_TOKEN",
)
FILE_VARIABLE: Final = "HUAWEICLOUD_SDK_CREDENTIALS_FILE"
FEDERATED: Final = ("HUAWEICLOUD_SDK_IDP_ID", "HUAWEICLOUD_SDK_ID_TOKEN_FILE")
USUAL_FILE: Final = ".huaweicloud/credentials"
USUAL_PROFILE: Final = "basic"
_WHAT: Final = "profile"


def profile_source(
    options: Mapping[str, str], environ: Mapping[str, str], keyring: Keyring
) -> KeptSource:
    """Return the source of `sdk` credentials: the SDK's variables, else its profile file.

    Args:
        options: `profile` names another section of the file than the usual one, and leaves the
            variables out.
        environ: the environment.
        keyring: of the run.

    Raises:
        UnusableSecretError: neither holds keys.
    """
    profile = options.get("profile")
    ak, sk, token = (environ.get(name) for name in VARIABLES)
    if profile is None and (ak or sk):
        return _of_variables(ak, sk, token, keyring)
    path = _file(environ)
    named = profile or USUAL_PROFILE
    seen = look(path)
    if profile is None and FILE_VARIABLE not in environ and seen is None and not path.exists():
        raise _nothing(path, environ)

    def keys_of(content: bytes) -> Keys:
        return _keys(content, path, named, keyring)

    source = f"profile [{named}] of {path}"
    keys = keys_of(of_file(_WHAT, path, warns=True))
    found = KeptSource(keys, source, f"check the keys in {source}")
    found.follow(_WHAT, path, keys_of, seen)
    return found


def check_profile(options: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Look whether there are keys.

    Raises:
        UnusableSecretError: there are none.
    """
    profile_source(options, environ, Keyring())


def _of_variables(
    ak: str | None, sk: str | None, token: str | None, keyring: Keyring
) -> KeptSource:
    given = []
    for what, name, found in zip((AK, SK), VARIABLES[:2], (ak, sk), strict=True):
        source = f"environment variable {name}"
        if not found:
            raise UnusableSecretError(what, source, "is missing: the variable is not set")
        given.append((found, source))
    if token:
        given.append((token, f"environment variable {VARIABLES[2]}"))
    names = " and ".join(VARIABLES[: len(given)])
    keys = checked(keyring, given[0], given[1], *given[2:])
    return KeptSource(keys, names, f"check the keys in {names}")


def _file(environ: Mapping[str, str]) -> Path:
    if named := environ.get(FILE_VARIABLE):
        return Path(named)
    home = environ.get("HOME")
    return (Path(home) if home else Path.home()) / USUAL_FILE


def _nothing(path: Path, environ: Mapping[str, str]) -> UnusableSecretError:
    instead = f"set {VARIABLES[0]} and {VARIABLES[1]}, or write {path}"
    if any(environ.get(name) for name in FEDERATED):
        why = f"are missing, and {FEDERATED[0]} (federated sign-in) is not supported"
    else:
        why = "are missing: neither the variables are set, nor is there the file"
    return UnusableSecretError("keys", f"the SDK's variables and {path}", why, instead)


def _keys(content: bytes, path: Path, profile: str, keyring: Keyring) -> Keys:
    """Read the keys of a profile."""
    source = f"file {path}"
    text = decoded(_WHAT, content, source)
    # Without interpolation: `%` is a character of secrets.
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
    except configparser.Error:
        # Its own words would repeat the line.
        why = "cannot be read: the file is not sections of NAME = VALUE, each once"
        raise UnusableSecretError(_WHAT, source, why, "repair the file and start again") from None
    if not parser.has_section(profile):
        raise UnusableSecretError(
            f"{_WHAT} [{profile}]",
            source,
            "is missing: the file has no such section",
            "add it there, or name another one by profile: NAME",
        )
    section = parser[profile]
    ak, sk = section.get("ak"), section.get("sk")
    where = f"profile [{profile}] of {path}"
    if not ak and not sk and (section.get("idp_id") or section.get("id_token_file")):
        why = "are missing, and idp_id (federated sign-in) is not supported"
        raise UnusableSecretError("keys", where, why, "add ak and sk there and start again")
    for what, found in ((AK, ak), (SK, sk)):
        if not found:
            raise UnusableSecretError(what, where, "is missing")
    token = section.get("security_token")
    also = [(token, where)] if token else []
    return checked(keyring, (ak or "", where), (sk or "", where), *also)
