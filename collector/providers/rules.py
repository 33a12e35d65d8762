"""What an inventory may say about the projects of one provider: regions, and ways to sign in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from collector.durations import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def text_of(words: Sequence[str]) -> str:
    """Return a list of words as an entry's options hold it."""
    return json.dumps(list(words), ensure_ascii=False)


def words_of(text: str) -> list[str]:
    """Return the list of words that an entry's option holds.

    Raises:
        ValueError: it holds none, or an empty one.
    """
    try:
        words = json.loads(text)
    except RecursionError:
        words = None
    if not isinstance(words, list) or not words or not all(isinstance(one, str) for one in words):
        raise ValueError("not a list of words")
    if not words[0].strip():
        raise ValueError("the first word is empty")
    return words


def seconds_of(text: str) -> float:
    """Return the duration that an entry's option holds.

    Raises:
        ValueError: it holds none above 0.
    """
    seconds = parse_duration(text)
    if not seconds:
        raise ValueError("must be greater than 0")
    return seconds


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
        texts: those of `variables` and `files` whose secret stands in no header: any line of text.
        lists: the fields that hold a list of words. An entry's options, which are text, have it as
            `text_of` writes it and `words_of` reads it.
        seconds: the fields that hold a duration above 0, such as `30s`: `seconds_of` reads it.
        programs: those of `lists` that name a program, and its arguments, that is run.
        derived: for a field that may be left out, what makes it from a project's endpoint: None
            where it cannot be told, so that the field must be there.
        look: looks at what else an entry refers to, and raises a `CollectorError` where it is
            unusable. It is given the entry's options, and the environment.
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
    texts: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    seconds: frozenset[str] = frozenset()
    programs: frozenset[str] = frozenset()
    derived: Mapping[str, Callable[[str], str | None]] = field(default_factory=dict)
    look: Callable[[Mapping[str, str], Mapping[str, str]], None] | None = None
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
