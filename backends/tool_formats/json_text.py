"""JSON at a place in a text: what it says, where it ends, and what is wrong with it."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NamedTuple

MAX_DEPTH: Final = 64
"""Maximum nesting of objects and lists; JSON libraries stop not far above."""

_BLANK = re.compile(r"\s*+")


class Json(NamedTuple):
    """A value in a text."""

    value: Any
    end: int
    """Place behind the value, in characters."""
    problem: str | None
    """Reason why the value is not certain: a repeated key, an infinite number."""


def json_at(text: str, at: int) -> Json | str:
    """Read the JSON value that begins at a place, or behind blanks there.

    Returns:
        The value; or the reason why no value begins there, or none ends.
    """
    at = skip_blanks(text, at)
    problems: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            problems.append(f"the key {twice!r:.60} is given twice")
        return made

    def finite(digits: str) -> float:
        number = float(digits)
        if math.isinf(number):
            problems.append(f"{digits:.40} is too large a number")
        return number

    def constant(word: str) -> None:
        problems.append(f"{word} is not JSON")

    # Not strict: a line break inside a string is written as it is by many models, and says what it says.
    decoder = json.JSONDecoder(
        object_pairs_hook=once, parse_float=finite, parse_constant=constant, strict=False
    )
    try:
        value, end = decoder.raw_decode(text, at)
    except RecursionError:
        return f"nested deeper than {MAX_DEPTH} levels"
    except ValueError as error:  # includes integers of more digits than Python reads
        return str(error)
    if not problems and (problem := _unusable(value, text, at, end)):
        problems.append(problem)
    return Json(value, end, problems[0] if problems else None)


def whole_json(text: str) -> Json | str:
    """Read a text that is one JSON value, with blanks around it."""
    read = json_at(text, 0)
    if not isinstance(read, str) and skip_blanks(text, read.end) < len(text):
        return f"text after the value at character {read.end}"
    return read


def skip_blanks(text: str, at: int) -> int:
    """The place of the next character that is no blank."""
    return _BLANK.match(text, at).end()  # type: ignore[union-attr]


def _unusable(value: Any, text: str, at: int, end: int) -> str | None:
    if _deeper(value, MAX_DEPTH):
        return f"nested deeper than {MAX_DEPTH} levels"
    if "\\u" in text[at:end] or not text[at:end].isascii():
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return "a string holds half of a surrogate pair"
    return None


def _deeper(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(_deeper(item, levels - 1) for item in value if isinstance(item, dict | list))
