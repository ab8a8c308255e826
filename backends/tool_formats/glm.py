"""`<tool_call>name<arg_key>key</arg_key><arg_value>value</arg_value></tool_call>`: GLM 4.5 and later."""

from __future__ import annotations

import re
from typing import Final

from artis_sdk.backends.tool_formats.protocol import Block, Tools
from artis_sdk.backends.tool_formats.tags import TagDialect, tagged_call

_OPEN = "<tool_call>"
_DIALECT = TagDialect(
    parameter=re.compile(r"\s*<arg_key>([^<]+)</arg_key>\s*<arg_value>"),
    parameter_close=re.compile("</arg_value>"),
    forgotten_close=re.compile(r"<arg_key>[^<]*</arg_key>\s*<arg_value>|^</tool_call>", re.MULTILINE),
    close=re.compile("</tool_call>"),
    opens=re.compile(_OPEN),
    stray=re.compile("</(?:arg_key|arg_value|tool_call)>"),
    name=lambda parameter: parameter[1].strip(),
)
_NAME = re.compile(r"[^\s<>{}\[\]]++")


class Glm:
    """Calls in tags with keys and values in turn; a value that is no string is JSON."""

    begins = re.compile(rf"{_OPEN}\s*+(?=[^\s<>{{}}\[\]]++\s*+(?:<arg_key>|</tool_call>|\Z))")

    def block(self, text: str, start: int, end: int, tools: Tools) -> Block | None:
        name = _NAME.match(text, end)
        return tagged_call(text, start, name.end(), name[0], _DIALECT, tools) if name else None


GLM: Final = Glm()
