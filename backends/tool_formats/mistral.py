"""`[TOOL_CALLS][{"name": ..., "arguments": ...}]`: Mistral until 2024."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from artis_sdk.backends.tool_formats.framed import framed_block
from artis_sdk.backends.tool_formats.grammar import Choice, Form, further, json_call, row
from artis_sdk.backends.tool_formats.json_calls import malformed, named_call, write_object
from artis_sdk.backends.tool_formats.json_text import skip_blanks
from artis_sdk.backends.tool_formats.marked import MarkedFormat
from artis_sdk.backends.tool_formats.protocol import Block, Tools
from artis_sdk.records import ToolCall, ToolSpec

OPEN: Final = "[TOOL_CALLS]"
ARGUMENTS: Final = "[ARGS]"
_NAMED = re.compile(r"\s*([\w.\-/:]++)(?:\[CALL_ID\][\w-]*+)?(?:\[ARGS\]|(?=\{))")


class MistralCalls:
    """Calls of both of Mistral's forms behind the mark."""

    begins = re.compile(re.escape(OPEN))

    def block(self, text: str, start: int, end: int, tools: Tools) -> Block:
        """Everything behind the first mark is calls."""
        if text[(at := skip_blanks(text, end)) : at + 1] in ("[", "{") and not text.startswith(ARGUMENTS, at):
            return framed_block(text, start, end)
        calls: list[ToolCall] = []
        at = start
        while text.startswith(OPEN, at):
            name = _NAMED.match(text, at + len(OPEN))
            if name is None:
                break
            call, stop = named_call(name[1], text, name.end(), at)
            if call.malformed is not None:
                return Block(start, len(text), (*calls, call))
            at = skip_blanks(text, stop)
            if at < len(text) and not text.startswith(OPEN, at):
                call = malformed(text[at - 1 :], "text follows the arguments", name[1])
                return Block(start, len(text), (*calls, call))
            calls.append(call)
        if at < len(text):
            why = "a call names its function before [ARGS], and nothing but calls follows it"
            calls.append(malformed(text[at:], why))
        return Block(start, len(text), tuple(calls))


MISTRAL_CALLS: Final = MistralCalls()


@dataclass(frozen=True, eq=False, kw_only=True)
class Mistral(MarkedFormat):
    """One JSON list of calls behind one mark."""

    def rest(self, tools: Sequence[ToolSpec]) -> Form:
        call = Choice(tuple([json_call(tool, "arguments") for tool in tools]))
        return row("[", call, further(call, ", "), "]")

    def write(self, calls: Sequence[ToolCall]) -> str:
        return f"{OPEN}[{', '.join([write_object(call, 'arguments', ARGUMENTS) for call in calls])}]"

    def call_id(self, id: str) -> str:
        """Nine letters and digits; the templates refuse any other."""
        return id if re.fullmatch(r"[a-zA-Z0-9]{9}", id) else hashlib.sha256(id.encode()).hexdigest()[:9]


MISTRAL: Final = Mistral(name="mistral", reader=MISTRAL_CALLS, marks=(OPEN,), vllm_parsers=("mistral",))
