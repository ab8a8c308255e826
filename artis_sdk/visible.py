"""Data as a text that people can see all of."""

from __future__ import annotations

import json
import re
import unicodedata

# Letters, marks and a symbol that have no ink, in no category of their own: joiners, fillers, variation
# selectors, the blank Braille pattern.
_NO_INK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_NOT_ASCII = re.compile(r"[^ -~]+")
_GAP = re.compile(r"(?<=\S) {17,}")  # longer than any table's; an indentation shows itself
_MOST_MARKS = 3  # combining marks on one character; more write over the lines beside it
_LONG = 160  # characters of a text within a line of others


def visible(text: str, *, lines: bool = False) -> str:
    r"""The text with an escape for each character that has no ink or acts on the screen: `\x1b`, `\u202e`.

    Escaped are what Python's `repr` escapes (control characters, bidirectional marks, zero-width and line
    separators, unusual spaces, surrogates), characters that are drawn as nothing, heaped combining marks, and
    as `\x20{40}` long rows of spaces. A text that is shown is shown whole.

    Args:
        text: any text.
        lines: whether line breaks and tabs stay as they are.
    """
    if lines:
        text = text.replace("\r\n", "\n")
    return _GAP.sub(_counted, escaped(text, "\n\t" if lines else ""))


def escaped(text: str, kept: str = "", *, as_json: bool = False) -> str:
    """`visible` without its counting of spaces, which a layout has many of.

    Args:
        text: any text.
        kept: control characters that stay as they are.
        as_json: whether the text is JSON, and its escapes JSON's.
    """
    return _NOT_ASCII.sub(lambda found: _inked(found[0], kept, as_json), text)


def shortened(text: str, most: int = _LONG) -> str:
    """The text, cut to `most` characters; a longer one ends with `…`."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _inked(text: str, kept: str, as_json: bool) -> str:
    shown: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        if char in kept or (char.isprintable() and marks <= _MOST_MARKS and not _NO_INK.match(char)):
            shown.append(char)
        elif as_json:
            shown.append(json.dumps(char)[1:-1])
        else:
            shown.append(char.encode("unicode_escape").decode())
    return "".join(shown)


def _counted(spaces: re.Match[str]) -> str:
    return rf"\x20{{{len(spaces[0])}}}"
