"""The standard streams of a command: messages on stderr, the result on stdout."""

from __future__ import annotations

import os
import re
import sys
import traceback
from typing import TYPE_CHECKING, Final

import click

from collector.observe.streams import Stream
from collector.printable import one_line
from collector.redaction import hide

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from collector.redaction import Secrets

PATIENCE_S: Final = 1.0
"""How long a run waits for the reader of stderr: a halted terminal, a full pipe."""
_CHOICES: Final = re.compile(r"\n\t(?=\w+)")
"""How click separates the choices of a missing argument."""
_HELP: Final = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""Raised by click, from version 8.2 on, if help is the whole answer."""


def open_streams(secrets: Secrets, *, as_json: bool) -> None:
    """Make the standard streams accept any text and survive their readers.

    Closed ones are opened on /dev/null. Otherwise the next file opened, perhaps a journal, would
    get the number of one of them.

    Args:
        secrets: redacted on stderr: in messages, logs and tracebacks.
        as_json: whether lines on stderr are JSON, as far as is known before options are parsed.
    """
    for name, flags in (("stdin", os.O_RDONLY), ("stdout", os.O_WRONLY), ("stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:  # closed; the lowest free number is its own
            nowhere = os.open(os.devnull, flags)
            if name == "stdin":
                sys.stdin = open(nowhere)  # noqa: SIM115, PTH123  # open for good; a descriptor has no path
    stderr = Stream(sys.stderr, secrets, patience_s=PATIENCE_S)
    stderr.as_json = as_json
    sys.stdout, sys.stderr = Stream(sys.stdout), stderr  # they behave as text streams


def say(line: str, level: str = "info", *, has_secrets: bool = True) -> None:
    """Write one line to stderr; with `--quiet` only errors.

    Args:
        line: the text.
        level: `error`, `warning` or `info`, as in the logs.
        has_secrets: whether to redact what looks like a secret.
    """
    stderr = sys.stderr
    if not isinstance(stderr, Stream):
        print(one_line(line), file=stderr, flush=True)  # `open_streams` was not called
    elif level == "error" or not stderr.quiet:
        stderr.write_line(line, level, has_secrets=has_secrets)


def refuse(error: click.ClickException) -> None:
    """Report a wrong command line, with its usage."""
    stderr = sys.stderr
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None or isinstance(error, _HELP) or not isinstance(stderr, Stream):
        error.show()
        return
    message = one_line(_CHOICES.sub(" ", error.format_message()))
    if stderr.as_json:
        stderr.write_line(message, "error", {"usage": context.get_usage()})
        return
    stderr.write(f"{context.get_usage()}\n")
    stderr.write(f"Try '{context.command_path} {context.help_option_names[0]}' for help.\n\n")
    stderr.write_line(f"Error: {message}", "error")


def wants_json(arguments: Sequence[str]) -> bool:
    """Return whether `--log-format json` is among arguments that are not parsed yet."""
    return any(
        argument == "--log-format=json" or (argument, value) == ("--log-format", "json")
        for argument, value in zip(arguments, (*arguments[1:], ""), strict=True)
    )


def show(lines: Iterable[str]) -> None:
    """Print a result; each item stays on its line, whatever names contain."""
    print("".join(f"{one_line(line)}\n" for line in lines), end="", flush=True)  # noqa: T201  # the result


def show_json(document: str) -> None:
    """Print a result that is JSON."""
    print(f"{document}\n", end="", flush=True)  # noqa: T201  # the result


def show_text(document: str) -> None:
    """Print a result of lines that are safe to print."""
    print(document, end="", flush=True)  # noqa: T201  # the result


def printed_as() -> str:
    """Return the encoding of what is printed."""
    stdout = sys.stdout
    return stdout.file_encoding if isinstance(stdout, Stream) else stdout.encoding


def report_lost() -> bool:
    """Report once why the result could not be written; return whether that was so."""
    stdout = sys.stdout
    if not isinstance(stdout, Stream) or stdout.lost is None:
        return False
    say(f"collector: cannot write the result to stdout: {stdout.lost.strerror}", "error")
    stdout.lost = None
    return True


def report_bug() -> bool:
    """Report the exception being handled as a JSON object, if lines are JSON."""
    stderr = sys.stderr
    if not isinstance(stderr, Stream) or not stderr.as_json:
        return False
    trace = hide(traceback.format_exc())
    stderr.write_line("this is a bug: please report it", "error", {"exception": trace})
    return True
