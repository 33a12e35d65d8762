"""What an inventory may say about CloudDC: regions, and ways to sign in."""

from __future__ import annotations

from typing import Final

from collector.providers.rules import CredentialKind, InventoryRules

# The regions that the vendor's SDK 3.1.219 lists.
REGIONS: Final = ("cn-east-3", "cn-southwest-2", "cn-south-1", "ap-southeast-3")
TOKEN_VARIABLE: Final = "CLOUDDC_TOKEN"  # noqa: S105 - a variable's name, no secret
PASSWORD_VARIABLE: Final = "CLOUDDC_PASSWORD"  # noqa: S105 - as above
AK_VARIABLE: Final = "HUAWEICLOUD_SDK_AK"
SK_VARIABLE: Final = "HUAWEICLOUD_SDK_SK"
INSTEAD: Final = f"use kind: token with token_env: {TOKEN_VARIABLE}"

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
            account_field="domain",
            usual={"password_env": PASSWORD_VARIABLE},
            implemented=False,
            refusal=INSTEAD,
        ),
        "aksk": CredentialKind(
            required=("ak_env", "sk_env"),
            optional=("security_token_env",),
            variables=frozenset({"ak_env", "sk_env", "security_token_env"}),
            usual={"ak_env": AK_VARIABLE, "sk_env": SK_VARIABLE},
            implemented=False,
            refusal=INSTEAD,
        ),
        "sdk": CredentialKind(readable=False, implemented=False, refusal=INSTEAD),
        "command": CredentialKind(readable=False, implemented=False, refusal=INSTEAD),
    },
)
