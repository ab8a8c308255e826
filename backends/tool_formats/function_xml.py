"""`<function=name><parameter=key>value</parameter></function>`: Qwen3-Coder and later Qwen, Seed-OSS,
Nemotron 3; `<function=name>{...}</function>`: Llama 3.1 with tools in the user's turn."""

from __future__ import annotations

import re
from typing import Final

from artis_sdk.backends.tool_formats.json_calls import named_call
from artis_sdk.backends.tool_formats.protocol import Block, Tools
from artis_sdk.backends.tool_formats.tags import TagDialect, tagged_call
from artis_sdk.records import ToolCall

_WRAPPED = r"<(?:seed:)?tool_call>"
_DIALECT = TagDialect(
    parameter=re.compile(r"\s*<parameter=([^>\n]+)>"),
    parameter_close=re.compile("</parameter>"),
    forgotten_close=re.compile(
        r"^[ \t]*+(?:<parameter=[^>\n]+>|</function>)|</function>\s*</(?:seed:)?tool_call>", re.MULTILINE
    ),
    close=re.compile(r"</function>(?:\s*</(?:seed:)?tool_call>)?"),
    opens=re.compile("<function="),
    stray=re.compile(r"</(?:parameter|function)>"),
    one_line_break=True,
)
_NAME = re.compile(r"([^>\s]+)>")
_JSON_CLOSE = re.compile(r"\s*(?:</function>|<\|eom_id\|>|<\|eot_id\|>|\Z)")


class FunctionXml:
    """Calls in tags whose names hold the names of tools and parameters."""

    begins = re.compile(rf"(?:{_WRAPPED}\s*)?<function=")

    def block(self, text: str, start: int, end: int, tools: Tools) -> Block:
        name = _NAME.match(text, end)
        if name is None:
            return _DIALECT.unreadable(text, start, end, "", "a call names its function in the tag")
        if text.startswith("{", name.end()):
            call, stop = named_call(name[1], text, name.end(), start)
            if call.malformed is None and (close := _JSON_CLOSE.match(text, stop)):
                raw = text[start : close.end()]
                return Block(start, close.end(), (ToolCall(tool=name[1], arguments=call.arguments, raw=raw),))
            return _DIALECT.unreadable(text, start, stop, name[1], call.malformed or "the tag is not closed")
        return tagged_call(text, start, name.end(), name[1], _DIALECT, tools)


FUNCTION_XML: Final = FunctionXml()
