"""Output of commands: for a person through rich, for a program as one JSON document."""

from __future__ import annotations

import json
import sys
from typing import Any

from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.markup import escape

console = Console()
errors = Console(stderr=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(to_jsonable_python(value), indent=2, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def next_step(text: str) -> None:
    """The one obvious next command, last and on standard error, so that piped output stays clean."""
    errors.print(f"[dim]next:[/dim] {escape(text)}", highlight=False)
