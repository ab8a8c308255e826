"""The paper's text format for actions (appendix F): `[f(a=1), g()]`.

A hand-written parser for literals: nothing is evaluated, nesting is bounded, time is linear in the
length of the text. What cannot be read comes back as a malformed call, which no world ever runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final

from pydantic import JsonValue

from artis_sdk.records.calls import ToolCall
from artis_sdk.records.thinking import leading_thought_end

MAX_DEPTH: Final = 64
"""Maximum nesting of calls, lists and dictionaries; JSON libraries stop not far above."""
MAX_CALLS: Final = 256
"""Maximum calls of one turn; more come from a model that repeats itself."""
_MAX_DIGITS: Final = 4000  # Python writes no longer integers

_NAME = re.compile(r"\w[\w.\-/:]*+")  # dots for modules, the rest for names from tool servers
_KEYWORD = re.compile(r"(\w++)\s*+=(?!=)")
_WORD = re.compile(r"[^\W\d]\w*+")
_SPACE = re.compile(r"\s*+")
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F]++|[0-9][0-9_]*+(\.[0-9]*+)?|(\.[0-9]++))([eE][+-]?[0-9]++)?(?!\w)"
)
# Python before 3.11.5 fails in a possessive group that backtracks half-way: none in the long quotes.
_STRING = re.compile(
    r"([rRuU]?)(?:"
    r"'''([^'\\]*+(?:(?:\\.|(?!''')')[^'\\]*+)*)'''|"
    r'"""([^"\\]*+(?:(?:\\.|(?!""")")[^"\\]*+)*)"""|'
    r"'((?:[^'\\]|\\.)*+)'|"
    r'"((?:[^"\\]|\\.)*+)")',
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(\r\n|[0-7]{1,3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_SIMPLE_ESCAPES: Final = {
    "\n": "", "\r\n": "", "\r": "", "\\": "\\", "'": "'", '"': '"',
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
}  # fmt: skip
_CONSTANTS: Final[dict[str, JsonValue]] = {
    "True": True, "False": False, "None": None, "true": True, "false": False, "null": None,
}  # fmt: skip

_FENCE = re.compile(r"```\w*+[ \t]*+\r?\n(.*)```", re.DOTALL)
_LIST_START = re.compile(r"\[\s*+(\w[\w.\-/:]*+)\(")
_LINE_START = re.compile(rf"^[ \t]*+{_LIST_START.pattern}", re.MULTILINE)
_LINE_END = re.compile(r"\)\s*+\][ \t]*+$", re.MULTILINE)


class _Unreadable(Exception):
    """The text is not a list of calls: nothing in it may run, as the meaning of the rest is not known."""


def parse_actions(text: str) -> list[ToolCall] | None:
    """Read a model's answer as calls.

    A single list of calls, alone in the text or in one code fence, is read; text around it is not
    guessed at. A call that is readable but not a literal keyword call (a positional or repeated
    argument, a nested call, a bare name) is malformed alone. If the text breaks off or does not
    parse, all of it is one malformed call, so that half a plan is never carried out.

    Args:
        text: the whole answer.

    Returns:
        The calls in order, malformed ones with `malformed` set; an empty list for `[]`; None for a
        natural-language answer.
    """
    body = _unwrap(text)
    if start := _LIST_START.match(body):
        return _read(body, start[1])
    if body.startswith("[") and body[1:].strip() == "]":
        return []
    if name := _bare_call(body):
        return [_unusable(body, name, "calls must stand in a list, as in [name(parameter=value)]")]
    if (start := _LINE_START.search(body)) and _LINE_END.search(body):
        why = "write either the list of calls and nothing else, or an answer without a list of calls"
        return [_unusable(body, start[1], why)]
    return None


def parse_call_lines(text: str) -> list[ToolCall]:
    """Read calls that stand one behind the other, with blanks or line breaks between them.

    Returns:
        The calls in order; one malformed call if the text breaks off or holds anything else.
    """
    try:
        return _Reader(text).calls_in_turn()
    except _Unreadable as error:
        name = _NAME.match(text)
        return [_unusable(text, name[0] if name else "", str(error))]


def parse_literal(text: str) -> JsonValue:
    """Read one Python or JSON literal, as models write them.

    Raises:
        ValueError: the text is not a literal; the message says where and why.
    """
    reader = _Reader(text)
    try:
        value = reader.value(1)
        if reader.peek():
            raise reader.unreadable("text after the value")
    except _Unreadable as error:
        raise ValueError(str(error)) from None
    if reader.problem is not None:
        raise ValueError(reader.problem)
    return value


def format_actions(calls: Iterable[ToolCall]) -> str:
    """Write calls in the text format; `parse_actions` reads the same tools and arguments back.

    A malformed call is written as the model wrote it.
    """
    return "[" + ", ".join([_format_call(call) for call in calls]) + "]"


def _format_call(call: ToolCall) -> str:
    if call.malformed is not None:
        return call.raw or f"{call.tool}()"
    named = {name: value for name, value in call.arguments.items() if re.fullmatch(r"\w+", name)}
    parts = [f"{name}={_format_value(value)}" for name, value in named.items()]
    if len(named) < len(call.arguments):
        rest = {name: value for name, value in call.arguments.items() if name not in named}
        parts.append(f"**{_format_value(rest)}")
    return f"{call.tool}({', '.join(parts)})"


def _format_value(value: JsonValue) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[" + ", ".join([_format_value(item) for item in value]) + "]"
    if isinstance(value, dict):
        items = [f"{_format_value(key)}: {_format_value(item)}" for key, item in value.items()]
        return "{" + ", ".join(items) + "}"
    return repr(value)


def _unwrap(text: str) -> str:
    """Take off surrounding space, a leading think block, and one code fence around everything."""
    body = text[leading_thought_end(text) :].strip() or text.strip()
    if fenced := _FENCE.fullmatch(body):
        return fenced[1].strip()
    return body


def _read(body: str, name: str) -> list[ToolCall]:
    try:
        return _Reader(body).call_list()
    except _Unreadable as error:
        return [_unusable(body, name, str(error))]


def _bare_call(body: str) -> str | None:
    """The name of the first call, if the text is only well-formed calls without a list."""
    name = _NAME.match(body)
    if not (name and body.startswith("(", name.end()) and body.endswith(")")):
        return None
    try:
        calls = _Reader(f"[{body}]").call_list()
    except _Unreadable:
        return None
    return name[0] if all(call.malformed is None for call in calls) else None


def _unusable(body: str, name: str, why: str) -> ToolCall:
    return ToolCall(tool=name, malformed=why, raw=_utf8(body))


def _utf8(text: str) -> str:
    """The text without lone surrogates, which no encoder takes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


class _Reader:
    """Recursive descent over one text; depth is bounded by `MAX_DEPTH`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0  # characters
        self.problem: str | None = None
        """The first error in the current call that leaves the rest readable."""

    def call_list(self) -> list[ToolCall]:
        self._expect("[")
        calls: list[ToolCall] = []
        while not self._accept("]"):
            if len(calls) == MAX_CALLS:
                raise self.unreadable(f"more than {MAX_CALLS} calls")
            calls.append(self._top_call())
            if not self._accept(","):
                self._expect("]")
                break
        if self.peek():
            raise self.unreadable("text after the list of calls")
        return calls

    def calls_in_turn(self) -> list[ToolCall]:
        calls: list[ToolCall] = []
        while self.peek():
            if len(calls) == MAX_CALLS:
                raise self.unreadable(f"more than {MAX_CALLS} calls")
            calls.append(self._top_call())
            self._accept(",")
        return calls

    def _top_call(self) -> ToolCall:
        self.peek()
        start = self.at
        name = self._match(_NAME)
        if name is None:
            raise self.unreadable("expected the name of a function")
        self.problem = None
        arguments = self._arguments(name[0], 1)
        raw = _utf8(self.text[start : self.at])
        if self.problem is not None:
            return ToolCall(tool=name[0], malformed=self.problem, raw=raw)
        return ToolCall(tool=name[0], arguments=arguments, raw=raw)

    def _arguments(self, function: str, depth: int) -> dict[str, JsonValue]:
        arguments: dict[str, JsonValue] = {}
        position = 0
        self._expect("(")
        while not self._accept(")"):
            position += 1
            for name, value in self._argument(function, position, depth):
                if name in arguments:
                    self._record(f"argument {name!r} is given twice")
                arguments[name] = value
            if not self._accept(","):
                self._expect(")")
                break
        return arguments

    def _argument(self, function: str, position: int, depth: int) -> list[tuple[str, JsonValue]]:
        self.peek()
        if keyword := self._match(_KEYWORD):
            return [(keyword[1], self.value(depth))]
        if self.text.startswith("**", self.at):
            self.at += 2
            more = self.value(depth)
            if isinstance(more, dict):
                return list(more.items())
            self._record("** needs a dictionary")
            return []
        self.value(depth)
        self._record(f"argument {position} has no name; write {function}(parameter=value)")
        return []

    def value(self, depth: int) -> JsonValue:
        if depth > MAX_DEPTH:
            raise self.unreadable(f"nested deeper than {MAX_DEPTH} levels")
        head = self.peek()
        if head == "[":
            return self._items("[", "]", depth)[0]
        if head == "(":
            items, comma = self._items("(", ")", depth)
            return items[0] if len(items) == 1 and not comma else items
        if head == "{":
            return self._dictionary(depth)
        if number := self._match(_NUMBER):
            return self._number(number)
        if string := self._match(_STRING):
            return self._string(string)
        if word := self._match(_WORD):
            return self._word(word[0], depth)
        raise self.unreadable("expected a value" if head else "the text breaks off")

    def _items(self, opening: str, closing: str, depth: int) -> tuple[list[JsonValue], bool]:
        """The items of a list or tuple, and whether a comma follows the last one."""
        self._expect(opening)
        items: list[JsonValue] = []
        while not self._accept(closing):
            items.append(self.value(depth + 1))
            if not self._accept(","):
                self._expect(closing)
                return items, False
        return items, True

    def _dictionary(self, depth: int) -> JsonValue:
        self._expect("{")
        items: dict[str, JsonValue] = {}
        while not self._accept("}"):
            key = self.value(depth + 1)
            self._expect(":")
            value = self.value(depth + 1)
            if isinstance(key, str):
                if key in items:
                    self._record(f"the key {key!r:.40} is given twice")
                items[key] = value
            else:
                self._record(f"dictionary key {key!r:.40} is not a string")
            if not self._accept(","):
                self._expect("}")
                break
        return items

    def _string(self, match: re.Match[str]) -> str:
        content: str = match[match.lastindex or 2] or ""
        if "\\" in content and match[1] not in ("r", "R"):
            content = _ESCAPE.sub(self._escape, content)
        if not content.isascii():
            try:  # joins surrogate pairs, as JSON writes them; a lone one has no meaning
                content = content.encode("utf-16", "surrogatepass").decode("utf-16")
            except UnicodeDecodeError:
                self._record("a string holds half of a surrogate pair")
        return content

    def _escape(self, match: re.Match[str]) -> str:
        code = match[1]
        if code in _SIMPLE_ESCAPES:
            return _SIMPLE_ESCAPES[code]
        if code[0] in "01234567":
            return chr(int(code, 8))
        if code in ("x", "u", "U", "N") or (code[0] == "U" and int(code[1:], 16) > 0x10FFFF):
            self._record(f"\\{code} is not a character escape")
            return ""
        return chr(int(code[1:], 16)) if code[0] in "xuU" else match[0]

    def _number(self, match: re.Match[str]) -> JsonValue:
        text = match[0]
        digits = text.lstrip("+-")
        if len(digits) > _MAX_DIGITS:
            self._record(f"a number has more than {_MAX_DIGITS} digits")
            return None
        try:
            if digits[:2] in ("0x", "0X"):
                return int(text, 16)
            if match[1] is not None or match[2] is not None or match[3] is not None:
                number = float(text)
                if number in (float("inf"), float("-inf")):
                    self._record(f"{text:.40} is too large a number")
                return number
            if digits[0] == "0" and digits.strip("0_"):
                self._record(f"{text:.40} begins with a zero; quote it if it is an identifier")
            return int(text)
        except ValueError:
            self._record(f"{text:.40} is not a number that can be used")
            return None

    def _word(self, word: str, depth: int) -> JsonValue:
        if self.peek() == "(":
            self._record(f"{word}(...) is a call inside a call; call it first and use its result")
            self._arguments(word, depth + 1)
            return None
        if word not in _CONSTANTS:
            self._record(f"{word:.40} is not a value; put quotes around text")
            return None
        return _CONSTANTS[word]

    def _record(self, problem: str) -> None:
        self.problem = self.problem or problem

    def peek(self) -> str:
        """Skip space; the character that follows, or nothing at the end."""
        self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
        return self.text[self.at : self.at + 1]

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        if match := pattern.match(self.text, self.at):
            self.at = match.end()
        return match

    def _accept(self, character: str) -> bool:
        if self.text.startswith(character, self.at) or self.peek() == character:
            self.at += 1
            return True
        return False

    def _expect(self, character: str) -> None:
        if not self._accept(character):
            raise self.unreadable(f"expected {character!r}")

    def unreadable(self, what: str) -> _Unreadable:
        found = self.text[self.at : self.at + 20]
        where = f"at character {self.at}, before {found!r}" if found else "at the end of the text"
        return _Unreadable(f"{what} {where}")
