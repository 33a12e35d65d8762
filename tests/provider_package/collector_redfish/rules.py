"""What an inventory may say about BMCs."""

from __future__ import annotations

from typing import Final

from collector.providers.rules import CredentialKind, InventoryRules

RULES: Final = InventoryRules(
    kinds={
        "basic": CredentialKind(
            required=("user",),
            one_of=(("password_env", "password_file"),),
            variables=frozenset({"password_env"}),
            files=frozenset({"password_file"}),
            account_field="user",
        ),
        # What stands for credentials where an inventory names none: USER:PASSWORD in one variable.
        "login": CredentialKind(required=("login_env",), variables=frozenset({"login_env"})),
    },
    variable="REDFISH_LOGIN",
    variable_kind="login",
    variable_field="login_env",
)
