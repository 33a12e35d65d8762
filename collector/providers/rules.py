"""What an inventory may say about the projects of one provider: regions, and ways to sign in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class CredentialKind:
    """One `kind` of credentials: its fields, and which of them lead to a secret.

    Attributes:
        required: fields that must be there.
        one_of: groups of fields of which exactly one must be there.
        optional: fields that may be there.
        variables: the fields that hold the name of an environment variable with a secret in it.
        files: the fields that hold the path of a file with a secret in it.
        urls: the fields that hold an http(s) URL.
        account_field: the field whose value names the account where no `account` does.
        per_project: whether each project has a secret of its own, as a token that is scoped to it.
        implemented: whether this version can use the kind. One that it cannot is checked like
            any other, and refused where a project uses it.
        refusal: what to do instead, for a kind that is not implemented.
        readable: whether this version knows the fields. A kind that it does not is refused
            wherever it stands, and nothing else is said about the entry.
        usual: fields as they are written where nothing else is asked for, such as the usual names
            of variables.
    """

    required: tuple[str, ...] = ()
    one_of: tuple[tuple[str, ...], ...] = ()
    optional: tuple[str, ...] = ()
    variables: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    urls: frozenset[str] = frozenset()
    account_field: str | None = None
    per_project: bool = False
    implemented: bool = True
    refusal: str = ""
    readable: bool = True
    usual: Mapping[str, str] = field(default_factory=dict)

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field the kind knows, besides `kind` and `account`."""
        return (*self.required, *(name for group in self.one_of for name in group), *self.optional)


@dataclass(frozen=True, slots=True)
class InventoryRules:
    """What an inventory may say about the projects of one provider.

    Attributes:
        kinds: kinds of credentials, by the word that names them.
        variable: the environment variable used where an inventory names no credentials.
        variable_kind: the kind of credentials that `variable` makes; a CSV's `credentials`
            column makes the same kind from the variables it names.
        variable_field: the field of that kind that holds the variable's name.
        regions: region to endpoint URL. Without any, each project names its endpoint.
        lists: whether its fleets list servers, so that a project may say `discover`.
    """

    kinds: Mapping[str, CredentialKind]
    variable: str
    variable_kind: str
    variable_field: str
    regions: Mapping[str, str] = field(default_factory=dict)
    lists: bool = False

    def entry(self, variable: str) -> dict[str, str]:
        """Return the credentials entry, as it would stand in a file, that reads `variable`."""
        return {"kind": self.variable_kind, self.variable_field: variable}

    @property
    def suggestion(self) -> str:
        """What to write where an entry cannot be used, in words."""
        return f"use kind: {self.variable_kind} with {self.variable_field}: {self.variable}"
