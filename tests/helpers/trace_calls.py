"""Calls that a trace is made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class Made(NamedTuple):
    """A call that a file shows."""

    tool: str
    arguments: dict[str, Any]
    value: Any = None
    """Returned value; of a failed call the error's text."""
    failed: bool = False
    answered: bool = True
    """Whether the file has a result."""


class Variant(NamedTuple):
    """One way to write a file of a format."""

    format: str
    name: str
    write: Callable[[list[Made]], list[Any]]
    """The values of the file, a line each."""
    marks: bool = True
    """Whether the shape has a mark for failures; where it has none, a failure is `{"error": text}`."""
    result_only: bool = False
    """Whether a call without result cannot be written in this shape."""


START = 1_760_000_000.0  # seconds since the epoch


def text(value: Any) -> str:
    """A result as a model sees it."""
    return value if isinstance(value, str) else json.dumps(value)


def unmarked(made: Made) -> Any:
    return {"error": made.value} if made.failed else made.value


def numbered(calls: list[Made]) -> Iterator[tuple[str, Made]]:
    return ((f"call_{n}", made) for n, made in enumerate(calls))


def iso(at: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
