"""What an inventory may say about CloudDC: regions, and ways to sign in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from collector.providers.rules import CredentialKind, InventoryRules

if TYPE_CHECKING:
    from collections.abc import Mapping

# The regions that the vendor's SDK 3.1.219 lists.
REGIONS: Final = ("cn-east-3", "cn-southwest-2", "cn-south-1", "ap-southeast-3")
TOKEN_VARIABLE: Final = "CLOUDDC_TOKEN"  # noqa: S105 - a variable's name, no secret
PASSWORD_VARIABLE: Final = "CLOUDDC_PASSWORD"  # noqa: S105 - as above
AK_VARIABLE: Final = "HUAWEICLOUD_SDK_AK"
SK_VARIABLE: Final = "HUAWEICLOUD_SDK_SK"

_OF_A_REGION: Final = re.compile(r"https://clouddc\.([a-z0-9-]{1,40})\.myhuaweicloud\.com")


def iam_endpoint_of(endpoint: str) -> str | None:
    """Return the IAM of a project's region; None where its endpoint names no region."""
    found = _OF_A_REGION.fullmatch(endpoint)
    return None if found is None else f"https://iam.{found[1]}.myhuaweicloud.com"


def _look_at_profile(options: Mapping[str, str], environ: Mapping[str, str]) -> None:
    from collector.providers.clouddc.signin.profiles import check_profile  # noqa: PLC0415  # rarely

    check_profile(options, environ)


def _look_at_command(options: Mapping[str, str], environ: Mapping[str, str]) -> None:
    from collector.providers.clouddc.signin.which import check_command  # noqa: PLC0415  # as above

    check_command(options, environ)


RULES: Final = InventoryRules(
    lists=True,
    regions={region: f"https://clouddc.{region}.myhuaweicloud.com" for region in REGIONS},
    variable=TOKEN_VARIABLE,
    variable_kind="token",
    variable_field="token_env",
    kinds={
        "token": CredentialKind(
            one_of=(("token_env", "token_file"),),
            variables=frozenset({"token_env"}),
            usual={"token_env": TOKEN_VARIABLE},
            files=frozenset({"token_file"}),
        ),
        "password": CredentialKind(
            required=("domain", "user"),
            one_of=(("password_env", "password_file"),),
            optional=("iam_endpoint",),
            variables=frozenset({"password_env"}),
            files=frozenset({"password_file"}),
            urls=frozenset({"iam_endpoint"}),
            derived={"iam_endpoint": iam_endpoint_of},
            texts=frozenset({"password_env", "password_file"}),
            account_field="domain",
            per_project=True,
            usual={"password_env": PASSWORD_VARIABLE},
        ),
        "aksk": CredentialKind(
            required=("ak_env", "sk_env"),
            optional=("security_token_env",),
            variables=frozenset({"ak_env", "sk_env", "security_token_env"}),
            texts=frozenset({"sk_env"}),
            usual={"ak_env": AK_VARIABLE, "sk_env": SK_VARIABLE},
        ),
        "sdk": CredentialKind(optional=("profile",), look=_look_at_profile),
        "command": CredentialKind(
            required=("command",),
            optional=("timeout",),
            lists=frozenset({"command"}),
            seconds=frozenset({"timeout"}),
            programs=frozenset({"command"}),
            look=_look_at_command,
        ),
    },
)
