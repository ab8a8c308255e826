"""`<|tool_call>call:f{key:<|"|>text<|"|>,n:1}<tool_call|>`: Gemma 4; FunctionGemma with marks of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from artis_sdk.backends.tool_formats.json_calls import malformed
from artis_sdk.backends.tool_formats.json_text import MAX_DEPTH, skip_blanks
from artis_sdk.backends.tool_formats.protocol import Block, Tools
from artis_sdk.records import ToolCall

_NAME = re.compile(r"\s*call:([^\s{}<]+)\s*(?=\{)")
_KEY = re.compile(r"\s*([^\s{}\[\],:<|][^{}\[\],:<|\n]*?)\s*:")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?(?=[\s,}\]])")
_WORD = re.compile(r"(true|false|null)(?=[\s,}\]])")
_WORDS: Final = {"true": True, "false": False, "null": None}
_MAX_DIGITS: Final = 4000  # Python reads no longer integers


class _Unreadable(Exception):
    """The arguments are not in the format; the text says why."""


@dataclass(frozen=True, eq=False)
class Gemma:
    """Calls with bare keys, and strings between marks of their own."""

    begins: re.Pattern[str]
    close: str
    quote: str

    def block(self, text: str, start: int, end: int, tools: Tools) -> Block:
        name = _NAME.match(text, end)
        if name is None:
            return self._unreadable(text, start, end, "", "a call is written as call:name{...}")
        try:
            arguments, at = self._value(text, name.end(), 0)
        except _Unreadable as error:
            return self._unreadable(text, start, end, name[1], str(error))
        at = skip_blanks(text, at)
        if not text.startswith(self.close, at):
            if at < len(text):
                return self._unreadable(text, start, at, name[1], "the call is not closed")
        else:
            at += len(self.close)
        return Block(start, at, (ToolCall(tool=name[1], arguments=arguments, raw=text[start:at]),))

    def _unreadable(self, text: str, start: int, at: int, tool: str, why: str) -> Block:
        stop = text.find(self.close, at)
        stop = len(text) if stop < 0 else stop + len(self.close)
        return Block(start, stop, (malformed(text[start:stop], why, tool),))

    def _value(self, text: str, at: int, depth: int) -> tuple[Any, int]:
        if depth > MAX_DEPTH:
            raise _Unreadable(f"nested deeper than {MAX_DEPTH} levels")
        at = skip_blanks(text, at)
        if text.startswith(self.quote, at):
            return self._string(text, at)
        if text.startswith("{", at):
            return self._object(text, at + 1, depth)
        if text.startswith("[", at):
            return self._list(text, at + 1, depth)
        if word := _WORD.match(text, at):
            return _WORDS[word[1]], word.end()
        if number := _NUMBER.match(text, at):
            return _number(number), number.end()
        raise _Unreadable(f"no value at {text[at : at + 20]!r}" if at < len(text) else "the call breaks off")

    def _string(self, text: str, at: int) -> tuple[str, int]:
        at += len(self.quote)
        stop = text.find(self.quote, at)
        if stop < 0:
            raise _Unreadable("a string is not closed")
        return text[at:stop], stop + len(self.quote)

    def _object(self, text: str, at: int, depth: int) -> tuple[dict[str, Any], int]:
        made: dict[str, Any] = {}
        at = skip_blanks(text, at)
        while not text.startswith("}", at):
            at = skip_blanks(text, at)
            if text.startswith(self.quote, at):
                key, at = self._string(text, at)
                at = self._past(text, at, ":")
            elif found := _KEY.match(text, at):
                key, at = found[1], found.end()
            else:
                raise _Unreadable(f"no key at {text[at : at + 20]!r}")
            if key in made:
                raise _Unreadable(f"the key {key!r:.60} is given twice")
            made[key], at = self._value(text, at, depth + 1)
            at = self._next(text, at, "}")
        return made, at + 1

    def _list(self, text: str, at: int, depth: int) -> tuple[list[Any], int]:
        made: list[Any] = []
        at = skip_blanks(text, at)
        while not text.startswith("]", at):
            value, at = self._value(text, at, depth + 1)
            made.append(value)
            at = self._next(text, at, "]")
        return made, at + 1

    def _next(self, text: str, at: int, closing: str) -> int:
        """The place behind a comma, or of the closing bracket."""
        at = skip_blanks(text, at)
        return at if text.startswith(closing, at) else self._past(text, at, ",")

    def _past(self, text: str, at: int, character: str) -> int:
        at = skip_blanks(text, at)
        if not text.startswith(character, at):
            raise _Unreadable(f"expected {character!r} at {text[at : at + 20]!r}")
        return at + 1


def _number(number: re.Match[str]) -> int | float:
    if number[1] is None and number[2] is None:
        if len(number[0]) > _MAX_DIGITS:
            raise _Unreadable(f"a number has more than {_MAX_DIGITS} digits")
        return int(number[0])
    value = float(number[0])
    if value in (float("inf"), float("-inf")):
        raise _Unreadable(f"{number[0]:.40} is too large a number")
    return value


GEMMA: Final = Gemma(re.compile(r"<\|tool_call>"), "<tool_call|>", '<|"|>')
FUNCTION_GEMMA: Final = Gemma(re.compile("<start_function_call>"), "<end_function_call>", "<escape>")
