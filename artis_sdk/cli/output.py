"""Output of commands: for a person through the screen, for a program as one JSON document."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from artis_sdk.view.screen import Screen
from artis_sdk.view.text import json_text, plain

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
"""The option of commands whose result `print_json` can print."""

console = Screen()
errors = Screen(stderr=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(f"{json_text(value)}\n")
    sys.stdout.flush()


def next_step(text: str, *commands: str) -> None:
    """The one obvious next command, last and on standard error, so that piped output stays clean.

    Args:
        text: the command, or what to do.
        commands: commands to choose from, each in a line that can be copied, whatever the screen's width.
    """
    errors.print(plain(("next: ", "dim"), text))
    for command in commands:
        errors.print(plain(f"  {command}"), soft_wrap=True)


def note(label: str, text: str, style: str = "yellow") -> None:
    """A remark on standard error, its label in colour."""
    errors.print(plain((f"{label} ", style), text))
