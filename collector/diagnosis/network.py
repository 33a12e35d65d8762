"""The way to the network: proxies and certificate authorities. Nothing is sent."""

from __future__ import annotations

import os
import re
import ssl
from typing import TYPE_CHECKING, Final

from collector.diagnosis.items import Item, Verdict
from collector.redaction import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector.diagnosis.items import Around

_ADDRESS: Final = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<host>[\w.-]+|\[[0-9A-Fa-f:.%]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?/?"
)
_USED: Final = ("http", "https")
_TRIED: Final = "install ca-certificates, or give --ca-file FILE"


def proxies(around: Around) -> Iterator[Item]:
    """Yield the proxies of the environment, without who signs in at them."""
    names = sorted(
        name
        for name, value in around.environ.items()
        if name.lower().endswith("_proxy") and name.lower() != "no_proxy" and value.strip()
    )
    if not names:
        yield Item("proxy", "none in the environment")
    for name in names:
        yield _proxy(name, around.environ[name].strip())
    direct = [name for name in ("no_proxy", "NO_PROXY") if around.environ.get(name)]
    for name in direct:
        yield Item(name, around.environ[name])


def _proxy(name: str, value: str) -> Item:
    user, at, address = value.rpartition("@")
    scheme, separator, _ = user.rpartition("//")[0].partition(":")
    found = _ADDRESS.fullmatch(f"{scheme}://{address}" if at and separator else address)
    advice = f"set {name} to http://HOST:PORT, or unset it"
    if found is None:
        return Item(name, "set, but not the address of a proxy", Verdict.PROBLEM, advice)
    signed_in = f"{HIDDEN}@" if at else ""
    port = f":{found['port']}" if found["port"] else ""
    text = f"{found['scheme'] or 'http'}://{signed_in}{found['host']}{port}"
    kind = name.lower().removesuffix("_proxy")
    if kind not in _USED:
        return Item(name, text, Verdict.NOTE, "not used: only http_proxy and https_proxy are")
    if (found["scheme"] or "http").lower() not in _USED:
        return Item(name, text, Verdict.PROBLEM, advice)
    return Item(name, text)


def authorities(around: Around) -> Iterator[Item]:
    """Yield whom HTTPS trusts by default."""
    paths = ssl.get_default_verify_paths()
    for variable, there in (
        (paths.openssl_cafile_env, os.path.isfile),
        (paths.openssl_capath_env, os.path.isdir),
    ):
        value = around.environ.get(variable)
        if value is None:
            continue
        if there(value) and os.access(value, os.R_OK):
            yield Item(variable, value)
        else:
            yield Item(variable, f"{value}: cannot be read", Verdict.PROBLEM, "correct or unset it")
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        value = around.environ.get(variable)
        if value and value not in (paths.cafile, around.environ.get(paths.openssl_cafile_env)):
            advice = "not used: if it is needed here, give --ca-file FILE or set SSL_CERT_FILE"
            yield Item(variable, value, Verdict.NOTE, advice)
    trusted = ssl.create_default_context().cert_store_stats()["x509_ca"]
    folder = paths.capath if paths.capath and _has_files(paths.capath) else None
    where = paths.cafile or folder
    if trusted:
        yield Item("certificate authorities", f"{trusted} trusted, from {where or 'the system'}")
    elif folder is not None:
        yield Item("certificate authorities", f"those in {folder}")
    else:
        yield Item("certificate authorities", "none", Verdict.PROBLEM, f"HTTPS will fail; {_TRIED}")


def key_log(around: Around) -> Iterator[Item]:
    """Yield that the keys of connections are written to a file, if they are."""
    if around.environ.get("SSLKEYLOGFILE"):
        advice = "whoever reads that file can read recorded connections, tokens too; unset it"
        yield Item("SSLKEYLOGFILE", "set", Verdict.PROBLEM, advice)


def _has_files(folder: str) -> bool:
    try:
        with os.scandir(folder) as found:
            return next(found, None) is not None
    except OSError:
        return False
