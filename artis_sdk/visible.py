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
# Cyrillic, Greek and a few other letters that look like an ASCII one in most fonts, and full-width ones.
_LOOKS_LATIN = (
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458\u04bb\u04cf\u0501\u051b\u051d"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0405\u0406\u0408"
    "\u03bd\u03bf\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"
    "\u0261\uff21-\uff3a\uff41-\uff5a"
)
_WORD = re.compile(r"[^\W\d_]+")
_LETTER = re.compile(f"[{_LOOKS_LATIN}]")
_NOT_ASCII = re.compile(r"[^ -~]+")
_GAP = re.compile(r"(?<=\S) {17,}")  # longer than any table's; an indentation shows itself
_MOST_MARKS = 3  # combining marks on one character; more write over the lines beside it
_LONG = 160  # characters of a text within a line of others


def visible(text: str, *, lines: bool = False) -> str:
    r"""The text with an escape for each character that has no ink or acts on the screen: `\x1b`, `\u202e`.

    Escaped are what Python's `repr` escapes (control characters, bidirectional marks, zero-width and line
    separators, unusual spaces, surrogates), characters that are drawn as nothing, heaped combining marks, and
    as `\x20{40}` long rows of spaces; and in a word of ASCII letters the letters of other scripts that look
    like one, as in `b\u043eb` for what is not bob. A text that is shown is shown whole.

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
    if text.isascii() and text.isprintable():
        return text
    told = _WORD.sub(lambda word: _unposed(word[0], as_json), text)
    return _NOT_ASCII.sub(lambda found: _inked(found[0], kept, as_json), told)


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
        else:
            shown.append(_escape(char, as_json))
    return "".join(shown)


def _unposed(word: str, as_json: bool) -> str:
    """The word, with escapes for letters that pose as ASCII ones. A word that also has letters that look like
    none is a word of another script."""
    plain = _LETTER.sub("", word)
    if plain == word or not plain or not plain.isascii():
        return word
    return _LETTER.sub(lambda one: _escape(one[0], as_json), word)


def _escape(char: str, as_json: bool) -> str:
    return json.dumps(char)[1:-1] if as_json else char.encode("unicode_escape").decode()


def _counted(spaces: re.Match[str]) -> str:
    return rf"\x20{{{len(spaces[0])}}}"
