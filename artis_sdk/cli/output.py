"""Output of commands: for a person through the screen, for a program as one JSON document."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any, TextIO

import typer

from artis_sdk.errors import ArtisError, UnknownOutcome
from artis_sdk.view.screen import Screen
from artis_sdk.view.text import json_text, plain

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
"""The option of commands whose result `print_json` can print."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

console = Screen()
errors = Screen(stderr=True)


_document: TextIO | None = None
"""Standard output of the process, where it is kept for the document."""


def wants_json() -> bool:
    """Whether the command line asks for one JSON document."""
    return "--json" in sys.argv


def keep_for_document() -> None:
    """Keep standard output for the document: what anything else in this process prints there, C code and
    child processes included, goes to standard error."""
    global _document
    out = sys.stdout
    out.flush()
    _document = os.fdopen(os.dup(out.fileno()), "w", encoding=out.encoding, errors=out.errors)
    os.dup2(sys.stderr.fileno(), out.fileno())


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    out = _document or sys.stdout
    try:
        out.write(f"{json_text(value)}\n")
        out.flush()
    except BrokenPipeError:  # nobody reads it; as the screen does
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        raise SystemExit(1) from None


def print_error(error: ArtisError) -> None:
    """An error that the program names, as a text or, with --json, as the document."""
    if wants_json():
        more = {"next": "artis recover"} if isinstance(error, UnknownOutcome) else {}
        print_json({"error": type(error).__name__, "message": str(error), **more})
    else:
        errors.print(plain(("error: ", "red"), str(error).replace("\n", "\n       "), lines=True))


def next_step(text: str, *commands: str) -> None:
    """The one obvious next command, last and on standard error, so that piped output stays clean.

    Args:
        text: the command, in one line however long it is, or what to do.
        commands: commands to choose from, each in a line that can be copied, whatever the screen's width.
    """
    errors.print(plain(("next: ", "dim"), text), soft_wrap=True)
    for command in commands:
        errors.print(plain(f"  {command}"), soft_wrap=True)


def note(label: str, text: str, style: str = "yellow") -> None:
    """A remark on standard error, its label in colour."""
    errors.print(plain((f"{label} ", style), text))
