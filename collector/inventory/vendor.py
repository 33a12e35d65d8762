"""What only a vendor knows about an inventory: a table that its provider hands to `load`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class CredentialKind:
    """One `kind` of credentials: its fields, and which of them lead to a secret.

    Attributes:
        required: Fields that must be there.
        one_of: Groups of fields of which exactly one must be there.
        optional: Fields that may be there.
        variables: The fields that hold the name of an environment variable with a secret in it.
        files: The fields that hold the path of a file with a secret in it.
        urls: The fields that hold an http(s) URL.
        account_field: The field whose value names the account where no `account` does.
        implemented: Whether this version can use the kind. One that it cannot is checked like
            any other, and refused where a project uses it.
        refusal: What to do instead, for a kind that is not implemented.
        readable: Whether this version knows the fields. A kind that it does not is refused
            wherever it stands, and nothing else is said about the entry.
    """

    required: tuple[str, ...] = ()
    one_of: tuple[tuple[str, ...], ...] = ()
    optional: tuple[str, ...] = ()
    variables: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    urls: frozenset[str] = frozenset()
    account_field: str | None = None
    implemented: bool = True
    refusal: str = ""
    readable: bool = True

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field the kind knows, besides `kind` and `account`."""
        return (*self.required, *(name for group in self.one_of for name in group), *self.optional)


@dataclass(frozen=True, slots=True)
class Vendor:
    """A provider's part of the inventory.

    Attributes:
        name: The provider's name.
        regions: Region to endpoint URL.
        kinds: Credential kinds by the word that names them.
        variable: The environment variable used where an inventory names no credentials.
        variable_kind: The kind of credentials that `variable` makes; a CSV's `credentials`
            column makes the same kind from the variables it names.
        variable_field: The field of that kind that holds the variable's name.
    """

    name: str
    regions: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, CredentialKind] = field(default_factory=dict)
    variable: str = "TOKEN"
    variable_kind: str = "token"
    variable_field: str = "token_env"

    def entry(self, variable: str) -> dict[str, str]:
        """The credentials entry, as it would stand in a file, that reads `variable`."""
        return {"kind": self.variable_kind, self.variable_field: variable}
