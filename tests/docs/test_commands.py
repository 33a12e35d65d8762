"""Commands and options that the documentation names are those that there are."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import click

from collector.cli import main

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
STARTED = re.compile(
    r"(?:^|[|;&(]) *(?:[A-Z_]+=\S+ )*collector ((?:[^|;>&()\n']|'[^']*')*)", re.MULTILINE
)
INLINE = re.compile(r"`(--[a-z][a-z-]*)")
ANY_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
SECTION = re.compile(r"<!-- begin: .*?<!-- end: [^>]+ -->", re.DOTALL)


def options_of(command: click.Command) -> set[str]:
    return {
        *("--help", "-h"),
        *(name for option in command.params for name in (*option.opts, *option.secondary_opts)),
    }


def every_option() -> set[str]:
    def walk(command: click.Command) -> set[str]:
        found = options_of(command)
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner is not None
                found |= walk(inner)
        return found

    return walk(main)


def invocations(text: str) -> list[list[str]]:
    """The words after each `collector` that a shell block starts."""
    joined = (block.replace("\\\n", " ") for block in BLOCK.findall(text))
    return [
        shlex.split(words, comments=True) for block in joined for words in STARTED.findall(block)
    ]


def check(words: list[str]) -> None:
    command: click.Command = main
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, f"there is no command {words[0]}"
        command, words = found, words[1:]
    for word in words:
        if word.startswith("-") and word != "-":
            name = word.partition("=")[0]
            assert name in options_of(command), f"{command.name} has no option {name}"


def test_each_command_shown_exists_with_its_options(page: Path) -> None:
    for words in invocations(page.read_text(encoding="utf-8")):
        check(words)


def test_each_option_named_in_the_text_exists(page: Path) -> None:
    text = SECTION.sub("", ANY_FENCE.sub("", page.read_text(encoding="utf-8")))
    for name in INLINE.findall(text):
        assert name in every_option(), f"no command has the option {name}"


def test_every_command_has_its_section_in_the_reference(root: Path) -> None:
    text = (root / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    for name in main.list_commands(click.Context(main)):
        assert f"<!-- begin: help {name} -->" in text


def test_the_examples_of_the_documentation_are_looked_at(pages: list[Path]) -> None:
    shown = [words for page in pages for words in invocations(page.read_text(encoding="utf-8"))]
    assert len(shown) > 30
    assert {"collect", "plan", "verify", "status", "runs", "inventory", "emulator"} <= {
        words[0] for words in shown
    }
