"""`<|open|>call tool="f" index="1"<|sep|>...<|close|>call<|sep|>`: Kimi K3."""

from __future__ import annotations

import html
import re
from typing import Any, Final

from artis_sdk.backends.tool_formats.protocol import Block, Tools
from artis_sdk.backends.tool_formats.tags import TagDialect, tagged_call
from artis_sdk.backends.tool_formats.typed_text import Uncertain, value_of


def _open(tag: str) -> str:
    return rf"<\|open\|>{tag}<\|sep\|>"


def _close(tag: str) -> str:
    return rf"<\|close\|>{tag}<\|sep\|>"


def _value(value: str, parameter: re.Match[str], tool: str, tools: Tools) -> Any:
    if parameter[2] == "string":
        return value
    made = value_of(value, frozenset({"number", "integer", "boolean", "null", "array", "object"}))
    if isinstance(made, str):
        raise Uncertain(f"it says that it is {parameter[2]}, and is no JSON")
    return made


_DIALECT = TagDialect(
    parameter=re.compile(r"\s*" + _open(r'argument key="([^"]*)" type="(\w+)"')),
    parameter_close=re.compile(_close("argument")),
    forgotten_close=re.compile(rf"<\|open\|>argument key=|{_close('call')}"),
    close=re.compile(_close("call")),
    opens=re.compile(r"<\|open\|>call "),
    stray=re.compile(_close("(?:argument|call)")),
    name=lambda parameter: html.unescape(parameter[1]),
    value=_value,
)
_CALL = re.compile(r'(?:<\|open\|>tools<\|sep\|>\s*)?<\|open\|>call tool="([^"]+)"[^<]*<\|sep\|>')
_CALL_BEGINS = r"(?:<\|open\|>tools<\|sep\|>\s*)?<\|open\|>call "


class KimiXtml:
    """Calls in tags of control tokens; each argument names its type."""

    begins = re.compile(
        rf"{_CALL_BEGINS}|{_open('tools')}|{_open('response')}|{_close('(?:response|tools|message)')}"
    )

    def block(self, text: str, start: int, end: int, tools: Tools) -> Block:
        if not text.startswith("<|open|>call ", start) and not text.startswith("<|open|>tools", start):
            return Block(start, end, ())  # a tag of the answer's structure
        call = _CALL.match(text, start)
        if call is None:
            return _DIALECT.unreadable(text, start, end, "", "a call names its function in the tag")
        return tagged_call(text, start, call.end(), html.unescape(call[1]), _DIALECT, tools)


KIMI_XTML: Final = KimiXtml()
