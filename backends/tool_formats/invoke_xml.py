"""`<invoke name="f"><parameter name="key">value</parameter></invoke>`: MiniMax M2; with marks of their own
DeepSeek V3.2 and V4, which say of each value whether it is a text, and MiniMax M3."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from artis_sdk.backends.tool_formats.protocol import Block, Tools
from artis_sdk.backends.tool_formats.tags import TagDialect, tagged_call
from artis_sdk.backends.tool_formats.typed_text import Uncertain, types_of, value_of
from artis_sdk.records import ToolCall

_MARK = r"(?:｜DSML｜ ?|antml:)?"
_SECTION = rf"(?:minimax:tool_call|{_MARK}(?:function_calls|tool_calls|calls))"
_ONLY_HERE = (
    r"<minimax:tool_call>|<｜DSML｜ ?(?:function_calls|tool_calls|calls)>"  # sections of no other format
)
_NAME = re.compile(r'\s*(?:"([^"\n]+)"|\'([^\'\n]+)\'|([^\s"\'>/]+))\s*(/?)>')
_TYPES = re.compile(r'string="(true|false)"')


def _value(value: str, parameter: re.Match[str], tool: str, tools: Tools) -> Any:
    said = _TYPES.search(parameter[2])
    if said is None:
        return value_of(value, types_of(parameter[1], tool, tools))
    if said[1] == "true":
        return value
    made = value_of(value, frozenset({"number", "integer", "boolean", "null", "array", "object"}))
    if isinstance(made, str):
        raise Uncertain("it says that it is no string, and is no JSON")
    return made


_DIALECT = TagDialect(
    parameter=re.compile(rf'\s*<{_MARK}parameter name="([^"\n]+)"([^>\n]*)>'),
    parameter_close=re.compile(rf"</{_MARK}parameter>"),
    forgotten_close=re.compile(rf'^[ \t]*+(?:<{_MARK}parameter name="|</{_MARK}invoke>)', re.MULTILINE),
    close=re.compile(rf"</{_MARK}invoke>(?:\s*</{_SECTION}>)?"),
    opens=re.compile(rf"<{_MARK}invoke name="),
    stray=re.compile(rf"</{_MARK}(?:parameter|invoke)>"),
    value=_value,
)


@dataclass(frozen=True, eq=False)
class InvokeXml:
    """Calls in tags with the names of tools as attributes."""

    begins: re.Pattern[str]
    dialect: TagDialect
    closed_at_once: re.Pattern[str] | None = None
    """What stands behind a tag that closes itself, of a call without arguments; None where there is no such
    tag."""

    def block(self, text: str, start: int, end: int, tools: Tools) -> Block:
        name = _NAME.match(text, end)
        if name is None or (name[4] and self.closed_at_once is None):
            return self.dialect.unreadable(text, start, end, "", "a call names its function in the tag")
        tool = name[1] or name[2] or name[3]
        if name[4] and self.closed_at_once is not None:
            stop = self.closed_at_once.match(text, name.end()).end()  # type: ignore[union-attr]
            return Block(start, stop, (ToolCall(tool=tool, raw=text[start:stop]),))
        return tagged_call(text, start, name.end(), tool, self.dialect, tools)


INVOKE_XML: Final = InvokeXml(
    re.compile(rf"(?:<{_SECTION}>\s*)?<{_MARK}invoke name=|{_ONLY_HERE}"),
    _DIALECT,
    closed_at_once=re.compile(rf"(?:\s*</{_SECTION}>)?"),
)

_SPACE = re.escape("]<]minimax[>[")
_M3 = TagDialect(
    parameter=re.compile(rf"\s*{_SPACE}<([^<>/\s]+)>"),
    parameter_close=re.compile(rf"{_SPACE}</[^<>/\s]+>"),
    forgotten_close=re.compile(_SPACE),  # or a nested value, which no schema here gives types to
    close=re.compile(rf"{_SPACE}</invoke>(?:\s*{_SPACE}</tool_call>)?"),
    opens=re.compile(rf"{_SPACE}<invoke name="),
    stray=re.compile(rf"{_SPACE}</"),
)
MINIMAX_M3: Final = InvokeXml(re.compile(rf"(?:{_SPACE}<tool_call>\s*)?{_SPACE}<invoke name="), _M3)
